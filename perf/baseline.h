/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What arobench compares the cache with: plain signatures, and not a line of the project behind
 * them. An id is 32 bytes whose first eight are as good as random, so each side takes its hash from
 * there for nothing. Memory is asked for in large pages wherever its owner lets us.
 */
#ifndef ARO_PERF_BASELINE_H
#define ARO_PERF_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASELINE_ID_BYTES = 32, BASELINE_BURST_MAX = 64 };

/* ---- tables: id -> value; one thread ---- */

struct baseline_table_ops {
    const char *name;
    /* writers: others may write too, and pay for it. NULL: no memory, or its library won't. */
    void *(*create)(uint32_t entries_max, bool writers);
    void (*destroy)(void *table);
    bool (*insert)(void *table, const uint8_t id[BASELINE_ID_BYTES], void *value);
    bool (*erase)(void *table, const uint8_t id[BASELINE_ID_BYTES]);
    /* n ids, one behind the other, n <= BASELINE_BURST_MAX; ret[i] is NULL for who is not there.
     * How many are. */
    unsigned (*lookup_burst)(void *table, const uint8_t *ids, unsigned n, void *ret[]);
};

extern const struct baseline_table_ops baseline_rte_hash; /* DPDK, lock-free for readers */
extern const struct baseline_table_ops baseline_lfht;     /* liburcu */

/* ---- a cache: hash table and list, least recently used; one thread ---- */

struct baseline_lru_ops {
    const char *name;
    void *(*create)(uint32_t entries_max); /* NULL: no memory */
    void (*destroy)(void *lru);
    /*
     * Asks for n ids, one behind the other, in that order. ret[i] is the value that came in with
     * that id, or NULL: it was absent and is in now, with values[i] (never NULL). Returns the hits.
     */
    unsigned (*request_burst)(void *lru, const uint8_t *ids, void *const values[], unsigned n,
                              void *ret[]);
};

extern const struct baseline_lru_ops baseline_lru_plain;   /* uthash and utlist */
extern const struct baseline_lru_ops baseline_lru_fetched; /* written for bursts */

/* ---- the floor: one line of an index and the first line of an entry, and nothing else ---- */

struct floor_loads {
    const uint8_t *lines;   /* 64 bytes each */
    uint64_t lines_count;   /* at most 2^32 */
    const uint8_t *entries; /* each begins with its id */
    size_t entry_bytes;
};

/*
 * Where to look stands in the id: its first four bytes choose the line, the second eight are the
 * number of the entry. Returns how many entries begin with the first eight bytes asked for.
 */
unsigned floor_loads_burst(const struct floor_loads *floor, const uint8_t *ids, unsigned n,
                           uint64_t *ret_sum);

#endif
