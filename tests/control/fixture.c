/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/control/fixture.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "control/descent.h"
#include "control/loop.h"

/* Disk number 0 is the directory "store", the next is "store-1". */
static void open_disk(struct fixture *fixture, unsigned number)
{
    char path[96], name[ARO_DISK_NAME_BYTES];
    struct aro_error error = {0};
    struct aro_store_config config = {.path = path,
                                      .size_bytes = fixture->store_bytes,
                                      .segment_bytes = 2 << 20,
                                      .seed = 9,
                                      .judge = fixture->recycling ? aro_recycler_judge : NULL,
                                      .ring = fixture->ring,
                                      .qsbr = aro_cache_qsbr(fixture->cache)};
    struct aro_store *store;

    snprintf(path, sizeof(path), number == 0 ? "%s/store" : "%s/store-%u", fixture->dir, number);
    snprintf(name, sizeof(name), "disk%u", number);
    store = aro_store_open(&config, NULL, NULL, &error);
    cr_assert_not_null(store, "%s", error.text);
    cr_assert_eq(aro_disks_add(fixture->disks, name, store), 0);
}

static void open_all(struct fixture *fixture)
{
    struct aro_error error = {0};
    struct aro_cache_config cache = {.region = fixture->region,
                                     .region_bytes = fixture->region_bytes,
                                     .readers_max = 2,
                                     .pins_per_reader = 64,
                                     .seed = 7};

    fixture->ring = aro_uring_create(256);
    cr_assert_not_null(fixture->ring);
    fixture->cache = aro_cache_create(&cache, &error);
    cr_assert_not_null(fixture->cache, "%s", error.text);
    if (fixture->store_bytes > 0) {
        fixture->disks = aro_disks_create();
        cr_assert_not_null(fixture->disks);
        for (unsigned i = 0; i < fixture->disks_wanted; i++)
            open_disk(fixture, i);
        fixture->store = aro_disks_store(fixture->disks, 0);
    }
    fixture->content =
        aro_content_create(&(struct aro_content_config){.cache = fixture->cache,
                                                        .disks = fixture->disks,
                                                        .ring = fixture->ring,
                                                        .pin_bytes_max = fixture->region_bytes / 4,
                                                        .second_hit = fixture->second_hit,
                                                        .seed = 11});
    cr_assert_not_null(fixture->content);
    for (unsigned i = 0; i < aro_disks_count(fixture->disks); i++)
        fixture->recycler[i] = aro_recycler_create(fixture->content, i, NULL);
}

static void close_all(struct fixture *fixture)
{
    for (unsigned i = 0; i < aro_disks_count(fixture->disks); i++)
        aro_recycler_destroy(fixture->recycler[i]);
    aro_content_destroy(fixture->content);
    aro_disks_destroy(fixture->disks);
    aro_cache_destroy(fixture->cache);
    aro_uring_destroy(fixture->ring);
}

struct fixture *fixture_create(size_t region_bytes, uint64_t store_bytes)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->dir, "/tmp/test-control-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture->dir));
    fixture->region_bytes = region_bytes;
    fixture->store_bytes = store_bytes;
    fixture->disks_wanted = 1;
    fixture->region =
        mmap(NULL, region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(fixture->region, MAP_FAILED);
    open_all(fixture);
    return fixture;
}

void fixture_restart(struct fixture *fixture)
{
    close_all(fixture);
    open_all(fixture);
}

void fixture_destroy(struct fixture *fixture)
{
    char command[96];

    aro_admission_clear(aro_content_admission(fixture->content));
    while (aro_admission_turn(aro_content_admission(fixture->content)))
        fixture_turn(fixture);
    cr_assert_eq(aro_claims_now(aro_content_claims(fixture->content)), 0, "claims leak");
    close_all(fixture);
    munmap(fixture->region, fixture->region_bytes);
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture->dir);
    cr_assert_eq(system(command), 0);
    free(fixture);
}

void fixture_turn(struct fixture *fixture)
{
    aro_uring_poll(fixture->ring, 64);
    aro_cache_maintain(fixture->cache, 64);
    for (unsigned i = 0; i < aro_disks_count(fixture->disks); i++) {
        aro_store_poll(aro_disks_store(fixture->disks, i));
        (void)aro_recycler_turn(fixture->recycler[i]);
    }
    aro_content_poll(fixture->content);
    aro_uring_submit(fixture->ring);
}

int fixture_file(uint64_t bytes, uint64_t period, uint64_t seed)
{
    uint8_t *content = malloc(bytes + 1);
    int fd = memfd_create("source", MFD_CLOEXEC);
    uint64_t state = seed;

    for (uint64_t i = 0; i < bytes; i++) {
        if (period > 0 && i % period == 0)
            state = seed;
        state = state * 6364136223846793005u + 1442695040888963407u;
        content[i] = (uint8_t)(state >> 56);
    }
    cr_assert_eq(write(fd, content, bytes), (ssize_t)bytes);
    free(content);
    return fd;
}

struct aro_id fixture_file_digest(int fd, uint64_t bytes)
{
    uint8_t *content = malloc(bytes + 1);
    struct aro_id digest;

    cr_assert_eq(pread(fd, content, bytes, 0), (ssize_t)bytes);
    digest = aro_sha256(content, bytes);
    free(content);
    return digest;
}

struct aro_put *fixture_put_start(struct fixture *fixture, int fd)
{
    struct aro_error error = {0};
    struct aro_put *put = aro_put_create(&(struct aro_put_config){.content = fixture->content,
                                                                  .fd = dup(fd),
                                                                  .chunk_bytes = 65536,
                                                                  .label = "test",
                                                                  .deferred = fixture->deferred},
                                         &error);

    cr_assert_not_null(put, "%s", error.text);
    return put;
}

/* One turn of the put and of the rest, as the loop would. False: over. */
static bool put_turn(struct fixture *fixture, struct aro_put *put)
{
    struct pollfd ring = {.fd = aro_uring_fd(fixture->ring), .events = POLLIN};
    int wish_ms = aro_put_turn(put, aro_now_ns());

    aro_uring_submit(fixture->ring);
    if (wish_ms > 0)
        poll(&ring, 1, wish_ms);
    fixture_turn(fixture);
    return wish_ms >= 0;
}

void fixture_put_until(struct fixture *fixture, struct aro_put *put, uint64_t bytes)
{
    while (aro_put_done_bytes(put) < bytes)
        cr_assert(put_turn(fixture, put), "over before its time");
}

int fixture_put_end(struct fixture *fixture, struct aro_put *put, struct aro_put_result *ret,
                    struct aro_error *error)
{
    int result;

    while (put_turn(fixture, put))
        ;
    result = aro_put_result(put, ret, error);
    aro_put_destroy(put);
    return result;
}

int fixture_put(struct fixture *fixture, int fd, struct aro_put_result *ret,
                struct aro_error *error)
{
    return fixture_put_end(fixture, fixture_put_start(fixture, fd), ret, error);
}

struct reading {
    struct aro_fetch fetch;
    bool over;
    int result;
};

static void on_fetched(struct aro_fetch *fetch, int result)
{
    struct reading *reading = (struct reading *)(void *)fetch;

    reading->over = true;
    reading->result = result;
}

bool fixture_read_back(struct fixture *fixture, const struct aro_id *object, struct aro_id *ret)
{
    struct aro_descent *descent = aro_descent_create(fixture->content, object, true);
    struct reading reading = {.fetch = {.done = on_fetched, .disk_first = true}};
    struct aro_sha256 *sha = aro_sha256_create();
    struct aro_descent_item item;
    int more;

    reading.fetch.buffer = aligned_alloc(4096, ARO_FETCH_BUFFER_BYTES);
    while ((more = aro_descent_next(descent, &item)) == 1 || more == -EAGAIN) {
        if (more == -EAGAIN || item.is_manifest) {
            fixture_turn(fixture);
            continue;
        }
        reading.over = false;
        reading.fetch.id = item.id;
        aro_content_fetch(fixture->content, &reading.fetch);
        while (!reading.over)
            fixture_turn(fixture);
        if (reading.result != 0 || reading.fetch.len_bytes != item.len_bytes) {
            more = -EBADMSG;
            break;
        }
        aro_sha256_update(sha, reading.fetch.buffer, reading.fetch.len_bytes);
    }
    *ret = aro_sha256_final(sha);
    aro_sha256_destroy(sha);
    aro_descent_destroy(descent);
    free(reading.fetch.buffer);
    return more == 0;
}

/* Flips a bit 100 bytes behind head, when the file has it. */
static bool damage_file(const char *path, const uint8_t head[64])
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    uint8_t *map = size > 4096 ? mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                               : MAP_FAILED;
    uint8_t *at = NULL;

    if (map != MAP_FAILED) {
        at = memmem(map, (size_t)size, head, 64);
        if (at != NULL)
            at[100] ^= 1;
        munmap(map, (size_t)size);
    }
    if (fd >= 0)
        close(fd);
    return at != NULL;
}

void fixture_damage(struct fixture *fixture, const uint8_t head[64])
{
    char path[384];
    struct dirent *entry;
    unsigned damaged = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/store", fixture->dir);
    dir = opendir(path);
    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_type != DT_REG)
            continue;
        snprintf(path, sizeof(path), "%s/store/%s", fixture->dir, entry->d_name);
        damaged += damage_file(path, head);
    }
    closedir(dir);
    cr_assert_eq(damaged, 1u);
}
