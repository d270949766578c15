/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that hashes what puts take in. SHA-256 of a chunk and of the whole costs more than all
 * the rest of a put together: on the control thread, the disk would wait for it, and so would
 * everybody whose turn comes after the put's.
 *
 * One thread for all puts: it does jobs in the order they were given. Control thread only, but for
 * the thread itself; a job is the thread's from give until done.
 */
#ifndef ARO_CONTROL_HASHER_H
#define ARO_CONTROL_HASHER_H

#include <stdatomic.h>

#include "cache/base/sha256_pair.h"
#include "cache/disk/uring.h"

struct aro_hasher;

struct aro_hash_job {
    struct aro_sha256_pair *sha; /* its part is empty, and is again afterwards; the whole grows */
    const uint8_t *data;
    uint32_t len_bytes;
    struct aro_id id; /* result: of these bytes */
    struct aro_hash_job *next;
    _Atomic bool done;
};

/* ring: the control thread's. Starts the thread, on the caller's CPUs. NULL with errno. */
struct aro_hasher *aro_hasher_create(struct aro_uring *ring);
/* Every job is done; the ring is still there. Takes NULL. */
void aro_hasher_destroy(struct aro_hasher *hasher);

void aro_hasher_give(struct aro_hasher *hasher, struct aro_hash_job *job);

static inline bool aro_hash_job_done(const struct aro_hash_job *job)
{
    return atomic_load_explicit(&job->done, memory_order_acquire);
}

/*
 * The owner is about to sleep on its ring: something completes there when so many jobs more are
 * done, or all. Look at the jobs again after the call.
 */
void aro_hasher_await(struct aro_hasher *hasher, unsigned jobs);

#endif
