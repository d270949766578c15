/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sampled request log: one of so many requests of validated sources leaves a record - who asked
 * for what, what became of it, how long it was here - in a ring that control empties.
 *
 * Each lcore has a ring of its own, bounded; a record that finds it full is counted and lost. The
 * distance to the next sample is random around its mean, so that a periodic client is neither
 * always nor never seen. Strangers leave no record: nobody fills a log from a forged address.
 *
 * Off (the default) it costs one branch per answered request, on a line that is at hand anyway.
 */
#ifndef ARO_DATAPLANE_SAMPLE_H
#define ARO_DATAPLANE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

#include "cache/base/distance.h"
#include "dataplane/dataplane.h"

struct aro_job;
struct aro_lcore;
struct aro_request;

enum { ARO_SAMPLES_MAX = 1024 /* records that wait for control, per lcore */ };

/* What aro_sample_due does not need; lcore only. */
struct aro_sampler {
    struct aro_distance distance; /* to the next */
    struct rte_ring *ring;        /* NULL: off */
};

/* Counts down lcore->sample_left (0: off); true: this request is to be recorded now. */
static inline bool aro_sample_due(uint32_t *left)
{
    return unlikely(*left != 0) && --*left == 0;
}

/* A job ended: every slice sent (status 0), or refused with a STATUS after it had waited. */
void aro_sample_job(struct aro_lcore *lcore, const struct aro_job *job, enum aro_outcome outcome,
                    uint8_t status);
/* A request was refused at once. */
void aro_sample_request(struct aro_lcore *lcore, const struct aro_request *request, uint8_t status);

/* Control, before the launch. every: 0 is off. 0 or -ENOMEM. */
int aro_sampler_init(struct aro_lcore *lcore, uint32_t every, uint64_t seed, int socket);
void aro_sampler_fini(struct aro_lcore *lcore);

#endif
