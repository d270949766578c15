/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The start after a kill -9, as a client sees it: from the new process to the first chunk, drawn
 * uniformly from all that are stored, whole and right; and to the whole index. Meanwhile an id that
 * nobody has is asked for, too: as long as the index is being built it is told to come again.
 */
#include "perf/compare_node.h"

#include <stdlib.h>

#include "perf/apart.h"
#include "perf/asker.h"
#include "perf/disk_stock.h"
#include "perf/fail.h"
#include "perf/ids.h"
#include "perf/node.h"

enum {
    CHUNK_BYTES = 4 << 10,
    SLICE_BYTES = ARO_SLICE_BYTES_START,
    SLICES = (CHUNK_BYTES + SLICE_BYTES - 1) / SLICE_BYTES,
    ALL_SLICES = (1 << SLICES) - 1,
    SEGMENT_BYTES = 256 << 20,
    MEMORY_BYTES = 256 << 20,
    PENDING = 1024,
    MTU = 1500,
    FRAMES = 4096,        /* as pmd-config/net_af_packet.conf says */
    SILENCE_NS = 1000000, /* nobody is there yet: asked again */
    LOOK_NS = 5000000,    /* at the index, and for the id that nobody has */
    START_NS_MAX = UINT64_C(30) * 1000000000,
    STARTS_MAX = 1000,
    ECHO_KNOWN = 1,
    ECHO_UNKNOWN = 2,
};

struct restart {
    const struct compare *compare;
    struct disk_stock stock;
    struct bench_node node;
    struct asker *asker;
    char host[BENCH_WIRE_HOST_BYTES];
    uint64_t random;
    /* this start's */
    struct aro_id id;
    uint32_t number; /* of the chunk */
    uint32_t slices; /* bit n: slice n came */
    uint64_t began_ns, first_ns, whole_ns;
    uint64_t ask_ns, look_ns; /* when again */
    bool refused_unknown;     /* NOT_FOUND for it: was the index whole? */
    /* of all */
    uint64_t told_to_wait, told_unknown;
    double first_s[STARTS_MAX], whole_s[STARTS_MAX];
};

/* ---- answers ---- */

static void known_data(struct restart *restart, const struct aro_data *data, uint64_t arrived_ns)
{
    disk_stock_check(&restart->stock, restart->number, (uint64_t)data->index * SLICE_BYTES,
                     data->payload, data->payload_bytes);
    restart->slices |= 1u << data->index;
    if (restart->slices == ALL_SLICES && restart->first_ns == 0)
        restart->first_ns = arrived_ns;
}

static void status(struct restart *restart, const struct aro_status_msg *status)
{
    if (status->code == ARO_STATUS_NOT_FOUND && status->echo == ECHO_KNOWN)
        bench_fail(ARO_E_BENCH_WRONG, "a chunk that is stored was said not to be");
    if (status->code == ARO_STATUS_NOT_FOUND)
        restart->refused_unknown = true;
    else if (status->echo == ECHO_UNKNOWN)
        restart->told_unknown++;
    else
        restart->told_to_wait++;
    if (status->echo == ECHO_KNOWN)
        restart->ask_ns = asker_now_ns() + status->retry_after_us * UINT64_C(1000);
}

static void look(void *arg, unsigned socket, const struct asker_answer *answer)
{
    struct restart *restart = arg;

    (void)socket;
    if (answer->status != NULL)
        status(restart, answer->status);
    else if (answer->data->echo == ECHO_KNOWN)
        known_data(restart, answer->data, answer->arrived_ns);
    else
        bench_fail(ARO_E_BENCH_WRONG, "an id that nobody has brought data");
}

/* ---- one start ---- */

static void ask(struct restart *restart, const struct aro_id *id, uint64_t mask, uint64_t echo)
{
    struct aro_get get = {.id = *id, .slice_bytes = SLICE_BYTES, .mask = mask, .echo = echo};

    asker_send(restart->asker, 0, &get, 1);
}

/* Is the index whole? And an id that nobody has: never "not found" before it is. */
static void index_look(struct restart *restart, uint64_t now_ns)
{
    const struct aro_id nobodys = bench_id(bench_random(&restart->random));
    bool recovers;

    restart->look_ns = now_ns + LOOK_NS;
    ask(restart, &nobodys, 1, ECHO_UNKNOWN);
    if (!bench_node_answers(&restart->node))
        return;
    recovers = bench_node_recovers(&restart->node);
    if (recovers && restart->refused_unknown)
        bench_fail(ARO_E_BENCH_WRONG, "NOT_FOUND while the index was being built");
    if (!recovers && restart->whole_ns == 0)
        restart->whole_ns = asker_now_ns();
}

static void start_turn(struct restart *restart)
{
    uint64_t now_ns = asker_now_ns();

    if (now_ns - restart->began_ns > START_NS_MAX)
        bench_fail(ARO_E_BENCH_WRONG, "no answer, or no whole index, after a start");
    if (restart->first_ns == 0 && now_ns >= restart->ask_ns) {
        restart->ask_ns = now_ns + SILENCE_NS;
        ask(restart, &restart->id, ALL_SLICES, ECHO_KNOWN);
    }
    if (now_ns >= restart->look_ns || restart->refused_unknown)
        index_look(restart, now_ns);
    asker_receive(restart->asker, 1, look, restart);
}

static void raw_write(const struct restart *restart, unsigned which)
{
    static const char *const phases[] = {"eal_us",     "region_us",    "cache_us",  "store_us",
                                         "content_us", "dataplane_us", "elapsed_us"};

    if (restart->compare->raw == NULL)
        return;
    fprintf(restart->compare->raw,
            "{\"name\":\"disk.restart_first_answer_s\",\"start\":%u,\"first_s\":%.6f,\"whole_s\":"
            "%.6f",
            which, restart->first_s[which], restart->whole_s[which]);
    for (unsigned i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        fprintf(restart->compare->raw, ",\"%s\":%llu", phases[i],
                (unsigned long long)bench_node_logged(&restart->node, phases[i]));
    fputs("}\n", restart->compare->raw);
}

static void start_run(struct restart *restart, unsigned which)
{
    restart->number =
        (uint32_t)((bench_random(&restart->random) >> 32) * restart->stock.chunks >> 32);
    restart->id = disk_stock_id(&restart->stock, restart->number);
    restart->asker = asker_make(restart->host, 1);
    restart->slices = 0;
    restart->refused_unknown = false;
    restart->first_ns = restart->whole_ns = restart->ask_ns = restart->look_ns = 0;
    restart->began_ns = asker_now_ns();
    bench_node_start(&restart->node);
    while (restart->first_ns == 0 || restart->whole_ns == 0)
        start_turn(restart);
    restart->first_s[which] = (double)(restart->first_ns - restart->began_ns) / 1e9;
    restart->whole_s[which] = (double)(restart->whole_ns - restart->began_ns) / 1e9;
    raw_write(restart, which);
    bench_node_kill(&restart->node);
    asker_free(restart->asker);
}

/* ---- all of them ---- */

static void tell(struct restart *restart, const char *name)
{
    const double goal_s = 1;
    const unsigned starts = restart->compare->starts;
    const unsigned rank = (starts * 99 + 99) / 100 - 1;           /* the 99th percentile's */
    double first_median = bench_median(restart->first_s, starts); /* which sorts them */
    double whole_median = bench_median(restart->whole_s, starts);
    struct compare_result result = {.ours = restart->first_s[rank],
                                    .theirs = goal_s,
                                    .ratio = goal_s / restart->first_s[rank],
                                    .wire = "disk"};

    compare_tell(
        name, &result, "s",
        "kill -9 with %u chunks of %u bytes: from the new process to the first stored chunk, drawn "
        "at random, compared whole; p99 of %u starts, median %.3f, longest %.3f; to the whole "
        "index p99 %.3f, median %.3f (goal 2); known chunks were told to come again %llu times, "
        "an id that nobody has %llu times, never that it is not there while the index was being "
        "built; theirs is the goal",
        restart->stock.chunks, CHUNK_BYTES, starts, first_median, restart->first_s[starts - 1],
        restart->whole_s[rank], whole_median, (unsigned long long)restart->told_to_wait,
        (unsigned long long)restart->told_unknown);
}

static void body(const struct compare *compare, const char *name)
{
    char folder[BENCH_FOLDER_BYTES];
    struct restart *restart = calloc(1, sizeof(*restart));

    bench_folder_make(compare->directory, folder);
    restart->compare = compare;
    disk_stock_make(&restart->stock,
                    &(struct disk_stock_config){.parent = compare->directory,
                                                .data_bytes = compare->chunks_stored * CHUNK_BYTES,
                                                .segment_bytes = SEGMENT_BYTES,
                                                .chunk_bytes = CHUNK_BYTES,
                                                .digests = true});
    disk_stock_close(&restart->stock);
    bench_wire_make(0, MTU);
    bench_wire_host(0, restart->host);
    bench_node_make(&restart->node,
                    &(struct bench_node_config){.program = compare_node_program(),
                                                .folder = folder,
                                                .store = restart->stock.folder,
                                                .store_bytes = restart->stock.store_bytes,
                                                .segment_bytes = SEGMENT_BYTES,
                                                .chunks_max = restart->stock.chunks + 64,
                                                .memory_bytes = MEMORY_BYTES,
                                                .lcores = 1,
                                                .mtu = MTU,
                                                .frames = FRAMES,
                                                .pending = PENDING,
                                                .reads = compare->depth,
                                                .cpus = compare->cpus.set});
    for (unsigned i = 0; i < compare->starts; i++)
        start_run(restart, i);
    tell(restart, name);
    disk_stock_free(&restart->stock);
    bench_folder_remove(folder);
    free(restart);
}

void compare_restart(const struct compare *compare, const char *name)
{
    bench_apart(body, compare, name);
}
