/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store on a block device: every part is an extent at a fixed place (geometry.h). A segment lives
 * in a slot; what a directory does with names, a device does with heads: writing one creates,
 * striking it out unlinks, the higher number of two log heads is what a rename leaves, and a sync
 * of the device makes all of that last.
 *
 * A slot or log area still holds records of whoever had it before. They never check: each head has
 * a salt of its own, which is part of their seed. Nor does the end of a table show, so the head
 * bounds it: it is raised, durably, before a record is written beyond (table_reserve).
 *
 * Payloads are read and written with O_DIRECT. Heads, tables and log go through the page cache and
 * fdatasync, as in a directory; no block belongs to both kinds. Writer thread.
 */
#ifndef ARO_CACHE_DISK_DEVICE_H
#define ARO_CACHE_DISK_DEVICE_H

#include "cache/base/error.h"
#include "cache/disk/geometry.h"
#include "cache/disk/volume.h"

struct aro_slot {
    struct aro_place_head head; /* number 0: none that can be read */
    bool taken;
};

struct aro_device {
    struct aro_geometry geometry;
    uint64_t uuid_hash;
    uint32_t usable; /* slots that the size allows */
    uint32_t taken;
    uint32_t hint; /* slot where the next search begins */
    struct aro_slot *slot;
    uint32_t log; /* area in use */
    struct aro_place_head log_head[ARO_DEVICE_LOGS];
    bool log_damaged;  /* a head of theirs: perhaps that of the newer one */
    uint8_t *log_pair; /* heads being written */
};

extern const struct aro_volume_api aro_device_volume;

/* As aro_volume_open for a block device (or what a test takes for one). */
int aro_device_open(struct aro_store *store, const struct aro_store_config *config,
                    struct aro_error *error);

/* Slots that a new segment could have now; bytes that heads, logs and taken slots are. */
uint32_t aro_device_free(const struct aro_device *device);
uint64_t aro_device_bytes_taken(const struct aro_device *device);
uint32_t aro_device_log_room(const struct aro_device *device); /* records of one area */

/* For those who make or open one: a descriptor that has the device for itself (not: to look only),
 * and its size; or -1 with *error: not there, in use, blocks too large. */
int aro_device_claim(const char *path, bool read_only, bool file_as_device, uint64_t *ret_bytes,
                     struct aro_error *error);

struct aro_device_make {
    const char *path;
    uint64_t size_bytes; /* at most */
    uint64_t segment_bytes;
    bool overwrite;      /* whatever is on it */
    bool file_as_device; /* a test's: a regular file stands in */
    /*
     * Knows what else a device may hold: 1 and its name, 0: nothing, or -errno; wipe: makes that
     * unrecognizable. NULL: nobody knows.
     */
    int (*probe)(int fd, bool wipe, char ret_name[64]);
};

/* Makes an empty store. 0; or -1 with *error, nothing changed unless that is an I/O error. */
int aro_device_make(const struct aro_device_make *make, struct aro_geometry *ret,
                    struct aro_error *error);

#endif
