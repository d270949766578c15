/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/top.h"

#include <stdlib.h>

#include "cache/base/hash.h"
#include "cache/delay.h"

enum { READ_TRIES = 8, HALVINGS_MAX = 31 };

uint32_t aro_top_init(struct aro_top *top, uint64_t seed)
{
    top->seed = seed;
    top->distance = aro_distance_begin(ARO_TOP_EVERY, seed);
    return aro_distance_next(&top->distance);
}

/* A count as of `from`, seen from `to`. */
static uint32_t aged(uint32_t count, uint32_t from, uint32_t to)
{
    uint32_t halvings = to - from;

    return halvings <= HALVINGS_MAX ? count >> halvings : 0;
}

static uint32_t window_aged(uint64_t window, uint32_t epoch)
{
    return aged((uint32_t)window, (uint32_t)(window >> 32), epoch);
}

/* ---- the owner: the only writer of buckets ---- */

static uint32_t own(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* What is stored between the two is stored with release, so none of it is seen before the odd
 * sequence. */
static void change_begin(struct aro_top_bucket *bucket)
{
    atomic_store_explicit(&bucket->sequence, own(&bucket->sequence) + 1, memory_order_relaxed);
    aro_delay_point();
}

static void change_end(struct aro_top_bucket *bucket)
{
    aro_delay_point();
    atomic_store_explicit(&bucket->sequence, own(&bucket->sequence) + 1, memory_order_release);
}

static void set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static void bucket_age(struct aro_top_bucket *bucket, uint32_t epoch)
{
    uint32_t from = own(&bucket->epoch);

    change_begin(bucket);
    for (unsigned way = 0; way < ARO_TOP_WAYS; way++) {
        set(&bucket->count[way], aged(own(&bucket->count[way]), from, epoch));
        set(&bucket->over[way], aged(own(&bucket->over[way]), from, epoch));
    }
    set(&bucket->epoch, epoch);
    change_end(bucket);
}

static void take_over(struct aro_top_bucket *bucket, unsigned way, uint32_t tag,
                      const struct aro_id *id)
{
    uint32_t inherited = own(&bucket->count[way]);

    change_begin(bucket);
    set(&bucket->tag[way], tag);
    for (unsigned i = 0; i < 4; i++) {
        atomic_store_explicit(&bucket->id[way][i], id->word[i], memory_order_release);
        aro_delay_point();
    }
    set(&bucket->over[way], inherited);
    set(&bucket->count[way], inherited + 1);
    change_end(bucket);
}

void aro_top_note(struct aro_top *top, const struct aro_id *id)
{
    uint64_t hash = aro_hash_id(id, top->seed);
    struct aro_top_bucket *bucket = &top->bucket[hash % ARO_TOP_BUCKETS];
    uint32_t tag = (uint32_t)(hash >> 32) | 1;
    uint32_t epoch = own(&top->epoch);
    uint64_t window = atomic_load_explicit(&top->window, memory_order_relaxed);
    unsigned way = 0, weakest = 0;

    window = (uint64_t)epoch << 32 | (window_aged(window, epoch) + 1);
    atomic_store_explicit(&top->window, window, memory_order_relaxed);
    if (own(&bucket->epoch) != epoch)
        bucket_age(bucket, epoch);
    for (; way < ARO_TOP_WAYS && own(&bucket->tag[way]) != tag; way++)
        if (own(&bucket->count[way]) < own(&bucket->count[weakest]))
            weakest = way;
    if (way == ARO_TOP_WAYS)
        take_over(bucket, weakest, tag, id);
    else
        atomic_store_explicit(&bucket->count[way], own(&bucket->count[way]) + 1,
                              memory_order_relaxed);
}

uint32_t aro_top_sample(struct aro_top *top, uint32_t left, const struct aro_id *const ids[],
                        unsigned n)
{
    while (left <= n) {
        aro_top_note(top, ids[left - 1]);
        left += aro_distance_next(&top->distance);
    }
    return left - n;
}

/* ---- others ---- */

void aro_top_age(struct aro_top *top)
{
    atomic_fetch_add_explicit(&top->epoch, 1, memory_order_relaxed);
}

uint64_t aro_top_window(const struct aro_top *top)
{
    return window_aged(atomic_load_explicit(&top->window, memory_order_relaxed), own(&top->epoch));
}

struct copy {
    uint32_t tag[ARO_TOP_WAYS], count[ARO_TOP_WAYS], over[ARO_TOP_WAYS];
    uint32_t epoch;
    struct aro_id id[ARO_TOP_WAYS];
};

static uint32_t see(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/* Every load is acquire, so that the second look at the sequence comes last. */
static bool bucket_copy(const struct aro_top_bucket *bucket, struct copy *ret)
{
    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        uint32_t before = see(&bucket->sequence);
        ret->epoch = see(&bucket->epoch);
        for (unsigned way = 0; way < ARO_TOP_WAYS; way++) {
            ret->tag[way] = see(&bucket->tag[way]);
            ret->count[way] = see(&bucket->count[way]);
            ret->over[way] = see(&bucket->over[way]);
            for (unsigned i = 0; i < 4; i++)
                ret->id[way].word[i] =
                    atomic_load_explicit(&bucket->id[way][i], memory_order_acquire);
        }
        if (before % 2 == 0 && own(&bucket->sequence) == before)
            return true;
    }
    return false;
}

unsigned aro_top_read(const struct aro_top *top, struct aro_top_item ret[ARO_TOP_ROOM])
{
    uint32_t epoch = own(&top->epoch);
    struct copy copy;
    unsigned n = 0;

    for (unsigned b = 0; b < ARO_TOP_BUCKETS; b++) {
        if (!bucket_copy(&top->bucket[b], &copy))
            continue;
        for (unsigned way = 0; way < ARO_TOP_WAYS; way++) {
            uint32_t count = aged(copy.count[way], copy.epoch, epoch);
            uint32_t over = aged(copy.over[way], copy.epoch, epoch);
            if (copy.tag[way] != 0 && count > over)
                ret[n++] = (struct aro_top_item){copy.id[way], count - over, over};
        }
    }
    return n;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct aro_top_item *)a)->id, &((const struct aro_top_item *)b)->id,
                  sizeof(struct aro_id));
}

/* Of equals the smaller id first, so that a list does not flicker. */
static int by_samples(const void *a, const void *b)
{
    uint64_t x = ((const struct aro_top_item *)a)->samples;
    uint64_t y = ((const struct aro_top_item *)b)->samples;

    return x != y ? (x < y ? 1 : -1) : by_id(a, b);
}

unsigned aro_top_merge(struct aro_top_item item[], unsigned n)
{
    unsigned left = 0;

    qsort(item, n, sizeof(*item), by_id);
    for (unsigned i = 0; i < n; i++) {
        if (left > 0 && aro_id_equal(&item[left - 1].id, &item[i].id)) {
            item[left - 1].samples += item[i].samples;
            item[left - 1].over += item[i].over;
        } else {
            item[left++] = item[i];
        }
    }
    qsort(item, left, sizeof(*item), by_samples);
    return left;
}
