/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/index.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index_table.h"

enum { SEED = 99, TAG_SHIFT = 48 };

static const unsigned widths[] = {1, 4, 8};

static struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number, 1, 2, 3}};
}

static struct aro_entry *entries_make(unsigned n)
{
    struct aro_entry *entries = aligned_alloc(alignof(struct aro_entry), n * sizeof(*entries));

    memset(entries, 0, n * sizeof(*entries));
    for (unsigned i = 0; i < n; i++)
        entries[i].id = id_of(i);
    return entries;
}

Test(index, find_returns_null_before_insert_and_after_erase)
{
    struct aro_index *index = aro_index_create(100, SEED);
    struct aro_entry *entry = entries_make(1);
    struct aro_entry *member;

    cr_assert_null(aro_index_find(index, &entry->id));
    cr_assert_not(aro_index_erase(index, entry));
    cr_assert_eq(aro_index_insert(index, entry, &member), 0);
    cr_assert_eq(aro_index_find(index, &entry->id), entry);
    cr_assert(aro_index_erase(index, entry));
    cr_assert_null(aro_index_find(index, &entry->id));
    cr_assert_not(aro_index_erase(index, entry));
    free(entry);
    aro_index_destroy(index);
}

Test(index, a_second_entry_of_the_same_id_is_refused_and_learns_the_first)
{
    struct aro_index *index = aro_index_create(100, SEED);
    struct aro_entry *entries = entries_make(2);
    struct aro_entry *member = NULL;

    entries[1].id = entries[0].id;
    cr_assert_eq(aro_index_insert(index, &entries[0], &member), 0);
    cr_assert_eq(aro_index_insert(index, &entries[1], &member), -EEXIST);
    cr_assert_eq(member, &entries[0]);
    cr_assert(aro_index_erase(index, &entries[0]));
    cr_assert_eq(aro_index_insert(index, &entries[1], &member), 0);
    free(entries);
    aro_index_destroy(index);
}

Test(index, two_full_buckets_refuse_the_next_and_take_it_after_an_erase)
{
    struct aro_index *index = aro_index_create(1, SEED); /* two buckets: everybody's */
    struct aro_entry *entries = entries_make(17);
    struct aro_entry *member;

    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(aro_index_insert(index, &entries[i], &member), 0);
    cr_assert_eq(aro_index_insert(index, &entries[16], &member), -ENOSPC);
    cr_assert_null(aro_index_find(index, &entries[16].id));
    cr_assert(aro_index_erase(index, &entries[7]));
    cr_assert_eq(aro_index_insert(index, &entries[16], &member), 0);
    free(entries);
    aro_index_destroy(index);
}

Test(index, ids_with_the_same_tag_in_the_same_buckets_are_told_apart)
{
    struct aro_index *index = aro_index_create(1, SEED);
    struct aro_entry *entries = entries_make(2);
    const struct aro_id *ids[3] = {&entries[0].id, &entries[1].id};
    struct aro_entry *found[3];
    struct aro_entry *member;
    uint64_t number = 1;
    struct aro_id absent;

    do {
        entries[1].id = id_of(number++);
    } while ((aro_hash_id(ids[0], SEED) ^ aro_hash_id(ids[1], SEED)) >> TAG_SHIFT != 0);
    do {
        absent = id_of(number++);
    } while ((aro_hash_id(ids[0], SEED) ^ aro_hash_id(&absent, SEED)) >> TAG_SHIFT != 0);
    ids[2] = &absent;
    cr_assert_eq(aro_index_insert(index, &entries[0], &member), 0);
    cr_assert_eq(aro_index_insert(index, &entries[1], &member), 0);
    for (unsigned i = 0; i < 3 && widths[i] <= aro_index_width(); i++) {
        index->width = widths[i];
        cr_assert_eq(aro_index_find_burst(index, ids, 3, found), 2u);
        cr_assert_eq(found[0], &entries[0]);
        cr_assert_eq(found[1], &entries[1]);
        cr_assert_null(found[2]);
    }
    free(entries);
    aro_index_destroy(index);
}

Test(index, holds_all_it_was_made_for_and_a_burst_finds_what_single_lookups_find)
{
    enum { N = 100000 };
    struct aro_index *index = aro_index_create(N, SEED);
    struct aro_entry *entries = entries_make(N);
    struct aro_entry *member;

    for (unsigned i = 0; i < N; i++)
        cr_assert_eq(aro_index_insert(index, &entries[i], &member), 0, "entry %u", i);
    for (unsigned i = 0; i < N; i += 3)
        cr_assert(aro_index_erase(index, &entries[i]));
    for (unsigned from = 0; from < N; from += 50) {
        const struct aro_id *ids[50];
        struct aro_entry *found[50];
        unsigned expected = 0;
        for (unsigned i = 0; i < 50; i++) {
            ids[i] = &entries[from + i].id;
            expected += (from + i) % 3 != 0;
        }
        index->width = widths[from / 50 % 3];
        if (index->width > aro_index_width())
            index->width = 1;
        cr_assert_eq(aro_index_find_burst(index, ids, 50, found), expected);
        for (unsigned i = 0; i < 50; i++) {
            cr_assert_eq(found[i], (from + i) % 3 != 0 ? &entries[from + i] : NULL);
            cr_assert_eq(found[i], aro_index_find(index, ids[i]));
        }
    }
    free(entries);
    aro_index_destroy(index);
}

Test(index, replace_puts_another_entry_of_the_id_in_a_members_place)
{
    struct aro_index *index = aro_index_create(100, SEED);
    struct aro_entry *entries = entries_make(3);
    struct aro_entry *member;

    entries[1].id = entries[2].id = entries[0].id;
    cr_assert_not(aro_index_replace(index, &entries[0], &entries[1]), "no member yet");
    cr_assert_eq(aro_index_insert(index, &entries[0], &member), 0);
    cr_assert(aro_index_replace(index, &entries[0], &entries[1]));
    cr_assert_eq(aro_index_find(index, &entries[0].id), &entries[1]);
    cr_assert_not(aro_index_replace(index, &entries[0], &entries[2]), "no member any more");
    cr_assert_not(aro_index_erase(index, &entries[0]));
    cr_assert_eq(aro_index_insert(index, &entries[2], &member), -EEXIST);
    cr_assert_eq(member, &entries[1]);
    cr_assert(aro_index_erase(index, &entries[1]));
    cr_assert_null(aro_index_find(index, &entries[0].id));
    free(entries);
    aro_index_destroy(index);
}

Test(index, create_refuses_sizes_out_of_range)
{
    cr_assert_null(aro_index_create(0, SEED));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(aro_index_create(ARO_INDEX_ENTRIES_MAX + 1u, SEED));
    aro_index_destroy(NULL);
}
