/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stock: prepared entries of one size class for one reader, so that a reader never allocates.
 *
 * A ring that the keeper fills. The reader takes from it, and so may the keeper when a class has
 * become idle: taking is a CAS on the head (uncontended but then), filling is by the keeper alone.
 * How many entries it should hold (the target) follows demand: it doubles when the reader found it
 * empty or used more than half since the last look, and halves when for a long time no look found
 * more than a quarter used.
 */
#ifndef ARO_CACHE_STOCK_H
#define ARO_CACHE_STOCK_H

#include "cache/cache.h"

enum {
    ARO_STOCK_CLASSES = ARO_SIZE_CLASSES, /* 4 KiB << class: up to 1 MiB */
    ARO_STOCK_DEPTH = 64,                 /* entries per class and reader, a power of two */
    ARO_STOCK_PERIOD = 1024,              /* looks between two thoughts of halving the target */
};
static_assert(ARO_CHUNK_ALIGN << (ARO_STOCK_CLASSES - 1) == ARO_CHUNK_BYTES_MAX,
              "the last class holds the largest chunk");

struct aro_stock {
    alignas(64) _Atomic uint32_t head; /* taken so far */
    _Atomic uint32_t missed;           /* times it was empty; reader */
    alignas(64) _Atomic uint32_t tail; /* filled so far; keeper, as all below */
    uint32_t seen_head;                /* at the last look */
    uint32_t seen_missed;
    uint32_t target;
    uint32_t floor; /* the target never falls below, without being asked for */
    uint32_t idle;  /* looks since the last use */
    uint32_t looks; /* so far */
    uint32_t peak;  /* most used between two looks of this period */
    _Atomic(struct aro_entry *) slot[ARO_STOCK_DEPTH];
};

/* The class for a chunk of len_bytes (1..ARO_CHUNK_BYTES_MAX). */
static inline unsigned aro_stock_class(uint32_t len_bytes)
{
    uint32_t pages = (len_bytes - 1) / ARO_CHUNK_ALIGN; /* less one */

    return pages == 0 ? 0 : 32 - (unsigned)__builtin_clz(pages);
}

static inline uint32_t aro_stock_class_bytes(unsigned size_class)
{
    return (uint32_t)ARO_CHUNK_ALIGN << size_class;
}

/* Keeper, before use; *stock is zeroed. */
void aro_stock_init(struct aro_stock *stock, unsigned size_class);

/* The oldest entry, or NULL (reader: counts as demand that was not met). */
struct aro_entry *aro_stock_take(struct aro_stock *stock);
struct aro_entry *aro_stock_take_back(struct aro_stock *stock); /* keeper */

/* Keeper. Only when aro_stock_count is below ARO_STOCK_DEPTH. */
void aro_stock_fill(struct aro_stock *stock, struct aro_entry *entry);
/* Keeper: how many there are, at most. */
uint32_t aro_stock_count(const struct aro_stock *stock);
/* Keeper, once per housekeeping: adapts the target to the demand since the last call. */
void aro_stock_observe(struct aro_stock *stock);

#endif
