/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * make_store DIRECTORY CHUNKS LEN_BYTES EVERY [SEGMENT_BYTES]
 *
 * A large store in seconds: the tables of CHUNKS chunks as a daemon would have left them, a commit
 * after every 1000 records, and of the payloads every EVERY-th; the others are holes in their file,
 * so asking for one of those is a mismatch. Chunk n is n as 8 bytes, little-endian, then zeros.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "cache/disk/reader.h"
#include "cache/disk/record.h"

enum { COMMIT_EVERY = 1000 };

struct maker {
    const char *dir;
    uint64_t chunks, every;
    uint32_t len_bytes;
    uint32_t segment_blocks;
    uint64_t uuid_hash;
    uint8_t *payload;
    struct aro_record *record; /* of one segment */
};

static void check(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static int open_in(const char *dir, const char *name, int flags)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, flags, 0640);
    check(fd >= 0, path);
    return fd;
}

/* An empty store: its superblock is the product's own. */
static void make_super(struct maker *maker)
{
    struct aro_store_config config = {.path = maker->dir, .size_bytes = 64u << 20};
    struct aro_super super;
    struct aro_error error;
    struct aro_qsbr qsbr;
    struct aro_store *store;
    int fd;

    aro_qsbr_init(&qsbr, 1);
    config.qsbr = &qsbr;
    config.ring = aro_uring_create(8);
    store = aro_store_open(&config, NULL, NULL, &error);
    if (store == NULL) {
        fprintf(stderr, "make_store: %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    aro_store_close(store);
    aro_uring_destroy(config.ring);
    fd = open_in(maker->dir, "STORE", O_RDONLY);
    check(read(fd, &super, sizeof(super)) == (ssize_t)sizeof(super), "STORE");
    close(fd);
    maker->uuid_hash = aro_hash_bytes(super.uuid, sizeof(super.uuid), 0);
}

static void make_chunk(struct maker *maker, uint64_t n, struct aro_place *place, int data_fd,
                       struct aro_record *ret)
{
    struct aro_id id;

    aro_store_le64(maker->payload, n);
    id = aro_sha256(maker->payload, maker->len_bytes);
    place->checksum =
        aro_place_checksum(&id, place->segment, place->block, maker->payload, place->len_bytes);
    *ret = aro_record_make(ARO_RECORD_CHUNK, place->segment, place, &id);
    if (n % maker->every == 0)
        check(pwrite(data_fd, maker->payload, maker->len_bytes,
                     (off_t)place->block * ARO_BLOCK_BYTES) == (ssize_t)maker->len_bytes,
              "payload");
}

/* Fills segment `number` from chunk n on; returns the next chunk. */
static uint64_t make_segment(struct maker *maker, uint32_t number, uint64_t n)
{
    char name[32];
    struct aro_place place = {.segment = number, .len_bytes = maker->len_bytes};
    uint32_t records = 0, blocks = aro_blocks(maker->len_bytes);
    int data_fd, table_fd;

    snprintf(name, sizeof(name), "seg-%08u.data", number);
    data_fd = open_in(maker->dir, name, O_RDWR | O_CREAT | O_EXCL);
    snprintf(name, sizeof(name), "seg-%08u.table", number);
    table_fd = open_in(maker->dir, name, O_RDWR | O_CREAT | O_EXCL);
    check(ftruncate(data_fd, (off_t)maker->segment_blocks * ARO_BLOCK_BYTES) == 0, "data");
    for (; n < maker->chunks && place.block + blocks <= maker->segment_blocks; n++) {
        make_chunk(maker, n, &place, data_fd, &maker->record[records++]);
        place.block += blocks;
        if (n % COMMIT_EVERY == COMMIT_EVERY - 1)
            maker->record[records++] = aro_record_make(ARO_RECORD_COMMIT, number, NULL, NULL);
    }
    maker->record[records++] = aro_record_make(ARO_RECORD_COMMIT, number, NULL, NULL);
    for (uint32_t i = 0; i < records; i++)
        aro_record_seal(&maker->record[i], maker->uuid_hash, number, i);
    check(write(table_fd, maker->record, records * sizeof(struct aro_record)) ==
              (ssize_t)(records * sizeof(struct aro_record)),
          "table");
    check(close(data_fd) == 0 && close(table_fd) == 0, name);
    return n;
}

int main(int argc, char **argv)
{
    uint64_t segment_bytes = argc > 5 ? strtoull(argv[5], NULL, 10) : 256u << 20;
    struct maker maker;

    if (argc < 5) {
        fputs("usage: make_store DIRECTORY CHUNKS LEN_BYTES EVERY [SEGMENT_BYTES]\n", stderr);
        return 2;
    }
    maker = (struct maker){.dir = argv[1],
                           .chunks = strtoull(argv[2], NULL, 10),
                           .len_bytes = (uint32_t)strtoul(argv[3], NULL, 10),
                           .every = strtoull(argv[4], NULL, 10),
                           .segment_blocks = (uint32_t)(segment_bytes / ARO_BLOCK_BYTES)};
    if (maker.len_bytes < 8 || maker.len_bytes > ARO_CHUNK_BYTES_MAX || maker.every == 0)
        return 2;
    maker.payload = calloc(1, maker.len_bytes);
    maker.record = calloc((size_t)maker.segment_blocks + maker.segment_blocks / COMMIT_EVERY + 3,
                          sizeof(struct aro_record));
    check(maker.payload != NULL && maker.record != NULL, "memory");
    make_super(&maker);
    for (uint64_t n = 0, number = 1; n < maker.chunks; number++)
        n = make_segment(&maker, (uint32_t)number, n);
    free(maker.record);
    free(maker.payload);
    return 0;
}
