/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the store and its ring (linked with --wrap): operations fail on demand, and everything
 * that happens is recorded so that the disk can be rebuilt as a power cut at any instant might
 * leave it: what was synced is there, what was not is there, torn or gone, as a seed decides.
 *
 * One recording at a time: the wrapped functions have nowhere to keep a context.
 */
#ifndef ARO_TESTS_CACHE_DISK_FAULTS_H
#define ARO_TESTS_CACHE_DISK_FAULTS_H

#include "tests/cache/disk/fixture.h"

enum fault_kind {
    FAULT_WRITE = 1,
    FAULT_SYNC, /* fdatasync of a file, fsync of the directory */
    FAULT_ALLOCATE,
    FAULT_UNLINK,
    FAULT_READ, /* of the store's own; is not recorded */
};

/*
 * From now on, operations of this kind on files whose name contains `name` (the directory is
 * called ".") fail with error: the first `after` pass, then `count` fail. Replaces the last order.
 * An error > 0: a write is said to have come to so many bytes (it did not happen at all).
 */
void faults_order(enum fault_kind kind, const char *name, unsigned after, unsigned count,
                  int error);
unsigned faults_hit(void); /* how many have failed since the order */

/* Holds back the next operation of this kind on this file until faults_release. */
void faults_hold(enum fault_kind kind, const char *name);
bool faults_holding(void);
void faults_release(void);

/* How many operations of a kind on files of that name have completed well. */
unsigned faults_count(enum fault_kind kind, const char *name);

/* Recording: starts from the store as it is on disk now. */
void faults_record(struct fixture *f);
unsigned faults_events(void);
/* Builds what a power cut right after event number `cut` may leave, as a new store in to. */
void faults_power_cut(unsigned cut, uint32_t seed, struct fixture *to);
/* Records no more; what was recorded stays. */
void faults_pause(void);
void faults_stop(void);

#endif
