/* SPDX-License-Identifier: BSD-3-Clause */
/* What a put consists of; for put*.c only. */
#ifndef ARO_CONTROL_PUT_STATE_H
#define ARO_CONTROL_PUT_STATE_H

#include "cache/base/sha256_pair.h"
#include "control/hasher.h"
#include "control/put.h"
#include "control/put_source.h"
#include "dataplane/proto/manifest_build.h"

enum slot_state {
    SLOT_FREE,
    SLOT_WANTS_READ, /* memory is there; the read, or its rest, is to be queued */
    SLOT_READING,
    SLOT_FULL,    /* waits for those before it */
    SLOT_HASHING, /* the hasher has it */
    SLOT_STORING, /* hashed; the store has not taken it yet */
    SLOT_WRITING,
};

enum { PUT_READ_MAX = 8 }; /* slots that share a read */

struct slot {
    enum slot_state state;
    struct aro_put *put;
    struct aro_entry *entry;
    struct aro_claim *claim;
    struct aro_io io; /* of the first of those that share a read */
    struct iovec iov[PUT_READ_MAX];
    struct slot *read_next; /* of those */
    struct aro_hash_job hash;
    struct aro_store_op op;
    unsigned disk; /* that was asked to write it */
    uint64_t offset_bytes;
    uint64_t number; /* of the chunk in the content; ARO_PUT_MANIFEST */
    uint32_t want_bytes, filled_bytes;
    bool memory_only; /* its bytes go nowhere else */
    bool loose;       /* and are nowhere else */
};

#define ARO_PUT_MANIFEST UINT64_MAX

/* A manifest that the builder emitted: it waits for memory of its own. */
struct manifest {
    struct manifest *next;
    struct aro_id id;
    uint32_t len_bytes;
    uint8_t bytes[];
};

enum phase {
    PHASE_TAKING,    /* reading, hashing, storing */
    PHASE_RECORDING, /* the object record is being written */
    PHASE_UNDOING,
    PHASE_OVER,
};

struct aro_put {
    enum phase phase;
    struct aro_content *content;
    void (*published)(void *arg, uint64_t number, const struct aro_id *id, uint32_t len_bytes);
    void *arg; /* of published */
    struct aro_put_source source;
    struct aro_sha256_pair *sha; /* the hasher's while a slot is HASHING */
    struct aro_manifest_builder *builder;
    struct manifest *manifests, **manifests_last;
    struct aro_claim **claim; /* one per chunk taken in, manifests included */
    uint64_t claims, claims_room;
    struct aro_store *store; /* NULL: no disk is chosen yet, or memory only */
    unsigned disk;           /* its number; while there is none ARO_DISKS_MAX */
    uint32_t refused;        /* a bit for each disk that is out of the question */
    uint64_t promised_bytes; /* of the content; 0: unknown */
    bool stored;             /* the disk took, or had, a chunk: there is no going elsewhere */
    uint64_t mark;
    uint64_t memory_bytes; /* most that a put without a store may take */
    struct aro_object object;
    struct aro_store_op op; /* of the object record */
    struct aro_error error; /* the first one */
    uint64_t new_bytes, stored_bytes, hashed_bytes;
    uint64_t read_at;                         /* content offset of the next slot */
    uint64_t next_read, next_give, next_hash; /* chunk numbers: to be read, given, taken back */
    uint64_t moved_ns;                        /* when memory last came free */
    unsigned busy; /* operations that the ring, the hasher or the store holds */
    bool source_ended;
    bool finished; /* the builder gave the object id */
    bool failed;
    bool deferred; /* until it turns out that the store has the object */
    unsigned slots;
    unsigned run; /* hashed slots that are worth a write */
    struct slot slot[ARO_PUT_SLOTS_MAX];
};

/* Remembers the first failure; the put undoes itself from its next turn on. */
void aro_put_fail(struct aro_put *put, enum aro_error_id id, const char *text);
void aro_put_slot_free(struct slot *slot);

/* put_store.c: hands hashed chunks to the store or to memory. False: nothing moved. */
bool aro_put_store_some(struct aro_put *put);
/* The same for what the store said: -errno. */
void aro_put_fail_store(struct aro_put *put, int error);
/*
 * put_disk.c: the store that takes this put's chunks, chosen with the first of them. NULL: no disk
 * is left, and the put has failed.
 */
struct aro_store *aro_put_store(struct aro_put *put, const struct aro_id *first);
/* It was taken out since: what this put wrote there nobody finds now. */
bool aro_put_disk_is_out(struct aro_put *put);
#define ARO_PUT_DISK_OUT "the disk that took it was taken out meanwhile"
/*
 * Sets how long the content is (stream_bytes: of a stream, 0: unknown), and whom that leaves. 0, or
 * -1 with *error: no disk could ever hold it.
 */
int aro_put_check_room(struct aro_put *put, uint64_t stream_bytes, struct aro_error *error);
/* It took nothing. True: go elsewhere, another may take it. */
bool aro_put_leaves_disk(struct aro_put *put);

/* put_read.c: takes memory for the next chunks and queues their reads, a bounded amount. */
void aro_put_read_ahead(struct aro_put *put, uint64_t now_ns);
bool aro_put_nothing_to_read(const struct aro_put *put);

/* put_defer.c: a put whose object is to stay in memory at first. */

/* Decides where a hashed slot goes. False: not known yet. */
bool aro_put_defer_slot(struct slot *slot);
/* The slot is in memory. */
void aro_put_defer_published(struct slot *slot);
/* This put holds the chunk no more: the policy has it from now on. */
void aro_put_defer_let_go(struct aro_put *put, const struct aro_claim *claim);
/* Every chunk is there: hands the object over, or finds that the store has it. */
void aro_put_defer_record(struct aro_put *put);

#endif
