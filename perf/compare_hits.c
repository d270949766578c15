/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory hits beside a flood of misses. Hits are asked for at a steady rate - half of what the node
 * answered of them alone, as fast as they came back - for a while alone and for a while beside
 * misses that keep every read of the lcore taken, in turn. The generator of both is one thread on
 * the first CPU, as the daemon's control thread is; the lcore has the second. A hit's time is from
 * its sending to the kernel's stamp on its answer, so that a busy generator does not count.
 */
#include "perf/compare_node.h"

#include <stdlib.h>
#include <string.h>

#include "perf/apart.h"
#include "perf/asker.h"
#include "perf/disk_stock.h"
#include "perf/fail.h"
#include "perf/ids.h"
#include "perf/node.h"

enum {
    CHUNK_BYTES = 64 << 10,
    SLICE_BYTES = ARO_SLICE_BYTES_START,
    SLICES = (CHUNK_BYTES + SLICE_BYTES - 1) / SLICE_BYTES,
    HOT = 64,      /* chunks that are hit: stock[:HOT] */
    STRIDE = 4099, /* over the others, a prime: each once before any again */
    STOCK_BYTES_MIN = 64 << 20,
    MEMORY_SHARE = 8, /* of the stock, one part in so many */
    MTU = 1500,
    FRAMES = 4096,
    PENDING = 1024,
    HITS_SOCKET = 0,
    MISSES_SOCKET = 1,
    TABLE = 1 << 16, /* questions under way that are remembered, of each kind */
    HITS_CLOSED = 64,
    WARM_ROUNDS = 4,
    LATENCIES_MAX = 1 << 21,
    BURST = 8,
    SILENCE_NS = 100000000, /* misses that got no answer are given up */
};
#define ECHO_MISS (UINT64_C(1) << 40)

struct under_way {
    uint64_t sent_ns;
    uint32_t chunk;
    uint16_t slice;
};

/* What one kind of question is doing. */
struct stream {
    struct under_way table[TABLE]; /* by number modulo TABLE */
    uint64_t sent;                 /* number of the next */
    uint64_t answered, memory, disk, refused;
};

struct contest {
    const struct compare *compare;
    struct disk_stock stock;
    struct bench_node node;
    struct asker *asker;
    struct stream hits, misses;
    uint64_t random;
    uint64_t cold_next;
    uint64_t misses_rest_ns, misses_heard_ns; /* told to come again until; last answer */
    unsigned misses_out;
    double hits_per_s; /* the steady rate */
    double *latency_us;
    unsigned latencies;
    /* of the rounds */
    unsigned rounds_with, rounds_without;
    double p50_with[COMPARE_ROUNDS_MAX], p50_without[COMPARE_ROUNDS_MAX];
    double p99_with[COMPARE_ROUNDS_MAX], p99_without[COMPARE_ROUNDS_MAX];
    double reads_per_s[COMPARE_ROUNDS_MAX], refused_share[COMPARE_ROUNDS_MAX];
    uint64_t hits_from_disk, hits_lost;
};

/* ---- answers ---- */

static void hit_data(struct contest *contest, const struct under_way *of,
                     const struct aro_data *data, uint64_t arrived_ns)
{
    bool memory = (data->flags & ARO_DATA_TIER_MASK) == ARO_TIER_MEMORY;

    contest->hits.memory += memory;
    contest->hits.disk += !memory;
    if (contest->latencies < LATENCIES_MAX)
        contest->latency_us[contest->latencies++] = (double)(arrived_ns - of->sent_ns) / 1e3;
}

static void miss_heard(struct contest *contest, const struct asker_answer *answer)
{
    contest->misses_heard_ns = answer->arrived_ns;
    if (contest->misses_out > 0)
        contest->misses_out--;
    if (answer->status != NULL)
        contest->misses_rest_ns =
            answer->arrived_ns + answer->status->retry_after_us * UINT64_C(1000);
}

static void look(void *arg, unsigned socket, const struct asker_answer *answer)
{
    struct contest *contest = arg;
    const struct aro_data *data = answer->data;
    uint64_t echo = data != NULL ? data->echo : answer->status->echo;
    struct stream *stream = echo >= ECHO_MISS ? &contest->misses : &contest->hits;
    const struct under_way *of = &stream->table[echo % TABLE];

    (void)socket;
    stream->answered++;
    stream->refused += data == NULL;
    if (data != NULL) {
        if (data->index != of->slice)
            bench_fail(ARO_E_BENCH_WRONG, "a slice that was not asked for");
        disk_stock_check(&contest->stock, of->chunk, (uint64_t)of->slice * SLICE_BYTES,
                         data->payload, data->payload_bytes);
    }
    if (stream == &contest->misses)
        miss_heard(contest, answer);
    else if (data != NULL)
        hit_data(contest, of, data, answer->arrived_ns);
}

/* ---- questions ---- */

static void send(struct contest *contest, struct stream *stream,
                 uint32_t (*choose)(struct contest *), unsigned n)
{
    const bool misses = stream == &contest->misses;
    struct aro_get get[ASKER_BURST];
    uint64_t now_ns;

    for (unsigned i = 0; i < n; i++) {
        struct under_way *of = &stream->table[(stream->sent + i) % TABLE];
        of->chunk = choose(contest);
        of->slice = (uint16_t)(bench_random(&contest->random) % SLICES);
        get[i] = (struct aro_get){.id = disk_stock_id(&contest->stock, of->chunk),
                                  .slice_bytes = SLICE_BYTES,
                                  .first = of->slice,
                                  .mask = 1,
                                  .echo = (misses ? ECHO_MISS : 0) + stream->sent + i};
    }
    now_ns = asker_send(contest->asker, misses ? MISSES_SOCKET : HITS_SOCKET, get, n);
    for (unsigned i = 0; i < n; i++)
        stream->table[(stream->sent + i) % TABLE].sent_ns = now_ns;
    stream->sent += n;
}

static uint32_t choose_hot(struct contest *contest)
{
    return (uint32_t)(bench_random(&contest->random) % HOT);
}

static uint32_t choose_cold(struct contest *contest)
{
    contest->cold_next += STRIDE;
    return HOT + (uint32_t)(contest->cold_next % (contest->stock.chunks - HOT));
}

/* Twice as many as the lcore reads at once, so that no read is free. */
static void misses_send(struct contest *contest, uint64_t now_ns)
{
    const unsigned wanted = 2 * contest->compare->depth;

    if (now_ns > contest->misses_heard_ns + SILENCE_NS) {
        contest->misses_heard_ns = now_ns;
        contest->misses_out = 0;
    }
    while (now_ns >= contest->misses_rest_ns && contest->misses_out < wanted) {
        unsigned n = wanted - contest->misses_out;
        n = n < BURST ? n : BURST;
        send(contest, &contest->misses, choose_cold, n);
        contest->misses_out += n;
    }
}

/* ---- a while ---- */

/* Hits: at the steady rate, or (0) so many under way. The generator gives way to control. */
static void run(struct contest *contest, double seconds, double hits_per_s, bool flood)
{
    const uint64_t begin_ns = asker_now_ns(), end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    const uint64_t first = contest->hits.sent;

    contest->latencies = 0;
    for (uint64_t now_ns = begin_ns; now_ns < end_ns; now_ns = asker_now_ns()) {
        uint64_t due = hits_per_s > 0
                           ? first + (uint64_t)((double)(now_ns - begin_ns) / 1e9 * hits_per_s)
                           : contest->hits.answered + HITS_CLOSED;
        while (contest->hits.sent < due) {
            uint64_t n = due - contest->hits.sent;
            send(contest, &contest->hits, choose_hot, n < BURST ? (unsigned)n : BURST);
        }
        if (flood)
            misses_send(contest, now_ns);
        if (asker_receive(contest->asker, 0, look, contest) == 0)
            sched_yield();
    }
}

/* What is still under way; then nothing is, or it is lost. */
static void drain(struct contest *contest)
{
    while (asker_receive(contest->asker, SILENCE_NS / 1000000, look, contest) > 0)
        ;
    contest->hits_lost += contest->hits.sent - contest->hits.answered;
    contest->hits.answered = contest->hits.sent;
    contest->misses_out = 0;
}

static void times_take(struct contest *contest, double *ret_p50_us, double *ret_p99_us)
{
    if (contest->latencies == 0)
        bench_fail(ARO_E_BENCH_WRONG, "no hit was answered");
    *ret_p50_us = bench_median(contest->latency_us, contest->latencies); /* which sorts them */
    *ret_p99_us = contest->latency_us[(contest->latencies * UINT64_C(99) + 99) / 100 - 1];
}

static void measure(struct contest *contest, bool flood, struct bench_sample *ret)
{
    const uint64_t memory = contest->hits.memory, disk = contest->hits.disk;
    struct bench_mark mark;

    contest->misses_heard_ns = asker_now_ns();
    contest->misses_rest_ns = 0;
    bench_mark(&mark);
    run(contest, contest->compare->seconds, contest->hits_per_s, flood);
    bench_sample_take(&mark, contest->hits.memory - memory, ret);
    drain(contest);
    contest->hits_from_disk += contest->hits.disk - disk;
}

static void raw_write(const struct contest *contest, const char *how, double p50_us, double p99_us,
                      double reads_per_s)
{
    if (contest->compare->raw != NULL)
        fprintf(contest->compare->raw,
                "{\"name\":\"disk.hits_under_misses\",\"hits\":\"%s\",\"p50_us\":%.1f,"
                "\"p99_us\":%.1f,\"reads_per_s\":%.0f}\n",
                how, p50_us, p99_us, reads_per_s);
}

static void measure_with(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    const uint64_t reads = bench_node_count(&contest->node, "disk_reads");
    const uint64_t asked = contest->misses.answered, refused = contest->misses.refused;
    const unsigned round = contest->rounds_with++;

    measure(contest, true, ret);
    times_take(contest, &contest->p50_with[round], &contest->p99_with[round]);
    contest->reads_per_s[round] =
        (double)(bench_node_count(&contest->node, "disk_reads") - reads) * 1e9 / (double)ret->ns;
    contest->refused_share[round] = (double)(contest->misses.refused - refused) /
                                    (double)(contest->misses.answered - asked + 1);
    raw_write(contest, "flooded", contest->p50_with[round], contest->p99_with[round],
              contest->reads_per_s[round]);
}

static void measure_without(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    const unsigned round = contest->rounds_without++;

    measure(contest, false, ret);
    times_take(contest, &contest->p50_without[round], &contest->p99_without[round]);
    raw_write(contest, "alone", contest->p50_without[round], contest->p99_without[round], 0);
}

/* ---- all ---- */

/* Hot chunks in memory, hit more than once; then as many hits as come back at once, alone. */
static void warm(struct contest *contest)
{
    uint64_t answered;

    asker_prove(contest->asker);
    for (unsigned i = 0; i < WARM_ROUNDS; i++) {
        run(contest, 0.1, 0, false);
        drain(contest);
    }
    answered = contest->hits.answered;
    run(contest, contest->compare->seconds, 0, false);
    contest->hits_per_s =
        (double)(contest->hits.answered - answered) / contest->compare->seconds / 2;
    drain(contest);
    contest->hits_lost = contest->hits_from_disk = 0;
}

static void tell(struct contest *contest, const struct compare_result *result, const char *name)
{
    const unsigned rounds = contest->compare->rounds;
    double ratios[COMPARE_ROUNDS_MAX], with, without;

    for (unsigned i = 0; i < rounds; i++)
        ratios[i] = contest->p99_with[i] / contest->p99_without[i];
    with = bench_median(contest->p99_with, rounds);
    without = bench_median(contest->p99_without, rounds);
    compare_tell(
        name, result, "1/s",
        "hits from memory that were answered, of %.0f asked for per second at a steady "
        "rate (half of what comes back alone), beside a flood of misses; theirs: the same "
        "alone; time of a hit: p50 %.0f us, alone %.0f us; p99 %.0f us, alone %.0f us, "
        "median ratio %.2f; meanwhile %.0f chunks of %u bytes read per second, %u at once, "
        "%.0f%% of the misses told to come again; %llu of %llu hits got no answer, %llu "
        "waited for the disk; every answer compared; veth, one lcore on a CPU, generator "
        "and control on the other",
        contest->hits_per_s, bench_median(contest->p50_with, rounds),
        bench_median(contest->p50_without, rounds), with, without, bench_median(ratios, rounds),
        bench_median(contest->reads_per_s, rounds), CHUNK_BYTES, contest->compare->depth,
        100 * bench_median(contest->refused_share, rounds), (unsigned long long)contest->hits_lost,
        (unsigned long long)contest->hits.sent, (unsigned long long)contest->hits_from_disk);
}

static void node_make(struct contest *contest, const char *folder)
{
    char host[BENCH_WIRE_HOST_BYTES];

    bench_wire_make(0, MTU);
    bench_wire_host(0, host);
    bench_node_make(&contest->node, &(struct bench_node_config){
                                        .program = compare_node_program(),
                                        .folder = folder,
                                        .store = contest->stock.folder,
                                        .store_bytes = contest->stock.store_bytes,
                                        .segment_bytes = contest->stock.segment_bytes,
                                        .chunks_max = contest->stock.chunks + 64,
                                        .memory_bytes = contest->stock.data_bytes / MEMORY_SHARE,
                                        .lcores = 1,
                                        .mtu = MTU,
                                        .frames = FRAMES,
                                        .pending = PENDING,
                                        .reads = contest->compare->depth,
                                        .cpus = contest->compare->cpus.set});
    bench_node_start(&contest->node);
    bench_node_wait(&contest->node);
    contest->asker = asker_make(host, 2);
}

static void body(const struct compare *compare, const char *name)
{
    struct contest *contest = calloc(1, sizeof(*contest));
    const struct compare_pair pair = {
        .name = name,
        .wire = "disk",
        .ours = {measure_with, contest},
        .theirs = {measure_without, contest},
    };
    char folder[BENCH_FOLDER_BYTES];
    struct compare_result result;

    bench_folder_make(compare->directory, folder);
    contest->compare = compare;
    contest->latency_us = calloc(LATENCIES_MAX, sizeof(double));
    disk_stock_make(&contest->stock,
                    &(struct disk_stock_config){.parent = compare->directory,
                                                .data_bytes = compare->file_bytes > STOCK_BYTES_MIN
                                                                  ? compare->file_bytes
                                                                  : STOCK_BYTES_MIN,
                                                .chunk_bytes = CHUNK_BYTES,
                                                .digests = true});
    disk_stock_close(&contest->stock);
    node_make(contest, folder);
    warm(contest);
    compare_measure(compare, &pair, &result);
    bench_node_stop(&contest->node);
    tell(contest, &result, name);
    asker_free(contest->asker);
    disk_stock_free(&contest->stock);
    bench_folder_remove(folder);
    free(contest->latency_us);
    free(contest);
}

void compare_hits_under_misses(const struct compare *compare, const char *name)
{
    bench_apart(body, compare, name);
}
