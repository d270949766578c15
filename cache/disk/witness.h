/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who notices when a table or objects.log is cut off between two records? What is left of it is
 * sound. So each says how long others are: a COMMIT how many records objects.log and the tables of
 * some other segments had, a record of objects.log the same of tables. Whoever writes next takes
 * the youngest other table and a few in turn, so that every table is witnessed again and again, by
 * segments that stay when others are recycled.
 *
 *   - A claim is about records whose sync has succeeded, and rides in a record that is written
 *     anyway: no crash leaves a claim that is not true, and none costs a write or a sync.
 *   - Records are never taken away, but with the whole segment: no number that any claim names is
 *     used again. objects.log is replaced: each time its turn, which its records and the claims
 *     about it bear, is one higher.
 *   - A start hears all claims, then judges. A file that lacks records is told (aro_store_stats
 *     recovered_lost; aro_walk), and records that say nothing take the place of what is missing, so
 *     that the loss is told once.
 *
 * Writer thread.
 */
#ifndef ARO_CACHE_DISK_WITNESS_H
#define ARO_CACHE_DISK_WITNESS_H

#include <stdint.h>

#include "cache/disk/format.h"

struct aro_segment;
struct aro_store;

/* So many records of objects.log, since it was replaced the last time. */
struct aro_log_claim {
    uint32_t turn;
    uint32_t records;
};

struct aro_witness {
    uint32_t *owed; /* at start, by slot of the segment map: records its table must have */
    struct aro_log_claim heard; /* at start */
    struct aro_log_claim durable;
    struct aro_log_claim told;       /* by a COMMIT */
    const struct aro_segment *about; /* whom the next claim is about; NULL: from the youngest on */
};

/* Start, once the map has every number. 0 or -ENOMEM. */
int aro_witness_begin(struct aro_store *store);
void aro_witness_end(struct aro_store *store); /* judged, or given up */

/* A record of a table, or of objects.log, that checks. */
void aro_witness_hear(struct aro_store *store, const struct aro_record *record);
void aro_witness_hear_object(struct aro_store *store, const struct aro_object_record *record);
/* Every table was read. What lacks records is told, and made up for unless we only look. */
void aro_witness_judge(struct aro_store *store);

/* What a record of the segment's table, or of objects.log, says; it is not sealed yet. */
void aro_witness_speak(struct aro_segment *segment, struct aro_record *commit);
void aro_witness_speak_object(struct aro_store *store, struct aro_object_record *record);

/* All of objects.log is durable. */
void aro_witness_log_durable(struct aro_store *store);
/* A clean stop: has a COMMIT written if none has told how long objects.log is. */
void aro_witness_close(struct aro_store *store);
/* It goes. */
void aro_witness_forget(struct aro_store *store, const struct aro_segment *segment);

#endif
