/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace of requests in libCacheSim's oracleGeneral form: records of 24 bytes, little-endian -
 * time u32 (s), object u64, size u32, next i64 (number of the object's next request counted from 1,
 * -1 or the largest number: none). The file is mapped, not read.
 */
#ifndef ARO_PERF_TRACE_H
#define ARO_PERF_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "cache/base/error.h"

struct trace {
    const uint8_t *records;
    size_t bytes;
    uint64_t requests;
    uint32_t size_min_bytes; /* of those that have a size; 1 when none has */
};

struct trace_request {
    uint64_t object;
    uint32_t size_bytes;
};

/*
 * Maps a file and looks at every record: time never goes back, what comes next lies ahead. 0, or -1
 * with *error set: it cannot be read, or is no such trace.
 */
int trace_open(struct trace *trace, const char *path, struct aro_error *error);
void trace_close(struct trace *trace);

/* Number i < requests. */
struct trace_request trace_at(const struct trace *trace, uint64_t i);

#endif
