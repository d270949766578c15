/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain LRU of C: uthash's table and utlist's list, one request after the other. Its hash is
 * given (bits of the id), nodes stand in an array and evicted ones are used again, the newest is
 * not moved when it is hit.
 */
#include "perf/baseline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HASH_FUNCTION(key, len, value)                                                             \
    do {                                                                                           \
        memcpy(&(value), (key), sizeof(value));                                                    \
        (void)(len);                                                                               \
    } while (0)
#include <uthash.h>
#include <utlist.h>

struct node {
    uint8_t id[BASELINE_ID_BYTES];
    void *value;
    struct node *prev, *next;
    UT_hash_handle hh;
};

struct plain_lru {
    struct node *table;
    struct node *newest; /* its prev: the oldest */
    struct node *nodes;  /* [used:max] were never in */
    uint32_t max, used;
};

static size_t nodes_bytes(const struct plain_lru *lru)
{
    return lru->max * sizeof(struct node);
}

static void *plain_create(uint32_t entries_max)
{
    struct plain_lru *lru = calloc(1, sizeof(*lru));

    if (lru == NULL)
        return NULL;
    lru->max = entries_max;
    lru->nodes =
        mmap(NULL, nodes_bytes(lru), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lru->nodes == MAP_FAILED) {
        free(lru);
        return NULL;
    }
    return lru;
}

static void plain_destroy(void *arg)
{
    struct plain_lru *lru = arg;

    HASH_CLEAR(hh, lru->table);
    munmap(lru->nodes, nodes_bytes(lru));
    free(lru);
}

static struct node *node_take(struct plain_lru *lru)
{
    struct node *oldest;

    if (lru->used < lru->max)
        return &lru->nodes[lru->used++];
    oldest = lru->newest->prev;
    HASH_DELETE(hh, lru->table, oldest);
    DL_DELETE(lru->newest, oldest);
    return oldest;
}

/* NULL: it was absent, and is in now. */
static void *request(struct plain_lru *lru, const uint8_t *id, void *value)
{
    struct node *node;

    HASH_FIND(hh, lru->table, id, BASELINE_ID_BYTES, node);
    if (node != NULL) {
        if (node != lru->newest) {
            DL_DELETE(lru->newest, node);
            DL_PREPEND(lru->newest, node);
        }
        return node->value;
    }
    node = node_take(lru);
    memcpy(node->id, id, BASELINE_ID_BYTES);
    node->value = value;
    HASH_ADD(hh, lru->table, id, BASELINE_ID_BYTES, node);
    DL_PREPEND(lru->newest, node);
    return NULL;
}

static unsigned plain_request_burst(void *arg, const uint8_t *ids, void *const values[], unsigned n,
                                    void *ret[])
{
    unsigned hits = 0;

    for (unsigned i = 0; i < n; i++) {
        ret[i] = request(arg, ids + i * BASELINE_ID_BYTES, values[i]);
        hits += ret[i] != NULL;
    }
    return hits;
}

const struct baseline_lru_ops baseline_lru_plain = {
    .name = "uthash and utlist",
    .create = plain_create,
    .destroy = plain_destroy,
    .request_burst = plain_request_burst,
};
