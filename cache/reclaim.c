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
    uint32_t number = aro_entry_number(cache->entries.array, entry);

    entry->link = 0;
    if (list->last != 0)
        aro_entry_by(cache->entries.array, list->last)->link = number;
    else
        list->first = number;
    list->last = number;
    list->entries++;
    list->bytes += aro_entries_bytes(&cache->entries, entry);
}

static struct aro_entry *list_pop(const struct aro_cache *cache, struct aro_entry_list *list)
{
    struct aro_entry *entry = aro_entry_by(cache->entries.array, list->first);

    if (entry == NULL)
        return NULL;
    list->first = entry->link;
    if (list->first == 0)
        list->last = 0;
    list->entries--;
    list->bytes -= aro_entries_bytes(&cache->entries, entry);
    return entry;
}

void aro_reclaim_retire(struct aro_cache *cache, struct aro_entry *entry)
{
    cache->retired++;
    list_push(cache, &cache->limbo, entry);
}

/*
 * Marks every held entry that some pin holds with a new scan number; others' lines stay as they
 * are. Returns the number of pins. A mark of 2^32 scans ago would keep an entry for one scan more.
 */
static uint64_t pins_scan(struct aro_cache *cache)
{
    uint32_t scan = ++cache->pin_scans;
    uint64_t pins = 0;

    for (unsigned r = 0; r < cache->readers; r++) {
        const struct aro_reader *reader = cache->reader[r];
        for (uint32_t i = 0; i < reader->pins; i++) {
            /* pairs with the release of the unpin: what the reader read, it has read */
            struct aro_entry *entry = atomic_load_explicit(&reader->pin[i], memory_order_acquire);
            if (entry == NULL)
                continue;
            pins++;
            if (entry->policy_queue == ARO_QUEUE_HELD)
                entry->pin_scan = scan;
        }
    }
    return pins;
}

static void limbo_close(struct aro_cache *cache)
{
    struct aro_entry *entry;
    uint64_t ticket;

    if (cache->limbo.first == 0)
        return;
    ticket = aro_qsbr_start(&cache->qsbr);
    cache->newest_ticket = ticket;
    while ((entry = list_pop(cache, &cache->limbo)) != NULL) {
        entry->retire_ticket = (uint32_t)ticket;
        list_push(cache, &cache->waiting, entry);
    }
}

/* The whole ticket: it is less than 2^32 tickets old. */
static uint64_t ticket_of(const struct aro_cache *cache, const struct aro_entry *entry)
{
    uint64_t newest = cache->newest_ticket;

    return newest - (uint32_t)((uint32_t)newest - entry->retire_ticket);
}

static unsigned waiting_pass(struct aro_cache *cache, unsigned work_max)
{
    uint64_t passed = 0; /* the newest ticket known to have passed */
    struct aro_entry *entry;
    unsigned moved = 0;

    while (cache->waiting.first != 0 && moved < work_max) {
        uint64_t ticket;
        entry = aro_entry_by(cache->entries.array, cache->waiting.first);
        ticket = ticket_of(cache, entry);
        aro_delay_point();
        if (ticket > passed && !aro_qsbr_passed(&cache->qsbr, ticket))
            break;
        passed = ticket;
        list_pop(cache, &cache->waiting);
        entry->policy_queue = ARO_QUEUE_HELD;
        entry->pin_scan = cache->pin_scans;
        list_push(cache, &cache->held, entry);
        moved++;
    }
    return moved;
}

static void held_free(struct aro_cache *cache)
{
    struct aro_entry_list still = {0};
    struct aro_entry *entry;

    if (cache->held.first == 0)
        return;
    aro_delay_point();
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
