/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a zero-copy DATA packet costs, next to its floor, on the same net_ring port in one run.
 *
 * The product answers GETs for whole 64 KiB chunks from memory: receive, parse, token, lookup, job,
 * 47 slices of 1408 bytes. Everything it spends is divided by the DATA packets that came out. Both
 * sides are drained and freed in the process, interleaved round by round; a first, untimed round
 * checks every payload byte and checksum.
 *
 *   bench_data [rounds] [requests per round] [chunks]
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "perf/floor_data.h"
#include "tests/dataplane/rig.h"

enum { SLICE = 1408, CHUNK = 65536, SLICES = 47, ROUNDS_MAX = 99 };

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_data: %s\n", what);
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void verify_chunk(struct rig *rig, const struct aro_id *id, uint64_t seed)
{
    static uint8_t expected[CHUNK], got[CHUNK];
    struct rig_frame frame;
    struct aro_data data;
    unsigned slices = 0;

    rig_chunk_bytes(expected, CHUNK, seed);
    rig_get(rig, id, SLICE, 0, UINT64_MAX, seed);
    rig_turn(rig, 8);
    while (rig_take(rig, &frame)) {
        check(aro_data_decode(frame.payload, frame.payload_bytes, &data) == 0, "not a DATA");
        check(frame.chained, "not zero copy");
        memcpy(got + (size_t)data.index * SLICE, data.payload, data.payload_bytes);
        slices++;
    }
    check(slices == SLICES && memcmp(got, expected, CHUNK) == 0, "payload differs");
}

/* Asks for `requests` chunks, four at a time; returns the cycles until all of it is drained. */
static uint64_t product_run(struct rig *rig, const struct aro_id *ids, unsigned chunks,
                            unsigned requests, uint64_t *ret_request_cycles)
{
    uint64_t drained = 0, wanted = (uint64_t)requests * SLICES, making = 0;
    uint64_t start = rte_rdtsc();

    for (unsigned asked = 0; drained < wanted;) {
        void *objects[64];
        unsigned n;
        if (asked < requests && drained + 4 * SLICES >= (uint64_t)asked * SLICES) {
            uint64_t before = rte_rdtsc();
            for (unsigned i = 0; i < 4 && asked < requests; i++, asked++)
                rig_get(rig, &ids[asked % chunks], SLICE, 0, UINT64_MAX, asked);
            making += rte_rdtsc() - before;
        }
        rig_turn(rig, 1);
        while ((n = rte_ring_dequeue_burst(rig->from_port[0], objects, 64, NULL)) != 0) {
            rte_pktmbuf_free_bulk((struct rte_mbuf **)objects, n);
            drained += n;
        }
    }
    *ret_request_cycles = making;
    uint64_t cycles = rte_rdtsc() - start - making; /* the client's own work is not the server's */
    check(drained == wanted, "lost packets");
    return cycles;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 15;
    unsigned requests = argc > 2 ? (unsigned)atoi(argv[2]) : 20000;
    unsigned chunks = argc > 3 ? (unsigned)atoi(argv[3]) : 256;
    double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratio[ROUNDS_MAX];
    struct floor_rig floor;
    struct aro_id *ids;
    struct rig *rig;

    check(rounds >= 1 && rounds <= ROUNDS_MAX && requests >= 32 && chunks >= 1 && chunks <= 512,
          "usage: bench_data [rounds 1..99] [requests >= 32] [chunks 1..512]");
    rig_eal_start(256);
    rig = rig_create(NULL);
    ids = calloc(chunks, sizeof(*ids));
    check(ids != NULL, "no memory");
    for (unsigned i = 0; i < chunks; i++)
        ids[i] = rig_chunk(rig, CHUNK, i + 1);
    rig_validate(rig);
    for (unsigned i = 0; i < chunks; i++)
        verify_chunk(rig, &ids[i], i + 1);
    floor_open(&floor, rig->dataplane->port[0].id, rig->from_port[0], rig->region,
               RIG_REGION_BYTES);

    for (unsigned r = 0; r < rounds; r++) {
        uint64_t packets = (uint64_t)requests * SLICES, making;
        theirs[r] = (double)floor_run(&floor, packets & ~31ull, SLICE) / (double)(packets & ~31ull);
        ours[r] = (double)product_run(rig, ids, chunks, requests, &making) / (double)packets;
        ratio[r] = ours[r] / theirs[r];
    }
    qsort(ours, rounds, sizeof(*ours), compare);
    qsort(theirs, rounds, sizeof(*theirs), compare);
    qsort(ratio, rounds, sizeof(*ratio), compare);
    printf("{\"name\":\"data.packet_vs_floor\",\"ours\":%.1f,\"floor\":%.1f,\"ratio\":%.2f,"
           "\"ratio_min\":%.2f,\"ratio_max\":%.2f,\"unit\":\"cycles per DATA packet of %d B\","
           "\"wire\":\"net_ring, drained in the process\",\"rounds\":%u,\"packets\":%llu}\n",
           ours[rounds / 2], theirs[rounds / 2], ratio[rounds / 2], ratio[0], ratio[rounds - 1],
           SLICE, rounds, (unsigned long long)requests * SLICES);
    free(ids);
    rig_destroy(rig);
    return 0;
}
