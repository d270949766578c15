/* SPDX-License-Identifier: BSD-3-Clause */
/* What an admission consists of; for admission.c, admission_lists.c (objects) and admission_write.c
 * (chunks) only. */
#ifndef ARO_CONTROL_ADMISSION_STATE_H
#define ARO_CONTROL_ADMISSION_STATE_H

#include "cache/ghost.h"
#include "control/admission.h"

enum aro_deferred_state {
    DEFERRED_WAITS,
    DEFERRED_WRITES,   /* on the list of the wanted */
    DEFERRED_RECORDS,  /* the same; its record is under way */
    DEFERRED_ADMITTED, /* not listed any more: claims are given back */
    DEFERRED_LOST,     /* the same, and what only it had on disk goes */
};

struct aro_deferred {
    struct aro_object object;
    struct aro_store_op op; /* of its record */
    struct aro_admission *admission;
    struct aro_deferred *next_id, *next_digest; /* in their buckets; next_id: of the released */
    struct aro_deferred *next_wanted;
    enum aro_deferred_state state;
    struct aro_claim **claim; /* a chunk that occurs twice is here twice */
    uint64_t claims, chunks;  /* left; at first */
    uint64_t loose;           /* chunks that have it as owner */
    uint64_t at;              /* WRITES: claims before this were looked at */
    unsigned disk;            /* it goes to */
    uint64_t mark;            /* of that disk */
    unsigned writing;         /* writes for it */
    int error;                /* WRITES: the first that failed */
    bool over;                /* RECORDS: result is known */
    bool frozen;
    int result;
};

/* A chunk on its way to the disk, pinned in the slot of its own number. */
struct aro_admission_write {
    struct aro_store_op op;      /* first */
    struct aro_entry *entry;     /* NULL: free */
    struct aro_claim *claim;     /* one of its own */
    struct aro_deferred *object; /* for whom; NULL: only because it leaves */
    unsigned disk;               /* it is written to */
    bool leaves;                 /* eviction waits for it */
    bool started, taken, over;   /* taken: it was not there */
    int result;
    uint64_t since_ns;
};

struct aro_admission {
    struct aro_admission_config config;
    uint64_t seed;
    struct aro_admission_stats stats;
    struct aro_ghost urls;
    uint64_t object_bytes_max, arriving_bytes_max;
    uint64_t arriving_bytes;
    uint64_t mark[ARO_DISKS_MAX];                  /* of each, when it was last looked at */
    uint64_t chunks;                               /* of the listed */
    struct aro_deferred *object[ARO_DEFERRED_MAX]; /* [:stats.objects_now], the oldest first */
    struct aro_deferred *by_id[ARO_DEFERRED_MAX], *by_digest[ARO_DEFERRED_MAX];
    struct aro_deferred *wanted, **wanted_last;
    struct aro_deferred *released; /* not listed; their claims go by and by */
    struct aro_admission_write write[ARO_ADMISSION_WRITES_MAX];
};

/* admission_lists.c: none of it touches cache or store */

struct aro_deferred *aro_deferred_find(const struct aro_admission *admission,
                                       const struct aro_id *id, enum aro_kind kind);
void aro_deferred_list(struct aro_admission *admission, struct aro_deferred *object);
/* Listed no more; its claims follow. state: ADMITTED or LOST. */
void aro_deferred_release(struct aro_deferred *object, enum aro_deferred_state state);

/* To be written, unless it is already, or frozen. */
void aro_deferred_want(struct aro_deferred *object);
/* It cannot be whole any more: off the lists, unless it is just being recorded. */
void aro_deferred_lose(struct aro_deferred *object);
/* Its last record is made, or it is not wanted any more for now. */
void aro_deferred_settle(struct aro_deferred *object, int result);

/* admission_write.c */

void aro_admission_writes_init(struct aro_admission *admission);
struct aro_store *aro_admission_store(const struct aro_admission *admission, unsigned disk);
/* From disks, a bit each. */
void aro_admission_remove(struct aro_admission *admission, const struct aro_id *id, uint32_t disks);
/* It is on the object's own disk; what another object has on another disk does not count. */
bool aro_admission_has(const struct aro_deferred *object, const struct aro_claim *claim);
bool aro_admission_resident(struct aro_admission *admission, const struct aro_id *id);
/* A bounded step of all writes; true: some are under way. */
bool aro_admission_writes_turn(struct aro_admission *admission, uint64_t now_ns);
/* What a wanted object still needs, as far as there are slots. */
void aro_admission_write_object(struct aro_deferred *object, uint64_t now_ns);

#endif
