/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crew at work on a cache: two readers and the keeper, a thread each, doing everything at random
 * until they are told to end. The keeper looks chunks up too, with a reader's handle of its own.
 * Every hit is compared with what its id says (chunks.h).
 *
 * Any member may be stopped anywhere by the program (hold.h): the others must get on. Each counts
 * what it has completed in its own fields, which anybody may read.
 */
#ifndef ARO_TESTS_CACHE_CREW_H
#define ARO_TESTS_CACHE_CREW_H

#include <pthread.h>

#include "cache/cache.h"

enum crew_role { CREW_READER_0, CREW_READER_1, CREW_KEEPER, CREW_ROLES };

/* What a member is inside of; the keeper's own from CREW_ALLOC on. */
enum crew_call {
    CREW_NONE,
    CREW_FIND,
    CREW_PIN,
    CREW_UNPIN,
    CREW_WAIT,
    CREW_RESERVE,
    CREW_PUBLISH,
    CREW_ABANDON,
    CREW_ERASE,
    CREW_QUIESCENT,
    CREW_ALLOC,
    CREW_INSERT,
    CREW_REMOVE,
    CREW_FLUSH,
    CREW_MAINTAIN,
    CREW_CALLS,
};
extern const char *const crew_call_names[CREW_CALLS];
extern const char *const crew_role_names[CREW_ROLES];

enum { CREW_PINS = 12, CREW_READS = 4 };

struct crew_member {
    /* calls that returned; refused: of inserted, for want of stock, slots or (alloc) memory */
    alignas(64) _Atomic uint64_t looked_up, erased, inserted, refused, alloc_refused;
    struct crew *crew;
    struct aro_reader *reader;
    enum crew_role role;
    uint64_t random;
    struct aro_entry *pin[CREW_PINS];
    struct aro_entry *read[CREW_READS]; /* reserved, being filled */
};

struct crew {
    struct aro_cache *cache;
    struct crew_member member[CREW_ROLES];
    pthread_t thread[CREW_ROLES];
    _Atomic bool ending;
};

/* Makes their handles; the crew is zeroed. Calling thread: the keeper while nobody runs. */
void crew_init(struct crew *crew, struct aro_cache *cache, uint64_t seed);
/* Sends all three to work; end comes back when they hold nothing any more and are offline. */
void crew_start(struct crew *crew);
void crew_end(struct crew *crew);

/* Defined by the program, and called by a member right before and after a call of the cache. */
void crew_call_begins(struct crew_member *member, enum crew_call call);
void crew_call_ended(struct crew_member *member);

/* The member that this thread is, or NULL. */
struct crew_member *crew_self(void);

#endif
