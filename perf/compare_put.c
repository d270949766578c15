/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A durable put - read, cut, hashed twice, stored, recorded: the daemon's own (control/put.h) -
 * beside fio writing as many bytes in order to a new file on the same disk, with as many syncs as
 * the put took. The source is memory, so that it costs a copy and no disk. Both sides have all
 * CPUs, as a daemon's control thread has those that are no lcore's.
 */
#include "perf/compare_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/base/sha256_pair.h"
#include "control/loop.h"
#include "control/put.h"
#include "perf/fail.h"
#include "perf/fio.h"
#include "perf/folder.h"
#include "perf/ids.h"

/* Memory for chunks: what a daemon takes when nothing is configured. */
enum { REGION_BYTES = 256 << 20, RING_DEPTH = 256, BURST = 64, CHUNK_BYTES = 64 << 10, DEPTH = 32 };

/* What a daemon's control thread holds of this. */
struct node {
    char folder[BENCH_FOLDER_BYTES];
    void *region;
    struct aro_uring *ring;
    struct aro_cache *cache;
    struct aro_store *store; /* the only one of disks */
    struct aro_disks *disks;
    struct aro_content *content;
};

struct contest {
    const struct compare *compare;
    int source;
    uint64_t syncs; /* of the last put */
    bool direct;
    uint64_t put_ns; /* of all puts */
};

/* The source: nothing in it repeats. */
static int source_make(uint64_t bytes)
{
    int fd = memfd_create("source", MFD_CLOEXEC);
    uint64_t random = 1, *words;

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a source: %s", strerror(errno));
    words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a source: %s", strerror(errno));
    for (uint64_t i = 0; i < bytes / sizeof(*words); i++)
        words[i] = bench_random(&random);
    munmap(words, bytes);
    return fd;
}

static void node_make(struct node *node, const struct compare *compare)
{
    struct aro_cache_config cache = {
        .region_bytes = REGION_BYTES, .readers_max = 1, .pins_per_reader = 64, .seed = 7};
    struct aro_store_config store = {.size_bytes = 2 * compare->file_bytes + (64 << 20), .seed = 9};
    struct aro_content_config content = {.pin_bytes_max = REGION_BYTES / 4, .seed = 11};
    struct aro_error error = {0};

    bench_folder_make(compare->directory, node->folder);
    cache.region = node->region = bench_pages(REGION_BYTES);
    memset(node->region, 1, REGION_BYTES);
    store.ring = content.ring = node->ring = aro_uring_create(RING_DEPTH);
    if (node->ring == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no io_uring: %s", strerror(errno));
    content.cache = node->cache = aro_cache_create(&cache, &error);
    if (node->cache == NULL)
        bench_fail_with(&error);
    store.path = node->folder;
    store.qsbr = aro_cache_qsbr(node->cache);
    node->store = aro_store_open(&store, NULL, NULL, &error);
    if (node->store == NULL)
        bench_fail_with(&error);
    content.disks = node->disks = aro_disks_create();
    if (node->disks == NULL || aro_disks_add(node->disks, "main", node->store) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a store");
    node->content = aro_content_create(&content);
    if (node->content == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a put");
}

static void node_free(struct node *node)
{
    aro_content_destroy(node->content);
    aro_disks_destroy(node->disks);
    aro_cache_destroy(node->cache);
    aro_uring_destroy(node->ring);
    bench_pages_free(node->region, REGION_BYTES);
    bench_folder_remove(node->folder);
}

static void node_turn(struct node *node)
{
    aro_uring_poll(node->ring, BURST);
    aro_cache_maintain(node->cache, BURST);
    aro_store_poll(node->store);
    aro_content_poll(node->content);
    aro_uring_submit(node->ring);
}

/* As the daemon's loop does: turns, and sleeps on the ring when the put says so. */
static void put_run(struct node *node, struct aro_put *put)
{
    struct pollfd ring = {.fd = aro_uring_fd(node->ring), .events = POLLIN};
    int wait_ms;

    while ((wait_ms = aro_put_turn(put, aro_now_ns())) >= 0) {
        aro_uring_submit(node->ring);
        if (wait_ms > 0)
            poll(&ring, 1, wait_ms);
        node_turn(node);
    }
}

static void measure_put(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    const uint64_t bytes = contest->compare->file_bytes;
    struct aro_store_stats before, after;
    struct aro_put_config config = {.chunk_bytes = CHUNK_BYTES, .label = "arobench"};
    struct aro_put_result result;
    struct aro_error error = {0};
    struct bench_mark mark;
    struct aro_put *put;
    struct node node;

    node_make(&node, contest->compare);
    config.content = node.content;
    config.fd = fcntl(contest->source, F_DUPFD_CLOEXEC, 0);
    aro_store_stats(node.store, &before);
    bench_mark(&mark);
    put = aro_put_create(&config, &error);
    if (put == NULL)
        bench_fail_with(&error);
    put_run(&node, put);
    bench_sample_take(&mark, bytes, ret);
    if (aro_put_result(put, &result, &error) != 0)
        bench_fail_with(&error);
    if (!result.durable || result.object.total_bytes != bytes || result.new_bytes < bytes)
        bench_fail(ARO_E_BENCH_WRONG, "the put did not store what it was given");
    aro_store_stats(node.store, &after);
    contest->syncs = after.syncs - before.syncs;
    contest->direct = after.direct;
    contest->put_ns += ret->ns;
    aro_put_destroy(put);
    node_free(&node);
}

static void measure_fio(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    const uint64_t bytes = contest->compare->file_bytes, blocks = bytes / CHUNK_BYTES;
    char folder[BENCH_FOLDER_BYTES], path[BENCH_FOLDER_BYTES + 8];
    const uint64_t syncs = contest->syncs > 0 ? contest->syncs : 1;
    struct fio_job job = {.path = path,
                          .writes = true,
                          .direct = contest->direct,
                          .size_bytes = bytes,
                          .block_bytes = CHUNK_BYTES,
                          .depth = DEPTH,
                          .datasync_blocks =
                              blocks / syncs + 1}; /* the last is the fsync at the end */
    struct fio_result result;
    struct bench_mark mark;

    bench_folder_make(contest->compare->directory, folder);
    snprintf(path, sizeof(path), "%s/file", folder);
    bench_mark(&mark);
    fio_run(&job, &result);
    bench_sample_take(&mark, bytes, ret); /* for what the host took */
    ret->ns = result.ns;
    bench_folder_remove(folder);
}

/* Both digests of the same bytes, and nothing else. */
static uint64_t hash_ns(const struct contest *contest)
{
    const uint64_t bytes = contest->compare->file_bytes;
    struct aro_sha256_pair *pair = aro_sha256_pair_create();
    uint8_t *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, contest->source, 0);
    struct bench_sample sample;
    struct bench_mark mark;

    if (pair == NULL || at == MAP_FAILED)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory to hash");
    bench_mark(&mark);
    for (uint64_t done = 0; done < bytes; done += CHUNK_BYTES) {
        aro_sha256_pair_update(pair, at + done, CHUNK_BYTES);
        aro_sha256_pair_begin(pair);
    }
    bench_sample_take(&mark, 1, &sample);
    munmap(at, bytes);
    aro_sha256_pair_destroy(pair);
    return sample.ns;
}

void compare_put_fio(const struct compare *compare, const char *name)
{
    struct contest contest = {.compare = compare, .source = source_make(compare->file_bytes)};
    const struct compare_pair pair = {
        .name = name,
        .wire = "disk",
        .ours = {measure_put, &contest},
        .theirs = {measure_fio, &contest},
    };
    struct compare_result result;

    bench_unpin(&compare->cpus); /* neither side is an lcore */
    compare_measure(compare, &pair, &result);
    compare_tell(
        name, &result, "B/s",
        "durable put of %llu MiB out of memory, chunks of %u bytes; theirs: %s, as many "
        "bytes in order in blocks of that size, %u in flight, a new file, an fdatasync "
        "or fsync for each of the put's %llu; hashing (both digests) alone takes %.0f%% of the "
        "put's time",
        (unsigned long long)(compare->file_bytes >> 20), CHUNK_BYTES, fio_version(), DEPTH,
        (unsigned long long)contest.syncs,
        100.0 * (double)hash_ns(&contest) * compare->rounds / (double)contest.put_ns);
    bench_pin(&compare->cpus, 0);
    close(contest.source);
}
