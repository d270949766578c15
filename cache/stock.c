/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/stock.h"

#include "cache/delay.h"

enum { FLOOR_BYTES = 256 << 10 }; /* first stock of a class, where it buys at least one entry */
enum { FLOOR_MAX = 4, FLOOR_CLASS_BYTES = 64 << 10 };

void aro_stock_init(struct aro_stock *stock, unsigned size_class)
{
    uint32_t bytes = aro_stock_class_bytes(size_class);

    if (bytes == ARO_CHUNK_BYTES_DEFAULT)
        stock->floor = 4; /* the first reads of nearly everybody */
    else if (bytes < ARO_CHUNK_BYTES_DEFAULT)
        stock->floor = 1; /* tails of objects */
    stock->target = stock->floor;
}

/*
 * A slot read before the head moved is still the one at head: the keeper writes it again only after
 * the head has passed it, and then the CAS fails. seq_cst: see aro_cache_wanting.
 */
struct aro_entry *aro_stock_take_back(struct aro_stock *stock)
{
    uint32_t head = atomic_load(&stock->head);

    while (head != atomic_load_explicit(&stock->tail, memory_order_acquire)) {
        struct aro_entry *entry =
            atomic_load_explicit(&stock->slot[head % ARO_STOCK_DEPTH], memory_order_relaxed);
        aro_delay_point();
        if (atomic_compare_exchange_strong(&stock->head, &head, head + 1))
            return entry;
    }
    return NULL;
}

struct aro_entry *aro_stock_take(struct aro_stock *stock)
{
    struct aro_entry *entry = aro_stock_take_back(stock);

    if (entry == NULL) /* one writer: no RMW */
        atomic_store(&stock->missed,
                     atomic_load_explicit(&stock->missed, memory_order_relaxed) + 1);
    return entry;
}

/* The acquire of head pairs with the take: nobody reads the slot any more. */
void aro_stock_fill(struct aro_stock *stock, struct aro_entry *entry)
{
    uint32_t tail = atomic_load_explicit(&stock->tail, memory_order_relaxed);

    atomic_store_explicit(&stock->slot[tail % ARO_STOCK_DEPTH], entry, memory_order_relaxed);
    aro_delay_point();
    atomic_store_explicit(&stock->tail, tail + 1, memory_order_release);
}

uint32_t aro_stock_count(const struct aro_stock *stock)
{
    return atomic_load_explicit(&stock->tail, memory_order_relaxed) - atomic_load(&stock->head);
}

static uint32_t doubled(uint32_t target)
{
    if (target == 0)
        return 1;
    return target < ARO_STOCK_DEPTH / 2 ? 2 * target : ARO_STOCK_DEPTH;
}

void aro_stock_observe(struct aro_stock *stock)
{
    uint32_t head = atomic_load(&stock->head);
    uint32_t missed = atomic_load(&stock->missed);
    uint32_t used = head - stock->seen_head;

    if (missed != stock->seen_missed)
        used = stock->target + 1; /* at least */
    if (used > stock->peak)
        stock->peak = used;
    if (used > stock->target / 2)
        stock->target = doubled(stock->target);
    stock->idle = used > 0 ? 0 : stock->idle + 1;
    if (++stock->looks % ARO_STOCK_PERIOD == 0) {
        if (stock->peak <= stock->target / 4 && stock->target > stock->floor)
            stock->target /= 2;
        stock->peak = 0;
    }
    stock->seen_head = head;
    stock->seen_missed = missed;
}
