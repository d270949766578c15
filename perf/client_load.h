/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our client as a load: libarocache's engine over one socket, fetching cold chunks in a random
 * order, each once before any comes again, so many under way; each verified by its SHA-256, as
 * aroget does. One thread.
 */
#ifndef ARO_PERF_CLIENT_LOAD_H
#define ARO_PERF_CLIENT_LOAD_H

#include "perf/disk_stock.h"
#include "perf/machine.h"

enum { CLIENT_LOAD_DEPTH_MAX = 1024 };

struct client_load;

/* Of the chunks of a stock with digests, served at host. */
struct client_load *client_load_make(const struct disk_stock *stock, const char *host,
                                     unsigned depth);
void client_load_free(struct client_load *load);

struct client_load_result {
    struct bench_sample sample;     /* ops: chunks verified */
    uint64_t cpu_ns;                /* of this thread */
    uint64_t slices, slices_memory; /* that came; of them, out of the node's memory: not cold */
};

/* For so long; what is under way then goes on with the next. Fails the benchmark if the client
 * does. */
void client_load_run(struct client_load *load, double seconds, struct client_load_result *ret);

#endif
