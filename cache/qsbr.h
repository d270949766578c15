/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiescent-state-based reclamation: when may memory that was unlinked be reused?
 *
 * Every thread that dereferences shared entries owns one slot. It is inside a read section from
 * coming online (or from its last quiescent report) until its next report. A writer unlinks, takes
 * a ticket with aro_qsbr_start, and later asks aro_qsbr_passed: true once every online thread has
 * reported since. An offline thread holds nothing, so it never delays anybody - a sleeping lcore
 * goes offline.
 *
 * A thread that stops inside a read section stops reclamation, never service. Nothing here waits.
 * C11 atomics only, header only, so that the same source runs under TSan and in a model checker.
 * Readers: one slot each, wait-free. Writers: any thread.
 */
#ifndef ARO_CACHE_QSBR_H
#define ARO_CACHE_QSBR_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    ARO_QSBR_SLOTS_MAX = 64,
    ARO_QSBR_OFFLINE = 0, /* epoch value of a slot that reads nothing */
};

struct aro_qsbr_slot {
    alignas(64) _Atomic uint64_t seen_epoch; /* written by its owner only */
};

struct aro_qsbr {
    alignas(64) _Atomic uint64_t epoch; /* starts at 1, grows by one per ticket */
    unsigned slots;                     /* constant after init */
    struct aro_qsbr_slot slot[ARO_QSBR_SLOTS_MAX];
};

/* slots: 1..ARO_QSBR_SLOTS_MAX, all offline. Not thread-safe; before any other call. */
static inline void aro_qsbr_init(struct aro_qsbr *qsbr, unsigned slots)
{
    atomic_init(&qsbr->epoch, 1);
    qsbr->slots = slots;
    for (unsigned i = 0; i < ARO_QSBR_SLOTS_MAX; i++)
        atomic_init(&qsbr->slot[i].seen_epoch, ARO_QSBR_OFFLINE);
}

/*
 * Owner: begin reading. The fence orders the store before every later load of shared entries: a
 * writer that does not see this slot online unlinked before those loads.
 */
static inline void aro_qsbr_online(struct aro_qsbr *qsbr, unsigned slot)
{
    uint64_t now = atomic_load_explicit(&qsbr->epoch, memory_order_acquire);

    atomic_store_explicit(&qsbr->slot[slot].seen_epoch, now, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

/* Owner: holds no reference (but pins) from here until online. */
static inline void aro_qsbr_offline(struct aro_qsbr *qsbr, unsigned slot)
{
    atomic_store_explicit(&qsbr->slot[slot].seen_epoch, ARO_QSBR_OFFLINE, memory_order_release);
}

/* Owner: holds no reference (but pins) at this instant. One load and one store on its own line. */
static inline void aro_qsbr_quiescent(struct aro_qsbr *qsbr, unsigned slot)
{
    uint64_t now = atomic_load_explicit(&qsbr->epoch, memory_order_acquire);

    atomic_store_explicit(&qsbr->slot[slot].seen_epoch, now, memory_order_release);
}

/* After unlinking: a ticket for aro_qsbr_passed. Any thread. */
static inline uint64_t aro_qsbr_start(struct aro_qsbr *qsbr)
{
    return atomic_fetch_add_explicit(&qsbr->epoch, 1, memory_order_seq_cst) + 1;
}

/* Has every online slot reported since the ticket was taken? Acquires what the readers did. */
static inline bool aro_qsbr_passed(struct aro_qsbr *qsbr, uint64_t ticket)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < qsbr->slots; i++) {
        uint64_t seen = atomic_load_explicit(&qsbr->slot[i].seen_epoch, memory_order_acquire);
        if (seen != ARO_QSBR_OFFLINE && seen < ticket)
            return false;
    }
    return true;
}

#endif
