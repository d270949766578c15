/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node without a data plane: real cache in a small region, real store in a directory of its own,
 * the control thread's ring. For tests of put and of the commands.
 */
#ifndef ARO_TESTS_CONTROL_FIXTURE_H
#define ARO_TESTS_CONTROL_FIXTURE_H

#include "control/content.h"
#include "control/put.h"
#include "control/recycle.h"

struct fixture {
    char dir[64];
    size_t region_bytes;
    void *region;
    struct aro_uring *ring;
    struct aro_cache *cache;
    struct aro_disks *disks; /* NULL: memory only */
    struct aro_store *store; /* of the first disk */
    struct aro_content *content;
    uint64_t store_bytes;
    /* from the next fixture_restart on */
    bool recycling;
    bool second_hit;
    unsigned disks_wanted; /* each with store_bytes; 1 at first */
    bool deferred;         /* from the next put on */
    struct aro_recycler *recycler[ARO_DISKS_MAX];
};

/* store_bytes 0: memory only. */
struct fixture *fixture_create(size_t region_bytes, uint64_t store_bytes);
void fixture_destroy(struct fixture *fixture);
/* Closes the store and opens it again, with an empty cache. */
void fixture_restart(struct fixture *fixture);

/* One turn of what the loop does besides the jobs. */
void fixture_turn(struct fixture *fixture);

/* A file of seeded bytes without a name; its descriptor. Period: bytes after which it repeats. */
int fixture_file(uint64_t bytes, uint64_t period, uint64_t seed);
struct aro_id fixture_file_digest(int fd, uint64_t bytes);

/* Starts a put of fd in 64 KiB chunks (fails the test when it does not start). */
struct aro_put *fixture_put_start(struct fixture *fixture, int fd);
/* Turns until so many bytes are hashed. */
void fixture_put_until(struct fixture *fixture, struct aro_put *put, uint64_t bytes);
/* Turns until the put is over; its outcome; the put is gone. */
int fixture_put_end(struct fixture *fixture, struct aro_put *put, struct aro_put_result *ret,
                    struct aro_error *error);
/* Both. */
int fixture_put(struct fixture *fixture, int fd, struct aro_put_result *ret,
                struct aro_error *error);

/* SHA-256 of an object's content as it is read back (from disk first). False: cannot be read. */
bool fixture_read_back(struct fixture *fixture, const struct aro_id *object, struct aro_id *ret);

/* Flips a bit of the chunk whose first 64 bytes are `head`, in the store's files. */
void fixture_damage(struct fixture *fixture, const uint8_t head[64]);

#endif
