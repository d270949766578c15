/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/disks.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/disk/state.h"

struct disk {
    struct aro_store *store;
    _Atomic uint32_t use; /* enum aro_disk_use */
    char name[ARO_DISK_NAME_BYTES];
};

struct aro_disks {
    unsigned count;
    struct disk disk[ARO_DISKS_MAX];
};

struct aro_disks *aro_disks_create(void)
{
    return calloc(1, sizeof(struct aro_disks));
}

void aro_disks_destroy(struct aro_disks *disks)
{
    if (disks == NULL)
        return;
    for (unsigned i = 0; i < disks->count; i++)
        aro_store_close(disks->disk[i].store);
    free(disks);
}

int aro_disks_add(struct aro_disks *disks, const char *name, struct aro_store *store)
{
    struct disk *disk = &disks->disk[disks->count];

    if (disks->count == ARO_DISKS_MAX)
        return -ENOSPC;
    snprintf(disk->name, sizeof(disk->name), "%s", name);
    disk->store = store;
    disks->count++;
    return 0;
}

unsigned aro_disks_count(const struct aro_disks *disks)
{
    return disks != NULL ? disks->count : 0;
}

struct aro_store *aro_disks_store(const struct aro_disks *disks, unsigned disk)
{
    return disks->disk[disk].store;
}

const char *aro_disks_name(const struct aro_disks *disks, unsigned disk)
{
    return disks->disk[disk].name;
}

int aro_disks_named(const struct aro_disks *disks, const char *name)
{
    for (unsigned i = 0; i < aro_disks_count(disks); i++)
        if (strcmp(disks->disk[i].name, name) == 0)
            return (int)i;
    return -ENOENT;
}

void aro_disks_use(struct aro_disks *disks, unsigned disk, enum aro_disk_use use)
{
    atomic_store_explicit(&disks->disk[disk].use, use, memory_order_release);
}

enum aro_disk_use aro_disks_use_of(const struct aro_disks *disks, unsigned disk)
{
    return atomic_load_explicit(&disks->disk[disk].use, memory_order_acquire);
}

static bool is_away(const struct aro_disks *disks, unsigned disk)
{
    return aro_disks_use_of(disks, disk) == ARO_DISK_AWAY;
}

uint32_t aro_disks_away(const struct aro_disks *disks)
{
    uint32_t away = 0;

    for (unsigned i = 0; i < aro_disks_count(disks); i++)
        away |= (uint32_t)is_away(disks, i) << i;
    return away;
}

/* ---- readers ---- */

bool aro_disks_are_whole(const struct aro_disks *disks)
{
    bool whole = true;

    for (unsigned i = 0; i < aro_disks_count(disks); i++)
        whole &= is_away(disks, i) || aro_store_is_whole(disks->disk[i].store);
    return whole;
}

int aro_disks_find(const struct aro_disks *disks, const struct aro_id *id,
                   struct aro_disk_cursor *at, struct aro_place *ret)
{
    for (; at->disk < disks->count; at->disk++, at->nth = 0) {
        if (is_away(disks, at->disk) ||
            aro_store_find(disks->disk[at->disk].store, id, at->nth, ret) != 0)
            continue;
        ret->disk = at->disk;
        at->nth++;
        return 0;
    }
    return -ENOENT;
}

/* ---- where content goes ---- */

/* What speaks for a disk, the most important first. */
struct claim {
    bool writable, roomy, known;
    double free_part;
};

/* Room for it: its bytes, or where they are unknown a sixteenth of the budget; what recycles has.
 */
static struct claim claim_of(const struct disk *disk, const struct aro_id *first, uint64_t bytes)
{
    const struct aro_store *store = disk->store;
    uint64_t taken = aro_budget_taken(store), room;
    struct aro_place place;

    room = taken < store->size_bytes ? store->size_bytes - taken : 0;
    if (bytes == 0)
        bytes = store->size_bytes / 16;
    return (struct claim){
        .writable = store->stats.writable && store->recovery == NULL && disk->use == ARO_DISK_USED,
        .roomy = store->judge != NULL ? bytes <= aro_store_payload_bytes_max(store) : room >= bytes,
        .known = aro_store_find(store, first, 0, &place) == 0,
        .free_part = (double)room / (double)store->size_bytes,
    };
}

/* Content that is here already, even in part, is not written a second time on another disk. */
static bool is_better(const struct claim *a, const struct claim *b)
{
    if (a->writable != b->writable)
        return a->writable;
    if (a->roomy != b->roomy)
        return a->roomy;
    if (a->known != b->known)
        return a->known;
    return a->free_part > b->free_part;
}

int aro_disks_choose(const struct aro_disks *disks, const struct aro_id *first, uint64_t bytes,
                     uint32_t refused)
{
    struct claim best = {0}, claim;
    int chosen = -ENOENT;

    for (unsigned i = 0; i < disks->count; i++) {
        if (is_away(disks, i) || refused & UINT32_C(1) << i)
            continue;
        claim = claim_of(&disks->disk[i], first, bytes);
        if (chosen < 0 || is_better(&claim, &best) ||
            (!is_better(&best, &claim) &&
             strcmp(disks->disk[i].name, disks->disk[chosen].name) < 0)) {
            chosen = (int)i;
            best = claim;
        }
    }
    return chosen;
}

/* ---- all of them ---- */

int aro_disks_object_find(const struct aro_disks *disks, const struct aro_id *id,
                          struct aro_object *ret)
{
    for (unsigned i = 0; i < disks->count; i++)
        if (!is_away(disks, i) && aro_store_object_find(disks->disk[i].store, id, ret) == 0)
            return (int)i;
    return -ENOENT;
}

int aro_disks_digest_find(const struct aro_disks *disks, const struct aro_id *digest,
                          struct aro_object *ret)
{
    for (unsigned i = 0; i < disks->count; i++)
        if (!is_away(disks, i) && aro_store_digest_find(disks->disk[i].store, digest, ret) == 0)
            return (int)i;
    return -ENOENT;
}

const struct aro_object *aro_disks_object_at(const struct aro_disks *disks, uint64_t i,
                                             unsigned *ret_disk)
{
    for (unsigned n = 0; n < disks->count; n++) {
        uint64_t count = aro_objects_count(disks->disk[n].store->objects);
        if (i < count) {
            *ret_disk = n;
            return aro_store_object_at(disks->disk[n].store, i);
        }
        i -= count;
    }
    return NULL;
}

void aro_disks_quarantine(struct aro_disks *disks, const struct aro_id *id,
                          const struct aro_place *place)
{
    aro_store_quarantine(disks->disk[place->disk].store, id, place);
}

/* Every member before the flags is a u64 that adds up. */
static void add(struct aro_store_stats *sum, const struct aro_store_stats *one)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)one;
    uint64_t recovery_us = sum->recovery_us;

    for (size_t i = 0; i < offsetof(struct aro_store_stats, recovering) / sizeof(*to); i++)
        to[i] += from[i];
    sum->recovery_us = recovery_us > one->recovery_us ? recovery_us : one->recovery_us;
    sum->recovering |= one->recovering;
    sum->direct &= one->direct;
    sum->writable |= one->writable;
}
static_assert(offsetof(struct aro_store_stats, recovering) % sizeof(uint64_t) == 0, "see above");

void aro_disks_stats(const struct aro_disks *disks, struct aro_store_stats *ret)
{
    struct aro_store_stats one;

    *ret = (struct aro_store_stats){.direct = aro_disks_count(disks) > 0};
    for (unsigned i = 0; i < aro_disks_count(disks); i++) {
        aro_store_stats(disks->disk[i].store, &one);
        one.writable &= aro_disks_use_of(disks, i) == ARO_DISK_USED;
        add(ret, &one);
    }
}
