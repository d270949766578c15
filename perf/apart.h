/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A comparison that needs a network of its own: it runs in a child process with private network and
 * mount namespaces - and, for an ordinary user, a user namespace -, so that interfaces and mounts
 * vanish with it. One thread.
 *
 * A wire is a veth: the end ar<n> is the node's, 10.9.<n>.1; the end br<n> is the kernel's,
 * 10.9.<n>.2, which knows the other's Ethernet address. No question about it delays a measurement.
 */
#ifndef ARO_PERF_APART_H
#define ARO_PERF_APART_H

#include "perf/compare.h"

enum { BENCH_WIRE_HOST_BYTES = 16, BENCH_WIRE_DEVICE_BYTES = 96 };

/* NULL: there can be such a child; otherwise a sentence that says why not. */
const char *bench_apart_lacks(void);

/* Runs body inside one. Ends the benchmark when the child fails: it said why. */
void bench_apart(void (*body)(const struct compare *compare, const char *name),
                 const struct compare *compare, const char *name);

/* Inside: wire number n. */
void bench_wire_make(unsigned n, unsigned mtu);
/*
 * The node's address on it, and its device as the node's configuration names it, with rings of so
 * many frames (a power of two).
 */
void bench_wire_host(unsigned n, char ret[BENCH_WIRE_HOST_BYTES]);
void bench_wire_device(unsigned n, unsigned mtu, unsigned frames,
                       char ret[BENCH_WIRE_DEVICE_BYTES]);

#endif
