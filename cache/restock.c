/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The readers' stock within its budget, for all readers and classes together: a sixteenth of the
 * region, so that stock, spare memory and rounding together stay below 15% of it; in a small region
 * an eighth, or nothing would be left beside one large chunk. Over budget a class that is asked for
 * gets the memory of one that is not.
 */
#include "cache/state.h"

enum { BUDGET_DIVISOR = 16, SMALL_DIVISOR = 8, SMALL_BYTES = 2 * ARO_CHUNK_BYTES_MAX };

static uint64_t budget_bytes(const struct aro_cache *cache)
{
    uint64_t small = cache->region_bytes / SMALL_DIVISOR;
    uint64_t budget = cache->region_bytes / BUDGET_DIVISOR;

    if (small > SMALL_BYTES)
        small = SMALL_BYTES;
    return budget > small ? budget : small;
}

static uint64_t stock_bytes(const struct aro_cache *cache)
{
    uint64_t bytes = 0;

    for (unsigned r = 0; r < cache->readers; r++)
        for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++)
            bytes += (uint64_t)aro_stock_count(&cache->reader[r]->stock[c])
                     << (c + __builtin_ctz(ARO_CHUNK_ALIGN));
    return bytes;
}

/* Takes one entry back that nobody else has seen: free at once. */
static bool shrink(struct aro_cache *cache, struct aro_stock *stock)
{
    struct aro_entry *entry = aro_stock_take_back(stock);

    if (entry == NULL)
        return false;
    stock->seen_head++; /* not demand */
    aro_entries_give(&cache->entries, entry);
    return true;
}

/* The stock that was not used for longest, but at all for some time; NULL: none has entries. */
static struct aro_stock *idlest(const struct aro_cache *cache)
{
    struct aro_stock *found = NULL;

    for (unsigned r = 0; r < cache->readers; r++) {
        for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++) {
            struct aro_stock *stock = &cache->reader[r]->stock[c];
            if (stock->idle > (found != NULL ? found->idle : 0) && aro_stock_count(stock) > 0)
                found = stock;
        }
    }
    return found;
}

/* Room for need_bytes more within the budget, at the cost of idle stock. */
static bool budget_make(struct aro_cache *cache, uint64_t *bytes, uint32_t need_bytes)
{
    uint64_t budget = budget_bytes(cache);

    while (*bytes + need_bytes > budget) {
        struct aro_stock *stock = idlest(cache);
        if (stock == NULL || !shrink(cache, stock))
            return false;
        stock->target = aro_stock_count(stock);
        *bytes = stock_bytes(cache);
    }
    return true;
}

/* Returns how many entries moved; *starved: there was no memory for more. */
static unsigned stock_adjust(struct aro_cache *cache, struct aro_stock *stock, unsigned size_class,
                             unsigned work_max, uint64_t *bytes, bool *starved)
{
    uint32_t entry_bytes = aro_stock_class_bytes(size_class);
    unsigned moved = 0;

    while (moved < work_max && aro_stock_count(stock) > stock->target && shrink(cache, stock))
        moved++;
    while (moved < work_max && aro_stock_count(stock) < stock->target) {
        struct aro_entry *entry;
        if (!budget_make(cache, bytes, entry_bytes))
            break; /* a miss will ask again */
        entry = aro_keeper_take(cache, entry_bytes);
        if (entry == NULL) {
            *starved = true;
            break;
        }
        aro_stock_fill(stock, entry);
        *bytes += entry_bytes;
        moved++;
    }
    return moved;
}

bool aro_restock_run(struct aro_cache *cache, unsigned work_max)
{
    bool starved = false;
    uint64_t bytes;
    unsigned left = work_max;

    for (unsigned r = 0; r < cache->readers; r++)
        for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++)
            aro_stock_observe(&cache->reader[r]->stock[c]);
    bytes = stock_bytes(cache);
    for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++)
        for (unsigned r = 0; r < cache->readers && left > 0; r++)
            left -= stock_adjust(cache, &cache->reader[r]->stock[c], c, left, &bytes, &starved);
    atomic_store(&cache->starved, starved);
    return left == 0;
}
