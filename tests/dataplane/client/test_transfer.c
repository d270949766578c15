/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/transfer.h"

#include <criterion/criterion.h>

#include <stdlib.h>

#include "tests/dataplane/client/model.h"

static struct aro_transfer *transfer_make(uint32_t len_bytes, uint32_t slice_bytes)
{
    struct aro_transfer *transfer = calloc(1, sizeof(*transfer));
    struct aro_id id = {{1}};

    aro_transfer_begin(transfer, &id, len_bytes, malloc(ARO_CHUNK_BYTES_MAX));
    aro_transfer_cut(transfer, slice_bytes);
    return transfer;
}

static void transfer_drop(struct aro_transfer *transfer)
{
    free(transfer->bytes);
    free(transfer);
}

/* The DATA of slice index with its index written all over. */
static bool place(struct aro_transfer *transfer, uint32_t index)
{
    static uint8_t payload[ARO_SLICE_BYTES_MAX];
    uint32_t left = transfer->len_bytes - index * transfer->slice_bytes;
    struct aro_data data = {.chunk_bytes = transfer->len_bytes,
                            .slice_bytes = (uint16_t)transfer->slice_bytes,
                            .index = (uint16_t)index,
                            .payload = payload};

    data.payload_bytes = left < transfer->slice_bytes ? left : transfer->slice_bytes;
    memset(payload, (int)index, sizeof(payload));
    return aro_transfer_place(transfer, &data);
}

Test(transfer, all_slices_are_asked_for_once_in_order_whatever_the_batch)
{
    for (uint32_t max = 1; max <= 64; max += 7) {
        struct aro_transfer *transfer = transfer_make(200 * 128 + 1, 128);
        uint32_t next = 0, count;
        uint16_t first;
        uint64_t mask;
        while ((count = aro_transfer_ask(transfer, max, &first, &mask)) > 0) {
            cr_assert_eq(first, next);
            cr_assert_leq(count, max);
            cr_assert_eq(mask, count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
            next += count;
        }
        cr_assert_eq(next, 201);
        cr_assert_eq(transfer->unasked, 0);
        cr_assert_eq(transfer->missing, 201);
        transfer_drop(transfer);
    }
}

Test(transfer, slices_land_in_their_place_once)
{
    struct aro_transfer *transfer = transfer_make(70 * 1152 + 5, 1152);
    uint16_t first;
    uint64_t mask;

    while (aro_transfer_ask(transfer, 64, &first, &mask) > 0)
        ;
    for (uint32_t i = 71; i-- > 0;) {
        cr_assert(place(transfer, i));
        cr_assert(!place(transfer, i));
        cr_assert_eq(transfer->missing, i);
    }
    for (uint32_t at = 0; at < transfer->len_bytes; at++)
        cr_assert_eq(transfer->bytes[at], at / 1152);
    transfer_drop(transfer);
}

Test(transfer, what_was_lost_is_asked_for_again_and_only_that)
{
    struct aro_transfer *transfer = transfer_make(300 * 128, 128);
    uint16_t first;
    uint64_t mask;

    while (aro_transfer_ask(transfer, 64, &first, &mask) > 0)
        ;
    cr_assert(place(transfer, 70));
    cr_assert_eq(aro_transfer_give_back(transfer, 64, 0xff), 7); /* 70 is here */
    cr_assert_eq(aro_transfer_give_back(transfer, 64, 0xff), 0); /* once is enough */
    cr_assert_eq(transfer->unasked, 7);
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 7);
    cr_assert_eq(first, 64);
    cr_assert_eq(mask, 0xbf);
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 0);
    transfer_drop(transfer);
}

Test(transfer, a_late_slice_that_was_given_back_need_not_be_asked_for_again)
{
    struct aro_transfer *transfer = transfer_make(10 * 128, 128);
    uint16_t first;
    uint64_t mask;

    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 10);
    cr_assert_eq(aro_transfer_give_back(transfer, 0, 3), 2);
    cr_assert(place(transfer, 1));
    cr_assert_eq(transfer->unasked, 1);
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 1);
    cr_assert_eq(mask, 1);
    transfer_drop(transfer);
}

Test(transfer, the_first_data_tells_a_length_that_was_unknown)
{
    const uint32_t lengths[] = {1, 3 * 1152, 10 * 1152, 100 * 1152 + 1, ARO_CHUNK_BYTES_MAX};

    for (size_t i = 0; i < 5; i++) {
        struct aro_transfer *transfer = transfer_make(0, 1152);
        uint32_t slices = aro_slices(lengths[i], 1152);
        uint16_t first;
        uint64_t mask;
        cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), ARO_SLICES_BLIND);
        aro_transfer_learn(transfer, lengths[i]);
        cr_assert_eq(transfer->missing, slices);
        cr_assert_eq(transfer->unasked, slices > 64 ? slices - 64 : 0);
        transfer_drop(transfer);
    }
}

Test(transfer, while_the_length_is_unknown_one_request_is_all)
{
    struct aro_transfer *transfer = transfer_make(0, 1152);
    uint16_t first;
    uint64_t mask;

    cr_assert_eq(aro_transfer_ask(transfer, 10, &first, &mask), 10);
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 0);
    cr_assert_eq(transfer->unasked, 0);
    cr_assert_eq(aro_transfer_give_back(transfer, 0, mask), 10); /* no answer came */
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 10);
    aro_transfer_learn(transfer, 57 * 1152);
    cr_assert_eq(transfer->unasked, 47);
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 47);
    cr_assert_eq(first, 10);
    transfer_drop(transfer);
}

Test(transfer, a_restart_forgets_every_slice_and_changes_the_generation)
{
    struct aro_transfer *transfer = transfer_make(200 * 128, 128);
    uint32_t generation = transfer->generation;
    uint16_t first;
    uint64_t mask;

    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), 64);
    cr_assert(place(transfer, 5));
    aro_transfer_restart(transfer);
    cr_assert_neq(transfer->generation, generation);
    aro_transfer_cut(transfer, 1152);
    cr_assert_eq(transfer->missing, aro_slices(200 * 128, 1152));
    cr_assert_eq(aro_transfer_ask(transfer, 64, &first, &mask), transfer->missing);
    transfer_drop(transfer);
}

/* Against the obvious oracle: one flag per slice. */
Test(transfer, any_sequence_agrees_with_a_table_of_flags)
{
    enum { NONE, ASKED, HERE };
    uint64_t random = 77;

    for (int round = 0; round < 50; round++) {
        uint32_t len = 1 + (uint32_t)(model_random(&random) % (600 * 128));
        struct aro_transfer *transfer = transfer_make(len, 128);
        uint8_t flags[600] = {NONE};
        uint32_t slices = aro_slices(len, 128), missing = slices;
        for (int step = 0; step < 3000 && missing > 0; step++) {
            uint32_t at = (uint32_t)(model_random(&random) % slices);
            uint64_t mask = model_random(&random) & model_random(&random);
            uint16_t first;
            switch (model_random(&random) % 3) {
            case 0:
                if (aro_transfer_ask(transfer, 1 + at % 64, &first, &mask) == 0)
                    break;
                for (uint32_t bit = 0; bit < 64; bit++)
                    if (mask >> bit & 1) {
                        cr_assert_lt(first + bit, slices);
                        cr_assert_eq(flags[first + bit], NONE);
                        flags[first + bit] = ASKED;
                    }
                break;
            case 1:
                aro_transfer_give_back(transfer, (uint16_t)at, mask);
                for (uint32_t bit = 0; bit < 64 && at + bit < slices; bit++)
                    if ((mask >> bit & 1) && flags[at + bit] == ASKED)
                        flags[at + bit] = NONE;
                break;
            default:
                cr_assert_eq(place(transfer, at), flags[at] != HERE);
                missing -= flags[at] != HERE;
                flags[at] = HERE;
                break;
            }
            uint32_t unasked = 0;
            for (uint32_t i = 0; i < slices; i++)
                unasked += flags[i] == NONE;
            cr_assert_eq(transfer->unasked, unasked);
            cr_assert_eq(transfer->missing, missing);
        }
        transfer_drop(transfer);
    }
}
