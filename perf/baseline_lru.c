/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An LRU as one would write it for speed: nodes of one line in an array, linked by numbers;
 * chains from a table of twice as many heads; a list in order of use. A burst first fetches its
 * heads, then the first nodes of their chains, then those nodes' neighbours in the list.
 */
#include "perf/baseline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NOBODY = 0 }; /* nodes[0]: both ends of the list */

struct node {
    uint8_t id[BASELINE_ID_BYTES];
    void *value;
    uint32_t chain; /* next with the same head; NOBODY ends */
    uint32_t older, newer;
    uint32_t unused[3];
};
_Static_assert(sizeof(struct node) == 64, "one line");

struct baseline_lru {
    struct node *nodes; /* [1..max] */
    uint32_t *heads;
    uint64_t heads_mask;
    uint32_t max, used;
};

static void *pages(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

static void lru_destroy(void *arg);

static void *lru_create(uint32_t entries_max)
{
    struct baseline_lru *lru = calloc(1, sizeof(*lru));
    uint64_t heads = 1;

    if (lru == NULL)
        return NULL;
    while (heads < 2 * (uint64_t)entries_max)
        heads *= 2;
    lru->max = entries_max;
    lru->heads_mask = heads - 1;
    lru->nodes = pages((entries_max + 1ul) * sizeof(struct node));
    lru->heads = pages(heads * sizeof(uint32_t));
    if (lru->nodes != NULL && lru->heads != NULL)
        return lru;
    lru_destroy(lru);
    return NULL;
}

static void lru_destroy(void *arg)
{
    struct baseline_lru *lru = arg;

    if (lru->nodes != NULL)
        munmap(lru->nodes, (lru->max + 1ul) * sizeof(struct node));
    if (lru->heads != NULL)
        munmap(lru->heads, (lru->heads_mask + 1) * sizeof(uint32_t));
    free(lru);
}

static uint32_t *head_of(const struct baseline_lru *lru, const uint8_t *id)
{
    uint64_t hash;

    memcpy(&hash, id, sizeof(hash));
    return &lru->heads[hash & lru->heads_mask];
}

static uint32_t find(const struct baseline_lru *lru, const uint8_t *id)
{
    uint32_t at = *head_of(lru, id);

    while (at != NOBODY && memcmp(lru->nodes[at].id, id, BASELINE_ID_BYTES) != 0)
        at = lru->nodes[at].chain;
    return at;
}

static void list_unlink(struct baseline_lru *lru, uint32_t at)
{
    struct node *node = &lru->nodes[at];

    lru->nodes[node->older].newer = node->newer;
    lru->nodes[node->newer].older = node->older;
}

static void list_push(struct baseline_lru *lru, uint32_t at)
{
    struct node *node = &lru->nodes[at], *ends = &lru->nodes[NOBODY];

    node->newer = NOBODY;
    node->older = ends->older; /* the newest: what lies before the end */
    lru->nodes[ends->older].newer = at;
    ends->older = at;
}

static uint32_t oldest_evict(struct baseline_lru *lru)
{
    uint32_t at = lru->nodes[NOBODY].newer;
    uint32_t *link = head_of(lru, lru->nodes[at].id);

    while (*link != at)
        link = &lru->nodes[*link].chain;
    *link = lru->nodes[at].chain;
    list_unlink(lru, at);
    return at;
}

static void insert(struct baseline_lru *lru, const uint8_t *id, void *value)
{
    uint32_t at = lru->used < lru->max ? ++lru->used : oldest_evict(lru);
    uint32_t *head = head_of(lru, id);

    memcpy(lru->nodes[at].id, id, BASELINE_ID_BYTES);
    lru->nodes[at].value = value;
    lru->nodes[at].chain = *head;
    *head = at;
    list_push(lru, at);
}

static void burst_fetch(const struct baseline_lru *lru, const uint8_t *ids, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(head_of(lru, ids + i * BASELINE_ID_BYTES));
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(&lru->nodes[*head_of(lru, ids + i * BASELINE_ID_BYTES)]);
    for (unsigned i = 0; i < n; i++) {
        const struct node *node = &lru->nodes[*head_of(lru, ids + i * BASELINE_ID_BYTES)];
        __builtin_prefetch(&lru->nodes[node->older]);
        __builtin_prefetch(&lru->nodes[node->newer]);
    }
}

static unsigned lru_request_burst(void *arg, const uint8_t *ids, void *const values[], unsigned n,
                                  void *ret[])
{
    struct baseline_lru *lru = arg;
    unsigned hits = 0;

    burst_fetch(lru, ids, n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = find(lru, ids + i * BASELINE_ID_BYTES);
        ret[i] = NULL;
        if (at == NOBODY) {
            insert(lru, ids + i * BASELINE_ID_BYTES, values[i]);
            continue;
        }
        list_unlink(lru, at);
        list_push(lru, at);
        ret[i] = lru->nodes[at].value;
        hits++;
    }
    return hits;
}

const struct baseline_lru_ops baseline_lru_fetched = {
    .name = "LRU",
    .create = lru_create,
    .destroy = lru_destroy,
    .request_burst = lru_request_burst,
};
