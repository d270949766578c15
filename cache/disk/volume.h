/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the parts of a store are: superblock, log of objects, and per segment a table and payloads.
 * One small contract with two forms behind it:
 *
 *   directory   each part is a file (directory.c)
 *   device      each part is an extent of a block device (device.c)
 *
 * A part that is open is a descriptor and the offset in it at which the part begins; every read and
 * write adds that offset. Each part has a descriptor of its own in both forms, so that a failed
 * write-back is told to everybody whom it concerns. What a volume does not do: judge contents.
 *
 * Writer thread. Calls that take an io queue one operation (0, or -EAGAIN) and otherwise do no more
 * than touch a directory or the page cache; those of the start may block.
 */
#ifndef ARO_CACHE_DISK_VOLUME_H
#define ARO_CACHE_DISK_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

struct aro_error;
struct aro_io;
struct aro_segment;
struct aro_store;
struct aro_store_config;

/* A part of a segment that is there. */
struct aro_part {
    uint32_t number; /* of the segment */
    bool is_data;    /* or its table */
    uint64_t bytes;  /* a table: of records, at most */
};

struct aro_volume_api {
    /* Every part there is, in no order, until each returns an error: 0, that, or -errno. Start. */
    int (*list)(struct aro_store *store, int (*each)(void *arg, const struct aro_part *part),
                void *arg);

    /* Opens the parts of a segment that is there: descriptors, offsets, seed, blocks; alone: only
     * its table. 0 or -errno, with what was opened left in segment. Start. */
    int (*segment_open)(struct aro_segment *segment, bool alone, uint64_t *ret_table_bytes);
    /* The same for a new one with segment->blocks, or -errno with nothing left behind; it is there
     * when segment_allocate has ended, and for good after names_sync. */
    int (*segment_create)(struct aro_segment *segment);
    int (*segment_allocate)(struct aro_segment *segment, struct aro_io *io);
    int (*segment_allocated)(struct aro_segment *segment, int result); /* 0 or -errno */
    /* Not there any more: one part of it (queued; done(< 0): failed), or at once all that is. */
    int (*segment_unlink)(struct aro_segment *segment, struct aro_io *io, bool data);
    void (*segment_forget)(struct aro_segment *segment);
    /* Nobody uses its parts any more. */
    void (*segment_gone)(struct aro_segment *segment);
    /* Is less there than was written? The problem in words, or NULL. */
    const char *(*segment_look)(const struct aro_segment *segment);
    /* Makes way for this many records in its table (asked only beyond records_max);
     * the next record may be written once this has ended and was synced. */
    int (*table_reserve)(struct aro_segment *segment, struct aro_io *io, uint32_t records);
    int (*table_reserved)(struct aro_segment *segment, int result); /* 0 or -errno */
    /* A table is as long as it says, and not as long as there are good records in it. */
    bool tables_end;
    /* No record behind the first `records` counts any more; where tables have no end it is the
     * caller who strikes them out. Start. 0 or -errno. */
    int (*table_cut)(struct aro_segment *segment, uint32_t records);

    /* What was created, renamed or unlinked before is so for good when this is done. */
    int (*names_sync)(struct aro_store *store, struct aro_io *io);

    /* store->log.fd and what belongs to it; creates it where it may. 0 or -errno. Start. */
    int (*log_open)(struct aro_store *store, uint64_t *ret_bytes);
    int (*log_cut)(struct aro_store *store, uint32_t records);
    /* An empty one beside it, as store->log.new_fd, with room for so many records, if there is so
     * much. 0 or -errno. */
    int (*log_new)(struct aro_store *store, uint32_t records_max);
    /* It takes the place of the old one: 1: at once; 0: queued; -EAGAIN; or it could not (-errno).
     * Queued, it has in any case, but see log.unsure. */
    int (*log_rename)(struct aro_store *store, struct aro_io *io);
    int (*log_renamed)(int result); /* of what was queued: 0 or -errno */

    void (*close)(struct aro_store *store);
};

/* Finds the form of config->path, opens and locks it, reads the superblock or creates it. */
int aro_volume_open(struct aro_store *store, const struct aro_store_config *config,
                    struct aro_error *error);

/* directory.c: as aro_volume_open for a path that is no block device. */
int aro_directory_open(struct aro_store *store, const char *path, struct aro_error *error);

/*
 * Start, before the file or device is read: what the kernel keeps of it in memory goes. After a
 * write that failed this shows what the disk never got, also to the next process: a start that
 * believed it would call durable what is gone with the next page that is given back.
 */
void aro_volume_drop_cached(int fd);

/* An error of opening `path` in the words of the catalogue: always -1. */
int aro_volume_fail(struct aro_error *error, const char *path, int errnum, const char *what);

#endif
