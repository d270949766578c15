/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start: finds the segments, and reserves memory for what they hold - then the store is open, and
 * readers may come. The rest is done in turns: each segment is scanned (scan.c), the youngest
 * first, two at a time so that one is read while the other goes into the index; then what they said
 * of each other's length is judged (witness.c), and objects whose manifest is nowhere are removed.
 * When that is durable the index is whole, and writes begin.
 *
 * Any order of segments is right: whatever else a record says is about its own segment.
 */
#include "cache/disk/state.h"

#include <stdlib.h>

#include "cache/disk/scan.h"

enum {
    SEGMENTS_MAX = 1u << 24, /* bounds the map */
    SCANS = 2,
    OBJECTS_PER_TURN = 1024,
    RETRY_MS = 1000, /* after a removal of objects could not be written */
};

struct found {
    uint32_t number;
    bool table;
    bool data;
};

enum phase { PHASE_SEGMENTS, PHASE_OBJECTS, PHASE_LOG_WRITE, PHASE_LOG_SYNC };

struct aro_recovery {
    struct aro_store *store;
    struct found *found; /* by number */
    size_t count;
    size_t left;               /* of those found: not begun */
    struct aro_segment **last; /* the end of the store's list */
    struct aro_scan scan[SCANS];
    enum phase phase;
    uint64_t object;   /* looked at so far */
    bool unreadable;   /* a table could not be read: nobody knows what it names */
    bool waiting;      /* io is in flight */
    uint64_t tried_ms; /* to write the log */
    uint64_t began_ms;
    struct aro_io io;
};

/* ---- what is there ---- */

static int by_number(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int note_part(void *arg, const struct aro_part *part)
{
    struct aro_recovery *recovery = arg;
    struct found *found;

    if (part->number == 0) {
        aro_recovery_lose(recovery->store, 0, 0);
        return 0;
    }
    found = realloc(recovery->found, (recovery->count + 1) * sizeof(*recovery->found));
    if (found == NULL)
        return -ENOMEM;
    recovery->found = found;
    found[recovery->count++] =
        (struct found){part->number, .table = !part->is_data, .data = part->is_data};
    if (!part->is_data)
        recovery->store->stats.recovery_bytes += part->bytes;
    return 0;
}

/* One entry per part becomes one per segment. */
static void merge(struct aro_recovery *recovery)
{
    size_t kept = 0;

    if (recovery->count == 0)
        return;
    qsort(recovery->found, recovery->count, sizeof(*recovery->found), by_number);
    for (size_t i = 1; i < recovery->count; i++) {
        if (recovery->found[i].number != recovery->found[kept].number) {
            recovery->found[++kept] = recovery->found[i];
            continue;
        }
        recovery->found[kept].table |= recovery->found[i].table;
        recovery->found[kept].data |= recovery->found[i].data;
    }
    recovery->count = kept + 1;
}

static int look_around(struct aro_recovery *recovery)
{
    int error = recovery->store->volume->list(recovery->store, note_part, recovery);

    merge(recovery);
    return error;
}

/* The numbers of all segments, each in a slot of its own; reserved even when one is set aside. */
static bool reserve_numbers(struct aro_segment_map *map, const struct aro_recovery *recovery)
{
    for (size_t i = 0; i < recovery->count; i++) {
        uint32_t number = recovery->found[i].number;
        if (aro_segment_map_taken(map, number))
            return false;
        atomic_store_explicit(&map->slot[number & (map->slots - 1)].number, number,
                              memory_order_relaxed);
    }
    return true;
}

/* Room for all that is there, whatever the configuration now says. */
static int make_room(struct aro_recovery *recovery, const struct aro_store_config *config)
{
    struct aro_store *store = recovery->store;
    uint64_t records = store->stats.recovery_bytes / ARO_RECORD_BYTES;
    uint64_t mask = config->fingerprint_mask == 0 ? UINT64_MAX : config->fingerprint_mask;
    uint64_t segments = store->size_bytes / store->segment_bytes + recovery->count + 4;
    bool reserved = false;

    if (store->chunks_max < records)
        store->chunks_max = records;
    store->places = aro_places_create(store->chunks_max, config->seed, mask);
    if (store->places == NULL)
        return -errno;
    while (!reserved) {
        free(store->map.slot);
        store->map.slot = NULL;
        if (segments > SEGMENTS_MAX)
            return -EFBIG;
        if (aro_segment_map_init(&store->map, (uint32_t)segments) != 0)
            return -ENOMEM;
        reserved = reserve_numbers(&store->map, recovery);
        segments *= 2;
    }
    return 0;
}

/* ---- each segment ---- */

/* Out of the list: nobody but us knows it yet. */
static void unlink_segment(struct aro_recovery *recovery, struct aro_segment *segment)
{
    struct aro_segment **at = &recovery->store->segments;

    while (*at != segment)
        at = &(*at)->next;
    *at = segment->next;
    if (recovery->last == &segment->next)
        recovery->last = at;
    aro_segment_free(segment);
}

void aro_recovery_lose(struct aro_store *store, uint32_t number, int error)
{
    struct aro_lost *grown = realloc(store->lost, (store->losts + 1) * sizeof(*grown));

    store->stats.recovered_lost++;
    store->recovery->unreadable |= error != 0;
    if (grown == NULL)
        return;
    store->lost = grown;
    grown[store->losts++] = (struct aro_lost){.number = number, .error = error};
}

void aro_recovery_lack(struct aro_store *store, uint32_t number, uint32_t missing)
{
    for (size_t i = 0; i < store->losts; i++)
        if (number == 0 && store->lost[i].number == 0 && store->device == NULL)
            return; /* there was no objects.log at all */
    aro_recovery_lose(store, number, 0);
    if (store->losts > 0 && store->lost[store->losts - 1].number == number)
        store->lost[store->losts - 1].missing = missing;
}

static void scan_fail(struct aro_recovery *recovery, struct aro_scan *scan, int error)
{
    struct aro_segment *segment = scan->segment;

    aro_recovery_lose(recovery->store, segment->number, error);
    recovery->store->stats.recovered_segments++;
    recovery->store->stats.recovered_bytes += scan->file_bytes;
    aro_scan_end(scan);
    if (scan->live == 0) /* else chunks of it are known: it stays for them */
        unlink_segment(recovery, segment);
}

/*
 * Data comes last when a segment is created and goes first when it is retired, so a table alone in
 * which every chunk was removed is debris. Anything else is damage: it stays, aside and counted.
 */
static void judge_remains(struct aro_recovery *recovery, struct aro_scan *scan)
{
    struct aro_segment *segment = scan->segment;
    struct aro_store *store = recovery->store;

    if (scan->live > 0)
        aro_recovery_lose(store, segment->number, 0);
    else if (!store->read_only)
        store->volume->segment_forget(segment);
    unlink_segment(recovery, segment);
}

static void scan_over(struct aro_recovery *recovery, struct aro_scan *scan)
{
    struct aro_store *store = recovery->store;

    store->stats.recovered_segments++;
    store->stats.recovered_bytes += scan->file_bytes;
    store->stats.recovered_torn += scan->table.torn;
    if (scan->alone)
        judge_remains(recovery, scan);
    else
        aro_segment_touch(scan->segment); /* nothing live in it? then it retires */
    aro_scan_end(scan);
}

/* The next segment of those found, into the list and under way. */
static void scan_next(struct aro_recovery *recovery, struct aro_scan *scan)
{
    const struct found *found = &recovery->found[--recovery->left];
    struct aro_segment *segment;
    int error;

    if (!found->table) { /* the data cannot be read back */
        recovery->store->stats.recovered_segments++;
        aro_recovery_lose(recovery->store, found->number, 0);
        return;
    }
    segment = aro_segment_new(recovery->store, found->number);
    if (segment == NULL) {
        aro_recovery_lose(recovery->store, found->number, -ENOMEM);
        return;
    }
    *recovery->last = segment;
    recovery->last = &segment->next;
    error = aro_scan_begin(scan, segment, !found->data);
    if (error != 0)
        scan_fail(recovery, scan, error);
}

/* Returns whether there is more to do at once. */
static bool scan_on(struct aro_recovery *recovery, struct aro_scan *scan)
{
    int more;

    if (scan->step == ARO_SCAN_FREE) {
        if (recovery->left == 0)
            return false;
        scan_next(recovery, scan);
        return true;
    }
    more = aro_scan_turn(scan);
    if (more < 0)
        scan_fail(recovery, scan, more);
    else if (scan->step == ARO_SCAN_OVER)
        scan_over(recovery, scan);
    return more != 0 || scan->step == ARO_SCAN_FREE;
}

static bool segments_on(struct aro_recovery *recovery)
{
    bool more = false, busy = false;

    for (unsigned i = 0; i < SCANS; i++) {
        more |= scan_on(recovery, &recovery->scan[i]);
        busy |= recovery->scan[i].step != ARO_SCAN_FREE;
    }
    if (!busy && recovery->left == 0) {
        aro_witness_judge(recovery->store);
        recovery->phase = PHASE_OBJECTS;
    }
    return more || !busy;
}

/* ---- objects ---- */

/*
 * Objects whose manifest is not here are removed for good before any write: it might come back by a
 * put that never ended, and the object with it, half. Not when a table could not be read: perhaps
 * it names them, and the next start can read it.
 */
static bool objects_on(struct aro_recovery *recovery)
{
    struct aro_store *store = recovery->store;

    if (!recovery->unreadable &&
        aro_object_log_drop_headless(store, &recovery->object, OBJECTS_PER_TURN))
        return true;
    recovery->phase = PHASE_LOG_WRITE;
    return true;
}

static void log_done(struct aro_io *io, int result)
{
    struct aro_recovery *recovery = ARO_IO_OWNER(io, struct aro_recovery, io);
    struct aro_store *store = recovery->store;

    recovery->waiting = false;
    if (recovery->phase == PHASE_LOG_WRITE && result == (int)store->log.buffer_bytes) {
        recovery->phase = PHASE_LOG_SYNC;
        return;
    }
    if (recovery->phase == PHASE_LOG_SYNC && result == 0) {
        aro_object_log_settle(store, 0);
        aro_witness_log_durable(store);
        recovery->tried_ms = 0;
        store->stats.writable = true;
        return;
    }
    recovery->phase = PHASE_LOG_WRITE; /* both again, later: until then nothing is written */
    recovery->tried_ms = aro_store_now_ms();
    store->stats.writable = false;
    store->stats.sync_failures++;
}

/* False while the removals are on their way. */
static bool log_is_settled(struct aro_recovery *recovery)
{
    struct aro_store *store = recovery->store;

    if (store->log.buffer_bytes == 0)
        return true;
    if (recovery->waiting || aro_store_now_ms() - recovery->tried_ms < RETRY_MS)
        return false;
    recovery->io.done = log_done;
    if (recovery->phase == PHASE_LOG_WRITE)
        recovery->waiting = aro_object_log_write(store, &recovery->io) == 0;
    else
        recovery->waiting = aro_object_log_sync(store, &recovery->io) == 0;
    return false;
}

/* ---- the whole ---- */

/* What the files take, those set aside included. False: they cannot be listed now. */
static bool budget_is_known(struct aro_recovery *recovery)
{
    struct aro_store *store = recovery->store;

    if (aro_store_now_ms() - recovery->tried_ms < RETRY_MS)
        return false;
    store->stats.writable = aro_budget_open(store) == 0;
    recovery->tried_ms = store->stats.writable ? 0 : aro_store_now_ms();
    return store->stats.writable;
}

/* The youngest goes on where it stopped. */
static void choose_active(struct aro_store *store)
{
    struct aro_segment *segment = store->segments;

    if (segment == NULL || segment->next_block >= segment->blocks)
        return;
    segment->state = ARO_SEGMENT_ACTIVE;
    store->active = segment;
}

static void end(struct aro_recovery *recovery)
{
    struct aro_store *store = recovery->store;

    for (unsigned i = 0; i < SCANS; i++) {
        aro_scan_end(&recovery->scan[i]);
        free(recovery->scan[i].payload);
    }
    free(recovery->found);
    free(recovery);
    store->recovery = NULL;
    aro_witness_end(store);
    atomic_store_explicit(&store->whole, true, memory_order_release);
}

bool aro_recovery_turn(struct aro_store *store)
{
    struct aro_recovery *recovery = store->recovery;

    store->stats.recovery_us = (aro_store_now_ms() - recovery->began_ms) * 1000;
    if (recovery->phase == PHASE_SEGMENTS)
        return segments_on(recovery);
    if (recovery->phase == PHASE_OBJECTS)
        return objects_on(recovery);
    if (!log_is_settled(recovery))
        return false;
    if (!store->read_only) {
        if (!budget_is_known(recovery))
            return false;
        choose_active(store);
    }
    end(recovery);
    return true;
}

static bool is_waiting(const struct aro_recovery *recovery)
{
    bool waiting = recovery->waiting;

    for (unsigned i = 0; i < SCANS; i++)
        waiting |= recovery->scan[i].waiting;
    return waiting;
}

void aro_recovery_stop(struct aro_store *store)
{
    struct aro_recovery *recovery = store->recovery;

    if (recovery == NULL)
        return;
    while (is_waiting(recovery) && aro_uring_wait(store->ring) == 0)
        aro_uring_reap(store->ring, 1);
    store->log.buffer_bytes = 0;
    end(recovery);
}

int aro_recovery_begin(struct aro_store *store, const struct aro_store_config *config,
                       struct aro_error *error)
{
    struct aro_recovery *recovery = calloc(1, sizeof(*recovery));
    int result = -ENOMEM;

    store->recovery = recovery;
    if (recovery != NULL) {
        recovery->store = store;
        recovery->last = &store->segments;
        recovery->began_ms = aro_store_now_ms();
        result = look_around(recovery);
        if (result == 0)
            result = make_room(recovery, config);
        if (result == 0)
            result = aro_witness_begin(store);
    }
    if (result != 0)
        return aro_error_set(error, result == -ENOMEM ? ARO_E_STORE_MEMORY : ARO_E_STORE_IO,
                             "cannot recover the store %s: %s", config->path, strerror(-result));
    recovery->left = recovery->count;
    store->stats.recovery_segments = recovery->count;
    if (recovery->count > 0)
        store->last_number = recovery->found[recovery->count - 1].number;
    return 0;
}
