/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/replay.h"

#include <errno.h>
#include <string.h>

#include "perf/fail.h"
#include "perf/machine.h"

enum { SEED = 42, SPARE = 2 * REPLAY_BURST_MAX };

void replay_make(struct replay *replay, const struct aro_policy_ops *ops, uint64_t capacity_bytes,
                 uint32_t entries_max)
{
    uint32_t all = entries_max + SPARE;
    struct aro_policy_config config = {
        .capacity_bytes = capacity_bytes, .entries_max = entries_max, .seed = SEED};

    *replay = (struct replay){.entries_all = all, .capacity_bytes = capacity_bytes};
    replay->entries = bench_pages(all * sizeof(struct aro_entry));
    config.entries = replay->entries;
    replay->free = bench_pages(all * sizeof(uint32_t));
    for (uint32_t i = 0; i < all; i++)
        replay->free[i] = i;
    replay->index = aro_index_create(all, SEED);
    replay->policy = ops->create(&config);
    if (replay->index == NULL || replay->policy == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no %s of %u entries: %s", ops->name, entries_max,
                   strerror(errno));
}

void replay_free(struct replay *replay)
{
    replay->policy->ops->destroy(replay->policy);
    aro_index_destroy(replay->index);
    bench_pages_free(replay->free, replay->entries_all * sizeof(uint32_t));
    bench_pages_free(replay->entries, replay->entries_all * sizeof(struct aro_entry));
}

static struct aro_entry *entry_take(struct replay *replay)
{
    struct aro_entry *entry = &replay->entries[replay->free[replay->next]];

    replay->next = replay->next + 1 == replay->entries_all ? 0 : replay->next + 1;
    return entry;
}

static void entry_give(struct replay *replay, struct aro_entry *entry)
{
    replay->free[replay->last] = (uint32_t)(entry - replay->entries);
    replay->last = replay->last + 1 == replay->entries_all ? 0 : replay->last + 1;
}

static void entry_erase(struct replay *replay, struct aro_entry *entry)
{
    if (!aro_index_erase(replay->index, entry))
        bench_fail(ARO_E_BENCH_WRONG, "the index does not know what the policy evicts");
    entry_give(replay, entry);
}

/* Victims leave the index a few at a time, as the keeper has them do it: their buckets were fetched
 * when they were chosen. */
static void victims_erase(struct replay *replay)
{
    for (unsigned i = 0; i < replay->victims; i++)
        entry_erase(replay, replay->victim[i]);
    replay->victims = 0;
}

static void victim_add(struct replay *replay, struct aro_entry *victim)
{
    if (replay->victims == ARO_INDEX_AHEAD)
        victims_erase(replay);
    aro_index_prefetch(replay->index, &victim->id, false);
    replay->victim[replay->victims++] = victim;
}

static void hit(struct replay *replay, struct aro_entry *entry)
{
    struct aro_policy *policy = replay->policy;

    if (policy->ops->hit != NULL)
        policy->ops->hit(policy, entry);
    else
        aro_entry_touch(entry);
    replay->counts.hits++;
    replay->counts.hit_bytes += entry->len_bytes;
}

/* The order of the cache: asked for among the ghosts, room made, admitted - or not. */
static void admit(struct replay *replay, struct aro_entry *entry)
{
    struct aro_policy *policy = replay->policy;
    bool recalled = policy->ops->recall(policy, &entry->id);
    struct aro_entry *victim;

    while (policy->bytes + entry->len_bytes > replay->capacity_bytes &&
           (victim = policy->ops->evict(policy)) != NULL)
        victim_add(replay, victim);
    if (policy->bytes + entry->len_bytes > replay->capacity_bytes ||
        !policy->ops->admit(policy, entry, recalled)) {
        entry_erase(replay, entry);
        replay->counts.refused++;
    }
}

/* A miss, or a hit on what came in since the burst was looked up. */
static struct aro_entry *request_alone(struct replay *replay, const struct aro_id *id,
                                       uint32_t len_bytes)
{
    struct aro_entry *entry = entry_take(replay), *member;
    int rc;

    entry->id = *id;
    entry->len_bytes = len_bytes;
    rc = aro_index_insert(replay->index, entry, &member);
    if (rc == -EEXIST && member->policy_queue == 0) { /* a victim still on its way out */
        victims_erase(replay);
        rc = aro_index_insert(replay->index, entry, &member);
    }
    if (rc == 0) {
        admit(replay, entry);
        return NULL;
    }
    entry_give(replay, entry);
    replay->counts.refused += rc != -EEXIST;
    return rc == -EEXIST ? member : NULL;
}

/* As the keeper does when it takes in what was read. */
static void misses_fetch(const struct replay *replay, const struct aro_id ids[],
                         struct aro_entry *const found[], unsigned n)
{
    const struct aro_policy *policy = replay->policy;

    for (unsigned i = 0; i < n && policy->ops->fetch != NULL; i++)
        if (found[i] == NULL)
            policy->ops->fetch(policy, &ids[i]);
}

/* Who is in no queue was evicted, in this burst or just before, and counts as absent. */
void replay_request_burst(struct replay *replay, const struct aro_id ids[],
                          const uint32_t len_bytes[], unsigned n, const struct aro_entry *ret[])
{
    const struct aro_id *asked[REPLAY_BURST_MAX] = {NULL};
    struct aro_entry *found[REPLAY_BURST_MAX];

    for (unsigned i = 0; i < n; i++)
        asked[i] = &ids[i];
    aro_index_find_burst(replay->index, asked, n, found);
    misses_fetch(replay, ids, found, n);
    for (unsigned i = 0; i < n; i++) {
        struct aro_entry *entry = found[i];
        if (entry == NULL || entry->policy_queue == 0)
            entry = request_alone(replay, &ids[i], len_bytes[i]);
        if (entry != NULL)
            hit(replay, entry);
        ret[i] = entry;
        replay->counts.bytes += len_bytes[i];
    }
    replay->counts.requests += n;
}
