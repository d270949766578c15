/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include <errno.h>

#include "cache/disk/reader.h"
#include "cache/sums.h"
#include "tests/cache/disk/fixture.h"

enum { LEN_MAX = 70001 };

static uint16_t sums[(LEN_MAX + 127) / 128 + 1];

static struct aro_place place_for(const struct aro_id *id, const uint8_t *data, uint32_t len_bytes)
{
    struct aro_place place = {.segment = 3, .block = 77, .len_bytes = len_bytes};

    place.checksum = aro_place_checksum(id, 3, 77, data, len_bytes);
    return place;
}

static int verify(const struct aro_id *id, const struct aro_place *place, const uint8_t *data,
                  uint32_t budget_bytes)
{
    struct aro_verify state;
    int result;

    aro_verify_begin(&state, id, place, data, sums);
    do {
        result = aro_verify_step(&state, budget_bytes);
    } while (result == 1);
    return result;
}

Test(verify, agrees_for_any_length_and_budget_and_leaves_the_sums)
{
    static const uint32_t lens[] = {1, 127, 128, 129, 4096, 65536, LEN_MAX};
    static const uint32_t budgets[] = {1, 128, 1000, 16384, 1u << 20};
    static uint16_t want[sizeof(sums) / sizeof(sums[0])];

    for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
        for (size_t b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
            struct aro_id id;
            const uint8_t *data = fixture_chunk(9, lens[l], &id);
            struct aro_place place = place_for(&id, data, lens[l]);
            want[0] = 0;
            aro_sums_extend(want, 0, data, lens[l]);
            cr_assert_eq(verify(&id, &place, data, budgets[b]), 0);
            cr_assert_eq(memcmp(sums, want, 2 * aro_sums_count(lens[l])), 0);
        }
}

Test(verify, takes_no_more_than_its_budget_per_step)
{
    struct aro_verify state;
    struct aro_id id;
    const uint8_t *data = fixture_chunk(9, 65536, &id);
    struct aro_place place = place_for(&id, data, 65536);

    aro_verify_begin(&state, &id, &place, data, sums);
    for (uint32_t step = 1; step < 4; step++) {
        cr_assert_eq(aro_verify_step(&state, 16384), 1);
        cr_assert_eq(state.done_bytes, step * 16384);
    }
    cr_assert_eq(aro_verify_step(&state, 16384), 0);
}

Test(verify, notices_any_flipped_bit)
{
    struct aro_id id;
    uint8_t data[5000];
    struct aro_place place;

    memcpy(data, fixture_chunk(9, sizeof(data), &id), sizeof(data));
    place = place_for(&id, data, sizeof(data));
    for (uint32_t bit = 0; bit < sizeof(data) * 8; bit += 37) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(verify(&id, &place, data, 1024), -EBADMSG);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(verify, notices_another_chunk_and_another_place)
{
    struct aro_id id, other = fixture_id(10, 5000);
    const uint8_t *data = fixture_chunk(9, 5000, &id);
    struct aro_place place = place_for(&id, data, 5000), moved = place;

    moved.block++;
    cr_assert_eq(verify(&other, &place, data, 1024), -EBADMSG);
    cr_assert_eq(verify(&id, &moved, data, 1024), -EBADMSG);
    moved = place;
    moved.segment++;
    cr_assert_eq(verify(&id, &moved, data, 1024), -EBADMSG);
}
