/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of an unlinked entry back to free memory.
 *
 * limbo: unlinked since the last run. A run takes one ticket for all of them (a ticket costs every
 * reader a cache miss) and they go to waiting. Once every reader has been quiescent since, nobody
 * can have an unpinned reference, nor make a new pin: they go to held, where one scan over all pins
 * decides who is free.
 *
 * The scan misses no pin: a reader stores its pin before its next quiescent report (release), and
 * the report was seen (acquire) before the scan. It is enough to scan once per run, because a pin
 * of an entry in held can only go. It cannot move: that is why the header forbids pinning an entry
 * again on the strength of another pin.
 */
#include "cache/state.h"

#include "cache/delay.h"

static void list_push(const struct aro_cache *cache, struct aro_entry_list *list,
                      struct aro_entry *entry)
{
    entry->link = NULL;
    if (list->last != NULL)
        list->last->link = entry;
    else
        list->first = entry;
    list->last = entry;
    list->entries++;
    list->bytes += aro_entries_bytes(&cache->entries, entry);
}

static struct aro_entry *list_pop(const struct aro_cache *cache, struct aro_entry_list *list)
{
    struct aro_entry *entry = list->first;

    if (entry == NULL)
        return NULL;
    list->first = entry->link;
    if (list->first == NULL)
        list->last = NULL;
    list->entries--;
    list->bytes -= aro_entries_bytes(&cache->entries, entry);
    return entry;
}

void aro_reclaim_retire(struct aro_cache *cache, struct aro_entry *entry)
{
    list_push(cache, &cache->limbo, entry);
}

/* Marks every pinned entry with a new scan number. Returns how many different ones there are. */
static uint64_t pins_scan(struct aro_cache *cache)
{
    uint64_t scan = ++cache->pin_scans;
    uint64_t pinned = 0;

    for (unsigned r = 0; r < cache->readers; r++) {
        const struct aro_reader *reader = cache->reader[r];
        for (uint32_t i = 0; i < reader->pins; i++) {
            /* pairs with the release of the unpin: what the reader read, it has read */
            struct aro_entry *entry = atomic_load_explicit(&reader->pin[i], memory_order_acquire);
            if (entry == NULL || entry->pin_scan == scan)
                continue;
            entry->pin_scan = scan;
            pinned++;
        }
    }
    return pinned;
}

static void limbo_close(struct aro_cache *cache)
{
    struct aro_entry *entry;
    uint64_t ticket;

    if (cache->limbo.first == NULL)
        return;
    ticket = aro_qsbr_start(&cache->qsbr);
    while ((entry = list_pop(cache, &cache->limbo)) != NULL) {
        entry->retire_ticket = ticket;
        list_push(cache, &cache->waiting, entry);
    }
}

static unsigned waiting_pass(struct aro_cache *cache, unsigned work_max)
{
    uint64_t passed = 0; /* the newest ticket known to have passed */
    struct aro_entry *entry;
    unsigned moved = 0;

    while ((entry = cache->waiting.first) != NULL && moved < work_max) {
        aro_delay_point();
        if (entry->retire_ticket > passed && !aro_qsbr_passed(&cache->qsbr, entry->retire_ticket))
            break;
        passed = entry->retire_ticket;
        list_pop(cache, &cache->waiting);
        list_push(cache, &cache->held, entry);
        moved++;
    }
    return moved;
}

static void held_free(struct aro_cache *cache)
{
    struct aro_entry_list still = {0};
    struct aro_entry *entry;

    if (cache->held.first == NULL)
        return;
    pins_scan(cache);
    while ((entry = list_pop(cache, &cache->held)) != NULL) {
        if (entry->pin_scan == cache->pin_scans)
            list_push(cache, &still, entry);
        else
            aro_entries_give(&cache->entries, entry);
    }
    cache->held = still;
}

bool aro_reclaim_run(struct aro_cache *cache, unsigned work_max)
{
    unsigned moved;

    limbo_close(cache);
    moved = waiting_pass(cache, work_max);
    held_free(cache);
    return moved == work_max;
}

uint64_t aro_reclaim_coming_bytes(const struct aro_cache *cache)
{
    return cache->limbo.bytes + cache->waiting.bytes;
}

uint64_t aro_reclaim_coming_entries(const struct aro_cache *cache)
{
    return cache->limbo.entries + cache->waiting.entries;
}

uint64_t aro_reclaim_pinned(struct aro_cache *cache)
{
    return pins_scan(cache);
}
