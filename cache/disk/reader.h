/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunk reads by an lcore: its own ring, straight into chunk memory, verified in steps.
 *
 *   find place -> aro_disk_read (queues; every fourth submits) -> aro_disk_submit (of the rest,
 * once per loop) -> aro_disk_reap_burst -> aro_verify_step until done -> publish
 *
 * Created and used on one thread (the ring is SINGLE_ISSUER where the kernel has it).
 */
#ifndef ARO_CACHE_DISK_READER_H
#define ARO_CACHE_DISK_READER_H

#include "cache/base/hash.h"
#include "cache/disk/store.h"

struct aro_disk_reader;

struct aro_disk_reader_config {
    struct aro_store *store;
    unsigned depth; /* reads in flight, a power of two 8..1024 */
    void *region;   /* chunk memory to register; NULL: none, or later */
    size_t region_bytes;
    bool poll;  /* the store's device allows it: cache/disk/polling.h */
    bool files; /* register those that are read; then submit often, if only to let go of them */
};

/* On the thread that will use it. NULL with errno (EPERM, ENOSYS: io_uring is refused). */
struct aro_disk_reader *aro_disk_reader_create(const struct aro_disk_reader_config *config);
/*
 * Registers chunk memory, once. Until then, or when the kernel refuses, reads still work. Takes as
 * long as the kernel needs to bring in what is not there yet: about 4 ms per MiB at worst.
 */
void aro_disk_reader_register(struct aro_disk_reader *reader, void *region, size_t region_bytes);
void aro_disk_reader_destroy(struct aro_disk_reader *reader); /* waits for what is in flight */

/*
 * Queues the read of place into buffer (4 KiB-aligned, len rounded up to 4 KiB). In the same read
 * section as the find that gave the place. 0; -EAGAIN: depth reached; -ESTALE: the segment is gone.
 */
int aro_disk_read(struct aro_disk_reader *reader, const struct aro_place *place, void *buffer,
                  uint64_t cookie);

struct aro_disk_done {
    uint64_t cookie;
    int result; /* 0: all len_bytes are there; or -errno (a short read is -EIO) */
};

/*
 * The io_uring_enter of the data plane: only when reads are queued or completions need it. Then
 * files of segments that are gone are let go.
 */
void aro_disk_submit(struct aro_disk_reader *reader);
/* What has completed; no system call. */
unsigned aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                             unsigned max);
unsigned aro_disk_in_flight(const struct aro_disk_reader *reader);

struct aro_disk_reader_stats {
    uint64_t reads;
    uint64_t read_bytes; /* asked of the device: rounded up */
    uint64_t failures;
    uint64_t enters; /* system calls */
    bool fixed_buffers;
    bool fixed_files;
    bool defer_taskrun;
};
void aro_disk_reader_stats(const struct aro_disk_reader *reader, struct aro_disk_reader_stats *ret);

/* Checksum and prefix sums in one pass, a bounded piece at a time, so that a loop turn stays short.
 */
struct aro_verify {
    struct aro_hash_stream hash;
    struct aro_place place;
    const uint8_t *data;
    uint16_t *sums;
    uint32_t done_bytes;
};

void aro_verify_begin(struct aro_verify *verify, const struct aro_id *id,
                      const struct aro_place *place, const uint8_t *data, uint16_t *sums);
/* 1: more to do; 0: every byte agrees, sums are complete; -EBADMSG: the checksum differs. */
int aro_verify_step(struct aro_verify *verify, uint32_t budget_bytes);

/* Seed of a payload's checksum: an equal fingerprint or a misdirected read shows. */
static inline uint64_t aro_place_seed(const struct aro_id *id, uint32_t segment, uint32_t block)
{
    return aro_hash_id(id, (uint64_t)segment << 32 | block);
}

/* The checksum that place must carry for these bytes (the writer's side). */
uint64_t aro_place_checksum(const struct aro_id *id, uint32_t segment, uint32_t block,
                            const void *data, uint32_t len_bytes);

#endif
