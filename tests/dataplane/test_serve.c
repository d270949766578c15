/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests in, packets out: an lcore between two rings, memory tier only. */
#include "tests/dataplane/rig.h"

#include <criterion/criterion.h>

#include <stdlib.h>

enum { SLICE = 1408, CHUNK = 65536 };

struct transfer {
    uint8_t bytes[ARO_CHUNK_BYTES_MAX];
    uint32_t slices, duplicates, chained, others;
    uint8_t tier;
};

static void eal_up(void)
{
    rig_eal_start(128);
}

TestSuite(serve, .init = eal_up, .timeout = 60);

/* Takes every frame there is; slices with this echo go to their place. */
static void take_all(struct rig *rig, uint64_t echo, struct transfer *transfer)
{
    struct rig_frame frame;
    struct aro_data data;

    while (rig_take(rig, &frame)) {
        cr_assert_not_null(frame.payload);
        if (aro_data_decode(frame.payload, frame.payload_bytes, &data) != 0 || data.echo != echo) {
            transfer->others++;
            continue;
        }
        memcpy(transfer->bytes + (size_t)data.index * data.slice_bytes, data.payload,
               data.payload_bytes);
        transfer->slices++;
        transfer->chained += frame.chained;
        transfer->tier = data.flags & ARO_DATA_TIER_MASK;
    }
}

static void chunk_arrives_whole(struct rig *rig, uint32_t len_bytes, uint16_t slice_bytes)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    uint8_t *expected = malloc(len_bytes);
    struct aro_id id = rig_chunk(rig, len_bytes, len_bytes);
    uint32_t slices = aro_slices(len_bytes, slice_bytes);

    rig_chunk_bytes(expected, len_bytes, len_bytes);
    for (uint32_t first = 0; first < slices; first += 64) {
        rig_get(rig, &id, slice_bytes, (uint16_t)first, UINT64_MAX, 7);
        rig_turn(rig, 8);
        take_all(rig, 7, transfer);
    }
    cr_assert_eq(transfer->slices, slices, "%u of %u", transfer->slices, slices);
    cr_assert_eq(transfer->others, 0u);
    cr_assert_eq(transfer->tier, ARO_TIER_MEMORY);
    cr_assert(memcmp(transfer->bytes, expected, len_bytes) == 0, "length %u", len_bytes);
    free(expected);
    free(transfer);
}

static const uint32_t lengths[] = {1,    2,    127,   128,   129,     1407,   1408,
                                   1409, 4095, 65535, 65536, 1048575, 1048576};

static void all_lengths_arrive(uint8_t family)
{
    struct rig *rig = rig_create(NULL);

    rig->family = family;
    rig_validate(rig);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        chunk_arrives_whole(rig, lengths[i], SLICE);
        chunk_arrives_whole(rig, lengths[i] + 3 > CHUNK ? CHUNK - 5 : lengths[i] + 3, 128);
    }
    cr_assert_eq(rig->lcore->counters.slices_copied, 0u);
    rig_turn(rig, 4);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(serve, chunks_of_all_lengths_arrive_with_right_checksums_over_ip4)
{
    all_lengths_arrive(4);
}

Test(serve, chunks_of_all_lengths_arrive_with_right_checksums_over_ip6)
{
    all_lengths_arrive(6);
}

static void no_zero_copy(struct aro_dataplane_config *config)
{
    config->profile[0].zero_copy = ARO_CHOICE_OFF;
}

Test(serve, a_port_without_chains_gets_copies)
{
    struct rig *rig = rig_create(no_zero_copy);

    rig_validate(rig);
    chunk_arrives_whole(rig, CHUNK, SLICE);
    chunk_arrives_whole(rig, 999, SLICE);
    cr_assert_eq(rig->lcore->counters.slices_zero_copy, 0u);
    cr_assert_gt(rig->lcore->counters.slices_copied, 0u);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(serve, only_the_slices_of_the_mask_are_sent)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, CHUNK, 1);
    struct rig_frame frame;
    struct aro_data data;
    uint16_t expected[] = {3, 5, 12};

    rig_validate(rig);
    rig_get(rig, &id, SLICE, 3, 1 | 1 << 2 | 1 << 9, 99);
    rig_turn(rig, 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(rig_take(rig, &frame));
        cr_assert_eq(aro_data_decode(frame.payload, frame.payload_bytes, &data), 0);
        cr_assert_eq(data.index, expected[i]);
        cr_assert_eq(data.echo, 99u);
        cr_assert_eq(data.chunk_bytes, (uint32_t)CHUNK);
    }
    cr_assert_not(rig_take(rig, &frame));
    rig_destroy(rig);
}

/* Sends one GET and returns the STATUS that must come back alone. */
static struct aro_status_msg status_of(struct rig *rig, const struct aro_id *id, uint16_t slice,
                                       uint16_t first, uint64_t mask)
{
    struct aro_status_msg status = {0};
    struct rig_frame frame;

    rig_get(rig, id, slice, first, mask, 1234);
    rig_turn(rig, 2);
    cr_assert(rig_take(rig, &frame));
    cr_assert_eq(aro_status_decode(frame.payload, frame.payload_bytes, &status), 0);
    cr_assert_eq(status.echo, 1234u);
    cr_assert_not(rig_take(rig, &frame));
    return status;
}

Test(serve, a_request_that_cannot_be_served_gets_a_status_that_says_why)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, 5000, 1), absent = {{5}};
    struct aro_status_msg status;

    rig_validate(rig);
    status = status_of(rig, &absent, SLICE, 0, 1);
    cr_assert_eq(status.code, ARO_STATUS_NOT_FOUND);
    status = status_of(rig, &id, SLICE, 4, 1);
    cr_assert_eq(status.code, ARO_STATUS_BAD_REQUEST);
    cr_assert_eq(status.detail, (uint32_t)ARO_BAD_FIRST_SLICE);
    status = status_of(rig, &id, SLICE, 3, 2); /* slice 3 is the last: only bits beyond are set */
    cr_assert_eq(status.code, ARO_STATUS_BAD_REQUEST);
    status = status_of(rig, &id, 1536, 0, 1);
    cr_assert_eq(status.detail, (uint32_t)ARO_BAD_SLICE_SIZE, "above the MTU");
    status = status_of(rig, &id, SLICE, ARO_SLICE_REPAIR, 1);
    cr_assert_eq(status.detail, (uint32_t)ARO_BAD_REPAIR);
    rig_check_balance(rig);
    cr_assert_eq(rig->lcore->counters.refused, 5u);
    rig_destroy(rig);
}

Test(serve, a_stranger_gets_one_token_no_larger_than_its_request)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, CHUNK, 1);
    struct rig_frame frame;
    struct aro_token_msg token;
    uint64_t in_bytes;

    for (unsigned i = 0; i < 256; i++) { /* forged: every byte value, no two alike */
        memset(rig->token, (int)i, sizeof(rig->token));
        rig->token[0] = (uint8_t)(0x10 | (i & 15));
        rig_get(rig, &id, SLICE, 0, UINT64_MAX, i);
        in_bytes = rig->lcore->counters.rx_bytes;
        rig_turn(rig, 1);
        in_bytes = rig->lcore->counters.rx_bytes - in_bytes;
        cr_assert(rig_take(rig, &frame));
        cr_assert_leq(frame.bytes, in_bytes);
        cr_assert_eq(aro_token_decode(frame.payload, frame.payload_bytes, &token), 0);
        cr_assert_not(rig_take(rig, &frame));
    }
    cr_assert_eq(rig->lcore->counters.challenged, 256u);
    cr_assert_eq(rig->lcore->counters.answered, 0u);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(serve, a_token_is_worth_nothing_from_another_port)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, CHUNK, 1);
    struct rig_frame frame;

    rig_validate(rig);
    rig->client_port++;
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1);
    rig_turn(rig, 4);
    cr_assert(rig_take(rig, &frame));
    cr_assert_eq(frame.payload[0], ARO_MSG_TOKEN);
    cr_assert_not(rig_take(rig, &frame));
    rig_destroy(rig);
}

Test(serve, answers_and_junk_that_reach_a_server_get_silence)
{
    struct rig *rig = rig_create(NULL);
    struct rig_frame frame;
    uint8_t message[256] = {0};

    rig_validate(rig);
    for (unsigned type = 0; type < 256; type++) {
        if (type == ARO_MSG_GET || type == ARO_MSG_LOCATE || type == ARO_MSG_PING)
            continue;
        message[0] = (uint8_t)type;
        message[1] = ARO_WIRE_VERSION;
        for (uint32_t len = 0; len < sizeof(message); len += 51) {
            rig_send(rig, message, len);
            rig_turn(rig, 1);
            cr_assert_not(rig_take(rig, &frame), "type %u, %u bytes", type, len);
        }
    }
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(serve, memory_that_a_port_still_holds_is_not_reused)
{
    struct rig *rig = rig_create(NULL);
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    uint8_t *expected = malloc(CHUNK);
    struct aro_id id = rig_chunk(rig, CHUNK, 77);
    struct aro_cache_stats stats;

    rig_chunk_bytes(expected, CHUNK, 77);
    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 5);
    rig_turn(rig, 8); /* sent: 47 packets lie in the wire and point into the chunk */
    cr_assert_eq(aro_cache_remove(rig->cache, &id), 0);
    for (unsigned i = 0; i < 64; i++) { /* whoever reuses the memory now writes over it */
        rig_turn(rig, 1);
        rig_chunk(rig, CHUNK, 1000 + i);
        aro_cache_flush(rig->cache);
    }
    aro_cache_stats(rig->cache, &stats);
    cr_assert_eq(stats.pinned_now, 1u);
    take_all(rig, 5, transfer);
    cr_assert_eq(transfer->slices, 47u);
    cr_assert(memcmp(transfer->bytes, expected, CHUNK) == 0);

    rig_turn(rig, 2); /* the packets came back: the job unpins, the keeper reclaims */
    while (aro_cache_maintain(rig->cache, 64))
        continue;
    rig_turn(rig, 2);
    while (aro_cache_maintain(rig->cache, 64))
        continue;
    aro_cache_stats(rig->cache, &stats);
    cr_assert_eq(stats.pinned_now, 0u);
    cr_assert_eq(stats.retired_now, 0u);
    free(expected);
    free(transfer);
    rig_destroy(rig);
}

Test(serve, jobs_take_turns_and_a_full_table_says_busy)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, CHUNK, 1);
    struct rig_frame frame;
    struct aro_data data;
    unsigned busy = 0, slices = 0, first_16[2] = {0};
    uint32_t capacity = rig->lcore->jobs.capacity;

    rig_validate(rig);
    for (uint32_t i = 0; i < capacity + 8; i++) {
        rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1000 + i);
        if (i % 32 == 31)
            rig_turn(rig, 1);
    }
    for (unsigned turn = 0; turn < 4000; turn++) {
        while (rig_take(rig, &frame)) {
            if (aro_data_decode(frame.payload, frame.payload_bytes, &data) != 0) {
                busy += frame.payload[0] == ARO_MSG_STATUS && frame.payload[2] == ARO_STATUS_BUSY;
                continue;
            }
            if (slices < 32)
                first_16[slices / 16] = (unsigned)data.echo;
            slices++;
        }
        rig_turn(rig, 1);
    }
    cr_assert_neq(first_16[0], first_16[1], "the second 16 slices belong to another job");
    cr_assert_gt(busy, 0u);
    cr_assert_eq(slices, 47 * (capacity + 8 - busy));
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(serve, every_buffer_comes_home)
{
    struct rig *rig = rig_create(NULL);
    unsigned before[4], after[4];
    struct aro_pool_info info;
    struct transfer *transfer = calloc(1, sizeof(*transfer));

    rig_validate(rig);
    for (unsigned i = 0; i < aro_dataplane_pools(rig->dataplane); i++) {
        aro_dataplane_pool_info(rig->dataplane, i, &info);
        before[i] = info.items_free_now;
    }
    for (unsigned i = 0; i < 100; i++) {
        struct aro_id id = rig_chunk(rig, 1 + i * 650, i);
        rig_get(rig, &id, SLICE, 0, UINT64_MAX, i);
        rig_turn(rig, 5);
        take_all(rig, i, transfer);
    }
    rig_turn(rig, 40);
    for (unsigned i = 0; i < aro_dataplane_pools(rig->dataplane); i++) {
        aro_dataplane_pool_info(rig->dataplane, i, &info);
        after[i] = info.items_free_now;
        cr_assert_eq(before[i], after[i], "%s: %u -> %u", info.name, before[i], after[i]);
    }
    cr_assert_eq(rig->lcore->jobs.free_count, rig->lcore->jobs.capacity);
    free(transfer);
    rig_destroy(rig);
}

static void low_ceiling(struct aro_dataplane_config *config)
{
    config->limits.ceiling_bytes_per_s = 1; /* credit of a quarter MiB, then as good as nothing */
}

Test(serve, a_refusal_costs_its_receiver_too)
{
    struct rig *rig = rig_create(low_ceiling);
    struct aro_id absent = {{5}};
    struct rig_frame frame;

    rig_validate(rig);
    for (unsigned i = 0; i < 4000; i++) {
        rig_get(rig, &absent, SLICE, 0, 1, i);
        rig_turn(rig, 1);
        while (rig_take(rig, &frame))
            cr_assert_eq(frame.payload[0], ARO_MSG_STATUS);
    }
    cr_assert_gt(rig->lcore->counters.status_not_found, 1000u);
    cr_assert_gt(rig->lcore->counters.drop[ARO_DROP_ceiling], 1000u);
    rig_check_balance(rig);
    rig_destroy(rig);
}
