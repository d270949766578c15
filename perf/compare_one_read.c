/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One read for many: thousands of requests, of many clients and over two lcores, for one chunk that
 * is only on a disk which takes 200 ms for it. All of them wait, each gets its slice, and the block
 * layer was asked once. A figure, not a speed: ours are reads, theirs is one.
 */
#include "perf/compare_node.h"

#include <stdlib.h>
#include <string.h>

#include "perf/apart.h"
#include "perf/asker.h"
#include "perf/delayed.h"
#include "perf/disk_stock.h"
#include "perf/fail.h"
#include "perf/ids.h"
#include "perf/node.h"

enum {
    WIRES = 2, /* an lcore each */
    CLIENTS = 32,
    MTU = 1500,
    CHUNK_BYTES = 64 << 10,
    SLICE_BYTES = ARO_SLICE_BYTES_START,
    SLICES = (CHUNK_BYTES + SLICE_BYTES - 1) / SLICE_BYTES,
    STOCK_BYTES = 16 << 20, /* one segment; its file has few extents, all in its inode */
    STORE_BYTES = 64 << 20,
    IMAGE_BYTES = 96 << 20,
    MEMORY_BYTES = 64 << 20,
    PENDING = 8192,
    FRAMES = 8192, /* all questions of a wire, were its lcore to sleep */
    DELAY_MS = 200,
    SILENCE_MS = 500, /* then what is missing is asked for again */
    TRIES_MAX = 20,
    SEED = 5,
};

struct many {
    const struct compare *compare;
    struct disk_stock stock;
    struct delayed_disk disk;
    struct bench_node node;
    struct asker *asker[WIRES];
    /* the round's */
    uint32_t chunk;
    uint64_t echo;      /* of its first question */
    uint32_t questions; /* seen[:questions] */
    uint8_t *seen;
    uint32_t answered, waited, refused;
    /* of all rounds */
    uint64_t all_questions, all_waited, all_refused;
    uint64_t reads_worst, sectors;
    uint64_t lcore_waited[WIRES];
};

static void look(void *arg, unsigned socket, const struct asker_answer *answer)
{
    struct many *many = arg;
    const struct aro_data *data = answer->data;
    uint64_t question = (data != NULL ? data->echo : answer->status->echo) - many->echo;

    (void)socket;
    if (question >= many->questions || many->seen[question])
        return; /* of an earlier round, or asked again too early */
    if (data == NULL) {
        many->refused++; /* and asked again */
        return;
    }
    if (data->chunk_bytes != CHUNK_BYTES || data->index != question % SLICES)
        bench_fail(ARO_E_BENCH_WRONG, "a slice that was not asked for");
    disk_stock_check(&many->stock, many->chunk, (uint64_t)data->index * SLICE_BYTES, data->payload,
                     data->payload_bytes);
    many->seen[question] = 1;
    many->answered++;
    many->waited += (data->flags & ARO_DATA_TIER_MASK) == ARO_TIER_DISK;
}

/* Those not answered yet, in bursts, each of another client, wires in turn. */
static void ask(struct many *many, const struct aro_id *id)
{
    struct aro_get get[ASKER_BURST];
    unsigned n = 0, client = 0;

    for (uint32_t i = 0; i < many->questions; i++) {
        if (!many->seen[i])
            get[n++] = (struct aro_get){.id = *id,
                                        .slice_bytes = SLICE_BYTES,
                                        .first = (uint16_t)(i % SLICES),
                                        .mask = 1,
                                        .echo = many->echo + i};
        if (n == 0 || (n < ASKER_BURST && i + 1 < many->questions))
            continue;
        asker_send(many->asker[client % WIRES], client / WIRES % CLIENTS, get, n);
        client++;
        n = 0;
    }
}

/* Until all are here, or nothing more comes. */
static void answers_take(struct many *many)
{
    unsigned silent = 0;

    while (many->answered < many->questions && silent < 2) {
        unsigned n = asker_receive(many->asker[0], 0, look, many);
        n += asker_receive(many->asker[1], n > 0 ? 0 : SILENCE_MS / 2, look, many);
        silent = n > 0 ? 0 : silent + 1;
    }
}

static void chunk_ask(struct many *many, uint32_t number, uint32_t questions)
{
    const struct aro_id id = disk_stock_id(&many->stock, number);

    many->chunk = number;
    many->echo += UINT64_C(1) << 32;
    many->questions = questions;
    many->answered = many->waited = many->refused = 0;
    memset(many->seen, 0, questions);
    for (unsigned tries = 0; many->answered < questions; tries++) {
        if (tries == TRIES_MAX)
            bench_fail(ARO_E_BENCH_WRONG, "%u of %u requests get no answer",
                       questions - many->answered, questions);
        ask(many, &id);
        answers_take(many);
    }
}

static void round_run(struct many *many, uint32_t number, uint32_t questions)
{
    struct delayed_reads before, after;

    delayed_disk_reads(&many->disk, &before);
    chunk_ask(many, number, questions);
    delayed_disk_reads(&many->disk, &after);
    if (after.reads - before.reads > many->reads_worst)
        many->reads_worst = after.reads - before.reads;
    many->sectors += after.sectors - before.sectors;
    many->all_questions += questions;
    many->all_waited += many->waited;
    many->all_refused += many->refused;
    if (many->compare->raw != NULL)
        fprintf(
            many->compare->raw,
            "{\"name\":\"disk.one_read_for_many\",\"questions\":%u,\"waited\":%u,\"refused\":%u,"
            "\"block_layer_reads\":%llu,\"block_layer_sectors\":%llu}\n",
            questions, many->waited, many->refused,
            (unsigned long long)(after.reads - before.reads),
            (unsigned long long)(after.sectors - before.sectors));
}

static uint64_t lcore_waits(struct many *many, unsigned which)
{
    return bench_node_lcore_count(&many->node, which, "misses_disk") +
           bench_node_lcore_count(&many->node, which, "misses_joined");
}

/* One chunk of each round's own; the first of the store warms the file system, and counts not. */
static void rounds_run(struct many *many, uint32_t questions)
{
    uint64_t random = SEED;

    for (unsigned i = 0; i < WIRES; i++)
        asker_prove(many->asker[i]);
    chunk_ask(many, 0, 1);
    for (unsigned i = 0; i < WIRES; i++)
        many->lcore_waited[i] = lcore_waits(many, i);
    for (unsigned round = 0; round < many->compare->rounds; round++) {
        uint32_t part = (many->stock.chunks - 1) / many->compare->rounds;
        round_run(many, 1 + round * part + (uint32_t)(bench_random(&random) % part), questions);
    }
    for (unsigned i = 0; i < WIRES; i++)
        many->lcore_waited[i] = lcore_waits(many, i) - many->lcore_waited[i];
}

static void tell(const struct many *many, const char *name, uint64_t node_reads)
{
    const unsigned rounds = many->compare->rounds;
    struct compare_result result = {.ours = (double)many->reads_worst,
                                    .theirs = 1,
                                    .ratio = 1 / (double)many->reads_worst,
                                    .wire = "disk"};

    compare_tell(
        name, &result, "reads",
        "at the block layer for one cold chunk of %u bytes, worst of %u rounds (%.0f bytes each); "
        "%llu requests a round of %u clients, of all rounds' %llu requests %llu waited for the "
        "disk "
        "(%llu on one lcore, %llu on the other), %llu were told to come again; %llu reads by the "
        "node; each slice compared; every read of the device takes %u ms longer (loop device on "
        "nbdfuse and nbdkit's delay filter); theirs is the goal",
        CHUNK_BYTES, rounds, 512.0 * (double)many->sectors / rounds,
        (unsigned long long)(many->all_questions / rounds), WIRES * CLIENTS,
        (unsigned long long)many->all_questions, (unsigned long long)many->all_waited,
        (unsigned long long)many->lcore_waited[0], (unsigned long long)many->lcore_waited[1],
        (unsigned long long)many->all_refused, (unsigned long long)node_reads, DELAY_MS);
}

static void node_make(struct many *many, const char *folder)
{
    const struct bench_node_config config = {.program = compare_node_program(),
                                             .folder = folder,
                                             .store = many->stock.folder,
                                             .store_bytes = STORE_BYTES,
                                             .segment_bytes = STOCK_BYTES,
                                             .chunks_max = many->stock.chunks + 64,
                                             .memory_bytes = MEMORY_BYTES,
                                             .lcores = WIRES,
                                             .mtu = MTU,
                                             .frames = FRAMES,
                                             .pending = PENDING,
                                             .reads = many->compare->depth,
                                             .cpus = many->compare->cpus.set};

    for (unsigned i = 0; i < WIRES; i++) {
        char host[BENCH_WIRE_HOST_BYTES];
        bench_wire_make(i, MTU);
        bench_wire_host(i, host);
        many->asker[i] = asker_make(host, CLIENTS);
    }
    bench_node_make(&many->node, &config);
    bench_node_start(&many->node);
    bench_node_wait(&many->node);
}

static void body(const struct compare *compare, const char *name)
{
    char folder[BENCH_FOLDER_BYTES];
    struct many *many = calloc(1, sizeof(*many));
    uint64_t node_reads;

    bench_folder_make(compare->directory, folder);
    many->compare = compare;
    many->seen = calloc(compare->requests, 1);
    delayed_disk_make(&many->disk, folder, IMAGE_BYTES);
    disk_stock_make(&many->stock, &(struct disk_stock_config){.parent = many->disk.mount,
                                                              .data_bytes = STOCK_BYTES,
                                                              .chunk_bytes = CHUNK_BYTES,
                                                              .digests = true});
    disk_stock_close(&many->stock);
    delayed_disk_delay(&many->disk, DELAY_MS, &compare->cpus.set);
    node_make(many, folder);
    rounds_run(many, (uint32_t)compare->requests);
    node_reads = bench_node_count(&many->node, "disk_reads") - 1;
    bench_node_stop(&many->node);
    tell(many, name, node_reads);
    for (unsigned i = 0; i < WIRES; i++)
        asker_free(many->asker[i]);
    disk_stock_free(&many->stock);
    delayed_disk_free(&many->disk);
    bench_folder_remove(folder);
    free(many->seen);
    free(many);
}

const char *compare_one_read_lacks(void)
{
    const char *lacks = delayed_disk_lacks();

    return lacks != NULL ? lacks : compare_node_lacks();
}

void compare_one_read(const struct compare *compare, const char *name)
{
    bench_apart(body, compare, name);
}
