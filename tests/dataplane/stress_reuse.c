/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is chunk memory ever reused under a packet?
 *
 *     stress_reuse [-n PACKETS] [-s SEED] [-c CPUS]
 *
 * Three threads around a rig with the smallest cache:
 *   lcore    answers requests with slices that point into chunk memory
 *   wire     asks at random, receives - and is a port that completes late: it keeps each packet for
 *            a while, hundreds at a time, and frees them in odd order, on a thread that is no lcore
 *   keeper   removes, evicts and refills, so that memory changes hands thousands of times a second
 * The bytes of a chunk follow from its number. Every byte is compared when a packet is received and
 * again when it is freed; what was freed in between is poisoned (unless NDEBUG) or somebody else's
 * by then. At the end everything is back: pins, chunks, packet buffers.
 */
#include <pthread.h>
#include <sys/mman.h>

#include <rte_launch.h>

#include "cache/arena.h"
#include "tests/cache/options.h"
#include "tests/dataplane/rig.h"

enum {
    CHUNKS = 400, /* 13 MB of them through 8 MiB */
    HELD_MAX = 400,
    BURST = 64,
    WIRE_LCORE = 1,
    HEADERS_BYTES = 14 + 20 + 8 + ARO_DATA_BYTES,
    PATIENCE_S = 20,
};

/* A packet that the port has not completed yet. */
struct held {
    struct rte_mbuf *packet;
    const uint8_t *payload;
    unsigned number;
    uint32_t at;
    uint32_t bytes;
};

struct reuse {
    struct rig *rig;
    uint64_t packets_wanted;
    cpu_set_t cpus;
    uint64_t random; /* keeper */
    _Atomic bool received_all, ending;
    /* wire */
    uint64_t wire_random;
    struct held held[HELD_MAX];
    unsigned held_count;
    uint64_t packets, bytes, chained, statuses, tokens;
};

/* ---- chunks ---- */

static uint32_t chunk_bytes(unsigned number)
{
    return 1 + number * 7919 % 65536;
}

static uint64_t pattern(unsigned number, uint32_t at)
{
    return ((number + 1) * UINT64_C(0x2545f4914f6cdd1d)) ^ (at * UINT64_C(0xff51afd7ed558ccd));
}

/* at: where in the chunk, a multiple of 8. The offset of the first wrong byte, or bytes. */
static uint32_t pattern_mismatch(const uint8_t *bytes, uint32_t len, unsigned number, uint32_t at)
{
    for (uint32_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = pattern(number, at + i);
        size_t left = len - i < sizeof(word) ? len - i : sizeof(word);
        if (memcmp(bytes + i, &word, left) == 0)
            continue;
        while (bytes[i] == (uint8_t)word) {
            word >>= 8;
            i++;
        }
        return i;
    }
    return len;
}

static void verify(const struct held *held, const char *when)
{
    uint32_t at = pattern_mismatch(held->payload, held->bytes, held->number, held->at);

    if (at == held->bytes)
        return;
    fprintf(stderr, "stress_reuse: %s, byte %u of chunk %u is %#x%s\n", when, held->at + at,
            held->number, held->payload[at],
            held->payload[at] == ARO_ARENA_POISON ? ": freed memory" : "");
    abort();
}

/* ---- the wire ---- */

static void get_send(struct reuse *reuse)
{
    static const uint16_t slices_bytes[4] = {1408, 1408, 1152, 128};
    uint64_t r = random_next(&reuse->wire_random);
    unsigned number = (unsigned)((r >> 8) % CHUNKS);
    struct aro_id id = chunk_id(number);

    rig_get(reuse->rig, &id, slices_bytes[r & 3], 0, r >> 2 & 1 ? UINT64_MAX : r * r, number);
}

static void held_free(struct reuse *reuse, unsigned i)
{
    verify(&reuse->held[i], "when freed");
    rte_pktmbuf_free(reuse->held[i].packet);
    reuse->held[i] = reuse->held[--reuse->held_count];
}

static void data_hold(struct reuse *reuse, struct rte_mbuf *packet, const uint8_t *message)
{
    struct held *held = &reuse->held[reuse->held_count];
    uint32_t slice_bytes = aro_load_be16(message + 4);

    *held = (struct held){.packet = packet,
                          .number = (unsigned)aro_load_be64(message + 16),
                          .at = aro_load_be16(message + 6) * slice_bytes};
    REQUIRE(held->number < CHUNKS);
    REQUIRE(aro_load_be32(message + 8) == chunk_bytes(held->number));
    held->bytes = packet->pkt_len - HEADERS_BYTES;
    REQUIRE(held->bytes == RTE_MIN(slice_bytes, chunk_bytes(held->number) - held->at));
    held->payload = packet->nb_segs > 1 ? rte_pktmbuf_mtod(packet->next, const uint8_t *)
                                        : message + ARO_DATA_BYTES;
    verify(held, "received");
    reuse->held_count++;
    reuse->packets++;
    reuse->bytes += held->bytes;
    reuse->chained += packet->nb_segs > 1;
}

static void packet_take(struct reuse *reuse, struct rte_mbuf *packet)
{
    const uint8_t *message =
        rte_pktmbuf_mtod_offset(packet, const uint8_t *, HEADERS_BYTES - ARO_DATA_BYTES);

    if (message[0] == ARO_MSG_DATA) {
        data_hold(reuse, packet, message);
        return;
    }
    if (message[0] == ARO_MSG_TOKEN) {
        struct aro_token_msg token;
        REQUIRE(aro_token_decode(message, ARO_TOKEN_MSG_BYTES, &token) == 0);
        memcpy(reuse->rig->token, token.token, sizeof(token.token));
        reuse->tokens++;
    } else {
        REQUIRE(message[0] == ARO_MSG_STATUS);
        reuse->statuses++;
    }
    rte_pktmbuf_free(packet);
}

/* Frees a few at random, so that some stay for thousands of packets and some for none. */
static void wire_turn(struct reuse *reuse, bool asks)
{
    struct rte_ring *from = reuse->rig->from_port[0];
    struct rte_mbuf *packet[BURST];
    unsigned room = RTE_MIN(HELD_MAX - reuse->held_count, (unsigned)BURST);
    unsigned n = rte_ring_dequeue_burst(from, (void **)packet, room, NULL);
    unsigned frees = (unsigned)(random_next(&reuse->wire_random) >> 20) % (2 * n + 2);

    for (unsigned i = 0; i < n; i++)
        packet_take(reuse, packet[i]);
    for (unsigned i = 0; i < frees && reuse->held_count > 0; i++)
        held_free(reuse, (unsigned)(random_next(&reuse->wire_random) >> 9) % reuse->held_count);
    if (asks && rte_ring_count(from) < BURST && rte_ring_count(reuse->rig->to_port[0]) < 4)
        get_send(reuse);
    if (n == 0)
        sched_yield();
}

static void *wire_main(void *argument)
{
    struct reuse *reuse = argument;

    REQUIRE(pthread_setaffinity_np(pthread_self(), sizeof(reuse->cpus), &reuse->cpus) == 0);
    while (reuse->packets < reuse->packets_wanted)
        wire_turn(reuse, true);
    atomic_store(&reuse->received_all, true);
    while (!atomic_load(&reuse->ending)) {
        wire_turn(reuse, false);
        while (reuse->held_count > 0)
            held_free(reuse, 0);
    }
    return NULL;
}

/* ---- the lcore ---- */

static int lcore_main(void *argument)
{
    struct reuse *reuse = argument;

    REQUIRE(pthread_setaffinity_np(pthread_self(), sizeof(reuse->cpus), &reuse->cpus) == 0);
    while (!atomic_load(&reuse->rig->lcore->stop))
        aro_lcore_turn(reuse->rig->lcore);
    return 0;
}

/* ---- the keeper ---- */

/* False: no memory until a reader was quiescent or a pin went. */
static bool chunk_put(struct reuse *reuse, unsigned number)
{
    uint32_t len = chunk_bytes(number);
    struct aro_entry *entry;

    if (aro_cache_alloc(reuse->rig->cache, len, &entry) != 0)
        return false;
    entry->id = chunk_id(number);
    for (uint32_t at = 0; at < len; at += sizeof(uint64_t)) { /* room: pages are whole */
        uint64_t word = pattern(number, at);
        memcpy(entry->data + at, &word, sizeof(word));
    }
    aro_cache_insert(reuse->rig->cache, entry);
    return true;
}

static void keeper_turn(struct reuse *reuse)
{
    uint64_t r = random_next(&reuse->random) >> 7;
    struct aro_id id = chunk_id((unsigned)(r % CHUNKS));
    bool put = chunk_put(reuse, (unsigned)(r / 1024 % CHUNKS));

    if (put && r / CHUNKS % 4 == 0)
        aro_cache_remove(reuse->rig->cache, &id);
    aro_cache_maintain(reuse->rig->cache, BURST);
    if (r / CHUNKS % 65536 == 0)
        aro_cache_flush(reuse->rig->cache);
    if (!put)
        sched_yield();
}

/* Until the wire has what it wanted. Returns how many chunks waited for pins at most. */
static uint64_t keeper_run(struct reuse *reuse)
{
    struct aro_cache_stats stats;
    uint64_t held_back = 0;

    while (!atomic_load(&reuse->received_all)) {
        for (unsigned i = 0; i < 256; i++)
            keeper_turn(reuse);
        aro_cache_stats(reuse->rig->cache, &stats);
        held_back = RTE_MAX(held_back, stats.retired_now);
    }
    return held_back;
}

/* ---- the end: everything comes back ---- */

static void pools_are_full(const struct reuse *reuse)
{
    struct aro_pool_info info;

    for (unsigned i = 0; i < aro_dataplane_pools(reuse->rig->dataplane); i++) {
        aro_dataplane_pool_info(reuse->rig->dataplane, i, &info);
        REQUIRE(info.items_free_now == info.items);
    }
    REQUIRE(rte_mempool_full(reuse->rig->wire));
}

/* Every job has been answered, and every packet freed. */
static void wait_for_jobs(struct reuse *reuse)
{
    const struct aro_lcore *lcore = reuse->rig->lcore;
    double end = seconds_now() + PATIENCE_S;

    while (atomic_load(&lcore->jobs_now) + atomic_load(&lcore->draining_now) +
               rte_ring_count(reuse->rig->from_port[0]) + rte_ring_count(reuse->rig->to_port[0]) >
           0) {
        REQUIRE(seconds_now() < end);
        sched_yield();
    }
}

static void everything_is_back(struct reuse *reuse)
{
    struct aro_cache_stats stats;

    atomic_store(&reuse->rig->lcore->stop, true);
    REQUIRE(rte_eal_wait_lcore(WIRE_LCORE) == 0);
    aro_cache_flush(reuse->rig->cache);
    for (unsigned i = 0; i < 4; i++) {
        rig_turn(reuse->rig, 1);
        aro_cache_maintain(reuse->rig->cache, UINT32_MAX);
    }
    aro_cache_stats(reuse->rig->cache, &stats);
    REQUIRE(stats.entries_now == 0 && stats.retired_now == 0 && stats.pinned_now == 0);
    pools_are_full(reuse);
    rig_check_balance(reuse->rig);
}

static void report(const struct reuse *reuse, uint64_t held_back, double seconds)
{
    const struct aro_counters *counters = &reuse->rig->lcore->counters;
    struct aro_cache_stats stats;

    aro_cache_stats(reuse->rig->cache, &stats);
    printf("packets %lu (%lu of them point into chunk memory) bytes %lu: 0 wrong; %.0f s\n",
           reuse->packets, reuse->chained, reuse->bytes, seconds);
    printf("requests %lu hits %lu statuses %lu tokens %lu\n", counters->requests,
           counters->hits_memory, reuse->statuses, reuse->tokens);
    printf("admitted %lu removed %lu evicted %lu; unlinked and not yet free: at most %lu chunks\n",
           stats.admitted, stats.removed, stats.evicted, held_back);
}

static void adaptive(struct aro_dataplane_config *config)
{
    config->idle = ARO_IDLE_ADAPTIVE; /* offline now and then, with packets still out */
}

int main(int argc, char *argv[])
{
    static struct reuse reuse;
    struct options options = {.count = 300000, .seed = 1};
    double began = seconds_now();
    uint64_t held_back;
    pthread_t wire;

    if (!options_read(&options, argc, argv)) {
        fprintf(stderr, "usage: stress_reuse [-n PACKETS] [-s SEED] [-c CPUS]\n");
        return 2;
    }
    printf("stress_reuse: seed %lu\n", options.seed);
    REQUIRE(sched_getaffinity(0, sizeof(reuse.cpus), &reuse.cpus) == 0);
    reuse.packets_wanted = options.count;
    reuse.random = options.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    reuse.wire_random = options.seed * UINT64_C(0xbf58476d1ce4e5b9) | 1;
    rig_eal_start(128);
    REQUIRE(pthread_setaffinity_np(pthread_self(), sizeof(reuse.cpus), &reuse.cpus) == 0);
    reuse.rig = rig_create_tiny(adaptive);
    rig_validate(reuse.rig);
    REQUIRE(rte_eal_remote_launch(lcore_main, &reuse, WIRE_LCORE) == 0);
    REQUIRE(pthread_create(&wire, NULL, wire_main, &reuse) == 0);
    held_back = keeper_run(&reuse);
    wait_for_jobs(&reuse);
    atomic_store(&reuse.ending, true);
    REQUIRE(pthread_join(wire, NULL) == 0);
    everything_is_back(&reuse);
    report(&reuse, held_back, seconds_now() - began);
    rig_destroy(reuse.rig);
    return 0;
}
