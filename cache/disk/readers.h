/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunk reads by one thread from every disk: a reader (reader.h) each. Their rings are apart, so
 * that a disk that hangs keeps nothing but its own reads, and each is what its disk can do.
 *
 * Created and used on one thread.
 */
#ifndef ARO_CACHE_DISK_READERS_H
#define ARO_CACHE_DISK_READERS_H

#include "cache/disk/disks.h"
#include "cache/disk/reader.h"

struct aro_disk_readers;

struct aro_disk_readers_config {
    struct aro_disks *disks;
    unsigned depth; /* reads in flight per disk, a power of two 8..1024 */
    void *region;   /* chunk memory to register, once per disk; NULL: none, or later */
    size_t region_bytes;
    uint32_t poll_disks; /* a bit for each whose device allows it: cache/disk/polling.h */
    bool files;          /* register those that are read: reader.h */
};

/* On the thread that will use it. NULL with errno. */
struct aro_disk_readers *aro_disk_readers_create(const struct aro_disk_readers_config *config);
/* aro_disk_reader_register with every disk's ring. */
void aro_disk_readers_register(struct aro_disk_readers *readers, void *region, size_t region_bytes);
void aro_disk_readers_destroy(struct aro_disk_readers *readers); /* waits; takes NULL */

/* As aro_disk_read, of the place's disk. */
int aro_disk_readers_read(struct aro_disk_readers *readers, const struct aro_place *place,
                          void *buffer, uint64_t cookie);
void aro_disk_readers_submit(struct aro_disk_readers *readers);
/* Begins with another disk each time. */
unsigned aro_disk_readers_reap_burst(struct aro_disk_readers *readers, struct aro_disk_done done[],
                                     unsigned max);

/* Of one disk; any thread, to look at. */
void aro_disk_readers_stats(const struct aro_disk_readers *readers, unsigned disk,
                            struct aro_disk_reader_stats *ret);
/* Adds its counters to those of another thread's readers. */
void aro_disk_readers_stats_add(const struct aro_disk_readers *readers, unsigned disk,
                                struct aro_disk_reader_stats *sum);
unsigned aro_disk_readers_in_flight(const struct aro_disk_readers *readers, unsigned disk);

#endif
