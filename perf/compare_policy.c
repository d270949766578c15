/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our index with S3-FIFO beside an LRU, a plain one and one written for bursts: the same Zipf
 * stream over the same room, a tenth of the objects, from an empty cache on. The stream is cut into
 * as many pieces as there are rounds; each side takes a piece, then the other takes it. Both get
 * ids in bursts, verify each hit, and keep what they have for the next piece.
 */
#include "perf/compare.h"

#include "perf/baseline.h"
#include "perf/fail.h"
#include "perf/replay.h"
#include "perf/zipf.h"

enum { BURST = 32, ALPHA_PERCENT = 99, ROOM_PART = 10, LEN_BYTES = 1 };

struct contest {
    struct zipf zipf;
    uint32_t *objects; /* of this piece, [piece] */
    uint32_t piece;    /* a multiple of BURST */
    struct replay ours;
    const struct baseline_lru_ops *lru;
    void *theirs;
    uint64_t their_hits, their_requests;
};

static void piece_draw(struct contest *contest)
{
    for (uint32_t i = 0; i < contest->piece; i++)
        contest->objects[i] = zipf_next(&contest->zipf);
}

/* Drawing is not timed; ids are made from the drawn numbers by both sides alike. */
static void ours_measure(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    uint32_t len_bytes[BURST];
    struct bench_mark mark;
    uint64_t wrong = 0;

    piece_draw(contest);
    for (unsigned i = 0; i < BURST; i++)
        len_bytes[i] = LEN_BYTES;
    bench_mark(&mark);
    for (uint32_t i = 0; i < contest->piece; i += BURST) {
        const struct aro_entry *hits[BURST];
        struct aro_id ids[BURST];
        for (unsigned j = 0; j < BURST; j++)
            ids[j] = bench_id(contest->objects[i + j]);
        replay_request_burst(&contest->ours, ids, len_bytes, BURST, hits);
        for (unsigned j = 0; j < BURST; j++)
            wrong += hits[j] != NULL && !aro_id_equal(&hits[j]->id, &ids[j]);
    }
    bench_sample_take(&mark, contest->piece, ret);
    if (wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG, "index: a hit is not what was asked for");
}

static void theirs_measure(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    struct bench_mark mark;
    uint64_t wrong = 0;

    bench_mark(&mark);
    for (uint32_t i = 0; i < contest->piece; i += BURST) {
        void *values[BURST], *hits[BURST];
        struct aro_id ids[BURST];
        for (unsigned j = 0; j < BURST; j++) {
            ids[j] = bench_id(contest->objects[i + j]);
            values[j] = (void *)(contest->objects[i + j] + (uintptr_t)1);
        }
        contest->their_hits +=
            contest->lru->request_burst(contest->theirs, (const uint8_t *)ids, values, BURST, hits);
        for (unsigned j = 0; j < BURST; j++)
            wrong += hits[j] != NULL && hits[j] != values[j];
    }
    bench_sample_take(&mark, contest->piece, ret);
    contest->their_requests += contest->piece;
    if (wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG, "%s: a hit is not what was asked for", contest->lru->name);
}

static void contest_run(const struct compare *compare, const char *name,
                        const struct baseline_lru_ops *lru, const char *how)
{
    uint32_t room = compare->objects / ROOM_PART;
    struct contest contest = {
        .piece = (uint32_t)(compare->requests / compare->rounds / BURST * BURST), .lru = lru};
    struct compare_result result;
    struct compare_pair pair = {
        .name = name, .ours = {ours_measure, &contest}, .theirs = {theirs_measure, &contest}};

    zipf_make(&contest.zipf, compare->objects, ALPHA_PERCENT / 100.0, 1);
    contest.objects = bench_pages(contest.piece * sizeof(*contest.objects));
    replay_make(&contest.ours, &aro_policy_s3fifo, (uint64_t)room * LEN_BYTES, room);
    contest.theirs = lru->create(room);
    if (contest.theirs == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no LRU of %u entries", room);
    compare_measure(compare, &pair, &result);
    compare_tell(name, &result, "1/s",
                 "%llu Zipf(0.%d) requests over %u objects, room for %u, one thread, bursts of %d; "
                 "LRU: %s; every hit verified; hit ratio %.4f, LRU %.4f",
                 (unsigned long long)contest.ours.counts.requests, ALPHA_PERCENT, compare->objects,
                 room, BURST, how,
                 (double)contest.ours.counts.hits / (double)contest.ours.counts.requests,
                 (double)contest.their_hits / (double)contest.their_requests);
    lru->destroy(contest.theirs);
    replay_free(&contest.ours);
    bench_pages_free(contest.objects, contest.piece * sizeof(*contest.objects));
    zipf_free(&contest.zipf);
}

void compare_s3fifo_lru(const struct compare *compare, const char *name)
{
    contest_run(compare, name, &baseline_lru_plain,
                "uthash and utlist, request by request, hash given, nodes in an array");
}

void compare_s3fifo_lru_fetched(const struct compare *compare, const char *name)
{
    contest_run(compare, name, &baseline_lru_fetched,
                "nodes of one line linked by numbers, heads, nodes and neighbours prefetched per "
                "burst, hash given");
}
