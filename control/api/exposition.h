/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prometheus' text format 0.0.4 into one growing, bounded text: families with HELP and TYPE,
 * samples with labels.
 *
 *     struct aro_exposition text = aro_exposition_begin(1 << 20);
 *     aro_exposition_family(&text, "arocache_x_total", ARO_FAMILY_COUNTER, "what it counts");
 *     aro_exposition_count(&text, "arocache_x_total", labels, 1, 42);
 *     answer = aro_exposition_end(&text, &length);
 *
 * A failure (no memory, beyond the bound) sticks: the calls in between need no check, the end says
 * so. Names are the caller's constants and are not checked; help and label values may hold
 * anything. One thread; libc only.
 */
#ifndef ARO_CONTROL_API_EXPOSITION_H
#define ARO_CONTROL_API_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>

#define ARO_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum aro_family {
    ARO_FAMILY_COUNTER, /* only grows; its name ends in _total */
    ARO_FAMILY_GAUGE,
    ARO_FAMILY_HISTOGRAM,
};

struct aro_label {
    const char *name;
    const char *value;
};

/* Plain counts per bucket; the cumulation that the format wants is done here. */
struct aro_histogram {
    const double *bound;   /* [buckets], ascending: upper limits, inclusive */
    const uint64_t *count; /* [buckets + 1]; the last: beyond every bound */
    unsigned buckets;
    double sum; /* of everything observed */
};

struct aro_exposition {
    char *text; /* owned until the end */
    size_t length, room, bytes_max;
    int failed; /* 0 or -errno */
};

/* bytes_max: the text's length at most. Allocates nothing yet. */
struct aro_exposition aro_exposition_begin(size_t bytes_max);

/* Before a family's first sample, once. help: a sentence without a full stop. */
void aro_exposition_family(struct aro_exposition *to, const char *name, enum aro_family type,
                           const char *help);
/* One sample; labels: n of them, n may be 0. */
void aro_exposition_count(struct aro_exposition *to, const char *name,
                          const struct aro_label labels[], unsigned n, uint64_t value);
void aro_exposition_real(struct aro_exposition *to, const char *name,
                         const struct aro_label labels[], unsigned n, double value);
/* The samples _bucket (with le), _sum and _count of one set of labels. */
void aro_exposition_histogram(struct aro_exposition *to, const char *name,
                              const struct aro_label labels[], unsigned n,
                              const struct aro_histogram *value);

/* The text, the caller's to free; NULL with errno: ENOMEM, EMSGSIZE (beyond bytes_max). */
char *aro_exposition_end(struct aro_exposition *from, size_t *ret_length);

#endif
