/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/sample.h"

#include <errno.h>
#include <stdio.h>

#include <rte_ring_elem.h>

#include "dataplane/lcore.h"
#include "dataplane/reply.h"
#include "dataplane/serve.h"
#include "dataplane/state.h"

/* On its way to control. */
struct record {
    uint64_t at_tsc;
    struct aro_request_sample sample;
};
static_assert(sizeof(struct record) % 4 == 0, "ring elements are multiples of 4");

static void record_send(struct aro_lcore *lcore, const struct aro_request_sample *sample)
{
    struct record record = {.at_tsc = lcore->now_tsc, .sample = *sample};

    lcore->sample_left = aro_distance_next(&lcore->sampler.distance);
    record.sample.lcore = lcore->lcore_id;
    if (rte_ring_sp_enqueue_elem(lcore->sampler.ring, &record, sizeof(record)) != 0)
        lcore->counters.samples_lost++;
}

void aro_sample_job(struct aro_lcore *lcore, const struct aro_job *job, enum aro_outcome outcome,
                    uint8_t status)
{
    uint64_t waited_us = (lcore->now_tsc - job->arrival_tsc) / lcore->tsc_per_us;
    struct aro_request_sample sample = {
        .outcome = outcome,
        .status = status,
        .slices = status == 0 ? job->slices : 0,
        .residence_us = waited_us > UINT32_MAX ? UINT32_MAX : (uint32_t)waited_us,
    };

    memcpy(sample.id, &job->entry->id, sizeof(sample.id)); /* pinned, so it is still its own */
    aro_reply_peer(job, sample.source, &sample.source_port);
    record_send(lcore, &sample);
}

void aro_sample_request(struct aro_lcore *lcore, const struct aro_request *request, uint8_t status)
{
    struct aro_request_sample sample = {
        .outcome = status == ARO_STATUS_NOT_FOUND ? ARO_OUTCOME_ABSENT : ARO_OUTCOME_REFUSED,
        .status = status,
        .source_port = rte_be_to_cpu_16(request->frame.peer.source_port_be),
    };

    memcpy(sample.id, &request->get.id, sizeof(sample.id));
    memcpy(sample.source, request->frame.peer.address, sizeof(sample.source));
    record_send(lcore, &sample);
}

int aro_sampler_init(struct aro_lcore *lcore, uint32_t every, uint64_t seed, int socket)
{
    char name[RTE_RING_NAMESIZE];

    if (every == 0)
        return 0;
    snprintf(name, sizeof(name), "samples-%u", lcore->index);
    lcore->sampler = (struct aro_sampler){
        .distance = aro_distance_begin(every, seed ^ (lcore->index + 1) * 0x9e3779b97f4a7c15ull),
        .ring = rte_ring_create_elem(name, sizeof(struct record), ARO_SAMPLES_MAX, socket,
                                     RING_F_SP_ENQ | RING_F_SC_DEQ),
    };
    if (lcore->sampler.ring == NULL)
        return -ENOMEM;
    lcore->sample_left = aro_distance_next(&lcore->sampler.distance);
    return 0;
}

void aro_sampler_fini(struct aro_lcore *lcore)
{
    rte_ring_free(lcore->sampler.ring);
    lcore->sampler.ring = NULL;
}

unsigned aro_dataplane_samples(struct aro_dataplane *dataplane, struct aro_request_sample ret[],
                               unsigned max)
{
    uint64_t now_tsc = rte_rdtsc(), hz = rte_get_tsc_hz();
    unsigned n = 0;

    for (unsigned i = 0; i < dataplane->lcores; i++) {
        struct rte_ring *ring = dataplane->lcore[i]->sampler.ring;
        struct record record;
        while (ring != NULL && n < max &&
               rte_ring_sc_dequeue_elem(ring, &record, sizeof(record)) == 0) {
            uint64_t age_tsc = now_tsc > record.at_tsc ? now_tsc - record.at_tsc : 0;
            record.sample.age_us = age_tsc / (hz / 1000000);
            ret[n++] = record.sample;
        }
    }
    return n;
}
