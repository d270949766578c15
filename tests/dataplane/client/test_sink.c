/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/sink.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>

struct seen {
    uint32_t pieces;
    uint32_t refuse_at; /* 0: never */
    bool disordered;
};

static int note(void *arg, const void *bytes, size_t len)
{
    struct seen *seen = arg;
    uint32_t number;

    cr_assert_eq(len, sizeof(number));
    memcpy(&number, bytes, sizeof(number));
    seen->disordered |= number != seen->pieces;
    seen->pieces++;
    return seen->refuse_at != 0 && seen->pieces == seen->refuse_at ? -ENOSPC : 0;
}

/* Gives count numbered pieces, collecting as it goes; returns how many came back in order. */
static uint32_t run(struct aro_sink *sink, uint32_t *numbers, uint32_t count)
{
    struct aro_piece piece;
    uint32_t collected = 0;

    for (uint32_t i = 0; i < count;) {
        if (aro_sink_has_room(sink)) {
            numbers[i] = i;
            piece = (struct aro_piece){
                .bytes = (const uint8_t *)&numbers[i], .len_bytes = sizeof(numbers[i]), .slot = i};
            aro_sink_give(sink, &piece);
            i++;
        }
        while (aro_sink_collect(sink, &piece))
            cr_assert_eq(piece.slot, collected++);
    }
    aro_sink_drain(sink);
    while (aro_sink_collect(sink, &piece))
        cr_assert_eq(piece.slot, collected++);
    return collected;
}

Test(sink, pieces_pass_in_order_and_come_back)
{
    static uint32_t numbers[5000];
    struct seen seen = {0};
    struct aro_sink *sink = aro_sink_create(note, &seen);

    cr_assert_eq(run(sink, numbers, 5000), 5000);
    cr_assert_eq(seen.pieces, 5000);
    cr_assert(!seen.disordered);
    aro_sink_destroy(sink);
}

Test(sink, after_a_refusal_nothing_more_is_handed_out_but_all_comes_back)
{
    static uint32_t numbers[1000];
    struct seen seen = {.refuse_at = 100};
    struct aro_sink *sink = aro_sink_create(note, &seen);

    cr_assert_eq(run(sink, numbers, 1000), 1000);
    cr_assert_eq(seen.pieces, 100);
    cr_assert_eq(aro_sink_refusal(sink), -ENOSPC);
    aro_sink_destroy(sink);
    aro_sink_destroy(NULL);
}

/* Fewer pieces than wake the second thread by themselves, and nobody who drains. */
Test(sink, a_flush_is_enough_for_a_single_piece, .timeout = 30)
{
    static uint32_t numbers[20000];
    struct seen seen = {0};
    struct aro_sink *sink = aro_sink_create(note, &seen);

    for (uint32_t i = 0; i < 20000; i++) {
        numbers[i] = i;
        struct aro_piece piece = {
            .bytes = (const uint8_t *)&numbers[i], .len_bytes = sizeof(numbers[i]), .slot = i};
        aro_sink_give(sink, &piece);
        cr_assert(!aro_sink_flushed(sink));
        aro_sink_flush(sink);
        cr_assert(aro_sink_flushed(sink));
        while (!aro_sink_collect(sink, &piece))
            sched_yield();
        cr_assert_eq(piece.slot, i);
    }
    aro_sink_destroy(sink);
}
