/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * liburcu's lock-free hash table at its best: as many buckets as nodes, fixed; the QSBR flavour,
 * whose read side costs nothing; nodes of one line in large pages, the table in large pages where
 * the kernel can collapse it (Linux 6.1). It has no lookup in bursts.
 */
#define URCU_INLINE_SMALL_FUNCTIONS
#include "perf/baseline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <urcu/urcu-qsbr.h>
#include <urcu/rculfhash.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { PAGE = 4096 };

struct node {
    struct cds_lfht_node link; /* first: a pointer to it is one to the node */
    uint8_t id[BASELINE_ID_BYTES];
    void *value; /* NULL: not in the table */
    struct node *free;
};
_Static_assert(sizeof(struct node) == 64, "one line");

struct table {
    struct cds_lfht *hash;
    struct node *nodes;
    struct node *free; /* given back */
    uint32_t fresh;    /* nodes[fresh:] were never used */
    uint32_t max;
};

static unsigned long hash_of(const uint8_t *id)
{
    unsigned long hash;

    memcpy(&hash, id, sizeof(hash));
    return hash;
}

static struct node *node_of(struct cds_lfht_node *link)
{
    return (struct node *)link;
}

static int match(struct cds_lfht_node *link, const void *id)
{
    return memcmp(node_of(link)->id, id, BASELINE_ID_BYTES) == 0;
}

/* The pages that lie wholly within the table. */
static void buckets_collapse(const struct table *table, size_t bytes)
{
    uintptr_t from = (uintptr_t)cds_lfht_mm_mmap.bucket_at(table->hash, 0);
    uintptr_t end = (from + bytes) / PAGE * PAGE;

    from = (from + PAGE - 1) / PAGE * PAGE;
    if (end > from)
        madvise((void *)from, end - from, MADV_COLLAPSE);
}

/* Only an empty table can be destroyed. */
static void lfht_destroy(void *at)
{
    struct table *table = at;

    for (uint32_t i = 0; i < table->fresh; i++)
        if (table->nodes[i].value != NULL)
            cds_lfht_del(table->hash, &table->nodes[i].link);
    if (table->hash != NULL)
        cds_lfht_destroy(table->hash, NULL);
    if (table->nodes != NULL)
        munmap(table->nodes, table->max * sizeof(struct node));
    free(table);
    urcu_qsbr_unregister_thread();
}

static void *lfht_create(uint32_t entries_max, bool writers)
{
    struct table *table = calloc(1, sizeof(*table));
    unsigned long buckets = 1;

    (void)writers; /* always may */
    if (table == NULL)
        return NULL;
    urcu_qsbr_register_thread();
    while (buckets < entries_max)
        buckets *= 2;
    table->max = entries_max;
    table->nodes = mmap(NULL, entries_max * sizeof(struct node), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    table->hash =
        _cds_lfht_new(buckets, buckets, buckets, 0, &cds_lfht_mm_mmap, &urcu_qsbr_flavor, NULL);
    if (table->nodes == MAP_FAILED || table->hash == NULL) {
        table->nodes = table->nodes == MAP_FAILED ? NULL : table->nodes;
        lfht_destroy(table);
        return NULL;
    }
    madvise(table->nodes, entries_max * sizeof(struct node), MADV_HUGEPAGE);
    buckets_collapse(table, buckets * sizeof(struct cds_lfht_node));
    return table;
}

static struct node *node_take(struct table *table)
{
    struct node *node = table->free;

    if (node != NULL)
        table->free = node->free;
    else if (table->fresh < table->max)
        node = &table->nodes[table->fresh++];
    return node;
}

static void node_give(struct table *table, struct node *node)
{
    node->value = NULL;
    node->free = table->free;
    table->free = node;
}

static bool lfht_insert(void *at, const uint8_t *id, void *value)
{
    struct table *table = at;
    struct node *node = node_take(table);

    if (node == NULL)
        return false;
    memcpy(node->id, id, BASELINE_ID_BYTES);
    node->value = value;
    if (cds_lfht_add_unique(table->hash, hash_of(id), match, node->id, &node->link) == &node->link)
        return true;
    node_give(table, node);
    return false;
}

static bool lfht_erase(void *at, const uint8_t *id)
{
    struct table *table = at;
    struct cds_lfht_iter iter;

    cds_lfht_lookup(table->hash, hash_of(id), match, id, &iter);
    if (iter.node == NULL || cds_lfht_del(table->hash, iter.node) != 0)
        return false;
    node_give(table, node_of(iter.node));
    return true;
}

static unsigned lfht_lookup_burst(void *table, const uint8_t *ids, unsigned n, void *ret[])
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        struct cds_lfht_iter iter;
        cds_lfht_lookup(((struct table *)table)->hash, hash_of(ids + i * BASELINE_ID_BYTES), match,
                        ids + i * BASELINE_ID_BYTES, &iter);
        ret[i] = iter.node == NULL ? NULL : node_of(iter.node)->value;
        found += iter.node != NULL;
    }
    urcu_qsbr_quiescent_state();
    return found;
}

const struct baseline_table_ops baseline_lfht = {
    .name = "liburcu lfht",
    .create = lfht_create,
    .destroy = lfht_destroy,
    .insert = lfht_insert,
    .erase = lfht_erase,
    .lookup_burst = lfht_lookup_burst,
};
