/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/base/bytes.h"

enum { RECORD_BYTES = 24, AT_OBJECT = 4, AT_SIZE = 12, AT_NEXT = 16 };

static const uint8_t *record(const struct trace *trace, uint64_t i)
{
    return trace->records + i * RECORD_BYTES;
}

struct trace_request trace_at(const struct trace *trace, uint64_t i)
{
    const uint8_t *at = record(trace, i);

    return (struct trace_request){aro_load_le64(at + AT_OBJECT), aro_load_le32(at + AT_SIZE)};
}

/* Request i (from 0) is followed by one of a higher number; numbers count from 1. */
static const char *fault_of(const struct trace *trace, uint64_t i)
{
    int64_t next = (int64_t)aro_load_le64(record(trace, i) + AT_NEXT);

    if (i > 0 && aro_load_le32(record(trace, i)) < aro_load_le32(record(trace, i - 1)))
        return "time goes back";
    if (next != -1 && (next < 0 || (uint64_t)next <= i + 1))
        return "the object's next request is not ahead";
    return NULL;
}

static int records_check(struct trace *trace, const char *path, struct aro_error *error)
{
    uint32_t size_min_bytes = UINT32_MAX;

    for (uint64_t i = 0; i < trace->requests; i++) {
        const char *fault = fault_of(trace, i);
        uint32_t size_bytes = trace_at(trace, i).size_bytes;
        if (size_bytes > 0 && size_bytes < size_min_bytes)
            size_min_bytes = size_bytes;
        if (fault != NULL)
            return aro_error_set(error, ARO_E_TRACE_INVALID, "%.300s: record %llu: %s", path,
                                 (unsigned long long)i + 1, fault);
    }
    trace->size_min_bytes = size_min_bytes == UINT32_MAX ? 1 : size_min_bytes;
    return 0;
}

static int map(struct trace *trace, int fd, const char *path, struct aro_error *error)
{
    struct stat about;
    void *at;

    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return aro_error_set(error, ARO_E_TRACE_INVALID, "%.300s: not a file", path);
    trace->bytes = (size_t)about.st_size;
    trace->requests = trace->bytes / RECORD_BYTES;
    if (trace->bytes == 0 || trace->bytes % RECORD_BYTES != 0)
        return aro_error_set(error, ARO_E_TRACE_INVALID,
                             "%.300s: its %zu bytes are not whole records of %d", path,
                             trace->bytes, RECORD_BYTES);
    at = mmap(NULL, trace->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return aro_error_set(error, ARO_E_TRACE_INVALID, "%.300s: %s", path, strerror(errno));
    trace->records = at;
    return 0;
}

int trace_open(struct trace *trace, const char *path, struct aro_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    *trace = (struct trace){0};
    if (fd < 0)
        return aro_error_set(error, ARO_E_TRACE_INVALID, "%.300s: %s", path, strerror(errno));
    rc = map(trace, fd, path, error);
    close(fd);
    if (rc == 0 && records_check(trace, path, error) != 0) {
        trace_close(trace);
        rc = -1;
    }
    return rc;
}

void trace_close(struct trace *trace)
{
    void *at;

    memcpy(&at, &trace->records, sizeof(at)); /* const, to munmap only */
    munmap(at, trace->bytes);
}
