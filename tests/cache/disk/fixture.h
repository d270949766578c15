/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store in a directory of its own under TMPDIR, driven step by step: each call starts one
 * operation and turns the ring until it is done. Linked with choose_device.c it is a store on a
 * device, for which the file "device" in that directory stands in.
 */
#ifndef ARO_TESTS_CACHE_DISK_FIXTURE_H
#define ARO_TESTS_CACHE_DISK_FIXTURE_H

#include "cache/disk/store.h"

extern bool fixture_on_device;

struct fixture {
    char dir[256];
    char path[272]; /* of the device in it */
    struct aro_store_config config;
    struct aro_qsbr qsbr;
    struct aro_uring *ring;
    struct aro_store *store;
    struct aro_error error;
    bool mounted;
    void (*each)(struct fixture *f); /* NULL, or called after each turn of the ring */
};

/* Directory name (it does not exist yet), ring, default configuration: 16 MiB in 2 MiB segments. */
void fixture_begin(struct fixture *f);
/* Closes what is open, removes the directory. */
void fixture_end(struct fixture *f);

/*
 * fixture_device.c. A device with as many slots as a directory of that size would have whole
 * segments, at least three, with an empty store on it, unless there is one.
 */
void fixture_make_device(struct fixture *f);
/* Where on it is "seg-00000001.data" or ".table" now? And the name of what is there. */
bool fixture_device_find(const struct fixture *f, const char *name, uint64_t *ret_at);
void fixture_device_name(const char *path, uint64_t at, char name[32]);

bool fixture_open(struct fixture *f); /* false: f->error says why */
/* Opened, but its index is still to be built: by fixture_turn. */
void fixture_start(struct fixture *f);
/* One turn of the store's and the ring's, whatever is ready. */
void fixture_turn(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f); /* asserts success */

/* The bytes of chunk number n, and their id. Static buffer: valid until the next call. */
const uint8_t *fixture_chunk(uint32_t n, uint32_t len_bytes, struct aro_id *ret_id);
struct aro_id fixture_id(uint32_t n, uint32_t len_bytes);

/* Whole operations; the result of the call or of the completion. */
int fixture_append(struct fixture *f, uint32_t n, uint32_t len_bytes);
int fixture_sync(struct fixture *f, uint64_t mark);
/* The object whose manifest is chunk n; its digest is made up from n. */
struct aro_object fixture_object(uint32_t n, uint32_t len_bytes);
int fixture_object_add(struct fixture *f, uint32_t n, uint32_t len_bytes, uint64_t mark);
int fixture_object_remove(struct fixture *f, uint32_t n, uint32_t len_bytes);

/* Turns the ring until op reported; tests set op->done = fixture_note. */
void fixture_note(struct aro_store_op *op, int result);
int fixture_wait(struct fixture *f, struct aro_store_op *op);
/* Polls until nothing is in flight any more. */
void fixture_settle(struct fixture *f);

/*
 * Reads chunk n by every place that the index names, as an lcore would, and compares each with its
 * checksum and, if that agrees, with the true bytes (asserted). 1: found and right; 0: not found.
 */
int fixture_check(struct fixture *f, uint32_t n, uint32_t len_bytes);

/*
 * An empty file system (tmpfs) of its own over the store's directory, until fixture_end; no store
 * is open. False: this user may not mount.
 */
bool fixture_mount(struct fixture *f, uint64_t size_bytes);
uint64_t fixture_mount_used(const struct fixture *f); /* bytes that its file system lacks */

/*
 * File helpers; name is relative to the store. Of a segment on a device: exists, flip_bit and
 * write_file.
 */
bool fixture_exists(const struct fixture *f, const char *name);
uint64_t fixture_file_size(const struct fixture *f, const char *name);
/* What the store's files take of the file system (their blocks), all together. */
uint64_t fixture_disk_bytes(const struct fixture *f);
uint64_t fixture_inode(const struct fixture *f, const char *name);
void fixture_truncate(const struct fixture *f, const char *name, uint64_t size_bytes);
void fixture_unlink(const struct fixture *f, const char *name); /* if it is there */
void fixture_flip_bit(const struct fixture *f, const char *name, uint64_t bit);
void fixture_write_file(const struct fixture *f, const char *name, const void *bytes, size_t n,
                        uint64_t offset);
/* Copies the store as it is on disk now into a new fixture: what a killed process leaves. */
void fixture_copy(const struct fixture *from, struct fixture *to);
/* How many of its files the start found shorter than they had been. */
unsigned fixture_cut_short(const struct fixture *f);
struct aro_store_stats fixture_stats(const struct fixture *f);

#endif
