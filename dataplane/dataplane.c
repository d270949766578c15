/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds the lcores and their queues from the configuration; starts, feeds and stops them. */
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_ring_elem.h>
#include <sodium.h>

#include "dataplane/lcore.h"
#include "dataplane/pools.h"
#include "dataplane/state.h"
#include "dataplane/wait.h"

enum {
    MAILBOX_LETTERS = 4096,
    QUARANTINE_LETTERS = 1024,
    LAUNCH_TIMEOUT_MS = 120000, /* an lcore first pins all of chunk memory for its reads */
};

struct quarantine_letter {
    struct aro_id id;
    struct aro_place place;
    uint8_t fill[8];
};
static_assert(sizeof(struct quarantine_letter) % 4 == 0, "ring elements are multiples of 4");

uint32_t aro_dataplane_pins(const struct aro_dataplane_config *config)
{
    return config->jobs_per_lcore + config->pending_per_lcore;
}

/* The lcore with this EAL id, made known if it is new; NULL: too many. */
static struct aro_lcore *lcore_of(struct aro_dataplane *dataplane, unsigned lcore_id)
{
    struct aro_lcore *lcore;

    for (unsigned i = 0; i < dataplane->lcores; i++)
        if (dataplane->lcore[i]->lcore_id == lcore_id)
            return dataplane->lcore[i];
    if (dataplane->lcores == ARO_LCORES_MAX)
        return NULL;
    lcore = aligned_alloc(64, RTE_ALIGN(sizeof(*lcore), 64));
    if (lcore == NULL)
        return NULL;
    memset(lcore, 0, sizeof(*lcore));
    lcore->lcore_id = lcore_id;
    lcore->index = dataplane->lcores;
    dataplane->lcore[dataplane->lcores++] = lcore;
    return lcore;
}

static int queues_assign(struct aro_dataplane *dataplane, struct aro_error *error)
{
    for (unsigned p = 0; p < dataplane->ports; p++) {
        struct aro_port *port = &dataplane->port[p];
        for (uint16_t q = 0; q < port->queues; q++) {
            unsigned id = port->config.lcore[q];
            struct aro_lcore *lcore = NULL;
            if (rte_lcore_is_enabled(id) && id != rte_get_main_lcore())
                lcore = lcore_of(dataplane, id);
            if (lcore == NULL)
                return aro_error_set(error, ARO_E_LCORE, "port \"%s\": lcore %u cannot be used",
                                     port->config.name, id);
            lcore->queue[lcore->queues++] = (struct aro_queue){.port = port, .queue = q};
        }
    }
    return 0;
}

static uint32_t sleep_max_us(const struct aro_lcore *lcore)
{
    uint32_t us = 1000;

    for (unsigned i = 0; i < lcore->queues; i++)
        us = RTE_MIN(us, lcore->queue[i].port->profile.idle_sleep_us_max);
    return us;
}

static int lcore_init(struct aro_dataplane *dataplane, struct aro_lcore *lcore,
                      struct aro_error *error)
{
    const struct aro_dataplane_config *config = &dataplane->config;
    int socket = (int)rte_lcore_to_socket_id(lcore->lcore_id);
    uint32_t reads = config->reads_per_lcore * RTE_MAX(aro_disks_count(config->disks), 1u);
    char name[RTE_RING_NAMESIZE];

    lcore->dataplane = dataplane;
    lcore->tsc_per_us = RTE_MAX(rte_get_tsc_hz() / 1000000, (uint64_t)1);
    lcore->cache = config->cache;
    lcore->disks = config->disks;
    lcore->region = config->region;
    lcore->region_bytes = config->region_bytes;
    lcore->poll_disks = config->poll_disks;
    lcore->idle_poll = config->idle == ARO_IDLE_POLL;
    lcore->idle_sleep_us_max = sleep_max_us(lcore);
    aro_guard_init(&lcore->guard, &dataplane->keys, &config->limits, dataplane->lcores,
                   dataplane->seed);
    lcore->top_left = aro_top_init(&lcore->top, dataplane->seed + lcore->index);
    lcore->reader = aro_cache_reader_create(config->cache);
    snprintf(name, sizeof(name), "mailbox-%u", lcore->index);
    lcore->mailbox = rte_ring_create(name, MAILBOX_LETTERS, socket, RING_F_SC_DEQ);
    if (lcore->reader == NULL || lcore->mailbox == NULL ||
        aro_jobs_init(&lcore->jobs, aro_dataplane_pins(config), (uint16_t)lcore->lcore_id,
                      socket) != 0 ||
        aro_pending_init(&lcore->pending, reads, config->pending_per_lcore,
                         (uint64_t)config->pending_deadline_us * lcore->tsc_per_us,
                         dataplane->seed ^ 3, socket) != 0 ||
        aro_sampler_init(lcore, config->sample_every, dataplane->seed, socket) != 0)
        return aro_error_set(error, ARO_E_LCORE_MEMORY,
                             "lcore %u: no memory for its tables (%u jobs, %u waiting, %u reads)",
                             lcore->lcore_id, config->jobs_per_lcore, config->pending_per_lcore,
                             reads);
    dataplane->by_reader[aro_reader_index(lcore->reader)] = lcore;
    return aro_pools_create(dataplane, lcore, socket, error);
}

static int ports_init(struct aro_dataplane *dataplane, struct aro_error *error)
{
    for (unsigned p = 0; p < dataplane->ports; p++) {
        struct aro_port *port = &dataplane->port[p];
        struct rte_mempool *pool[ARO_LCORES_MAX];
        for (uint16_t q = 0; q < port->queues; q++) {
            const struct aro_lcore *lcore = lcore_of(dataplane, port->config.lcore[q]);
            pool[q] = lcore == NULL ? NULL : lcore->frames; /* queues_assign made all known */
        }
        if (aro_port_configure(port, pool, error) != 0)
            return -1;
    }
    return 0;
}

static int state_init(struct aro_dataplane *dataplane, struct aro_error *error)
{
    if (sodium_init() < 0)
        return aro_error_set(error, ARO_E_LCORE_MEMORY, "the kernel gives no random numbers");
    randombytes_buf(&dataplane->seed, sizeof(dataplane->seed));
    aro_token_rotate(&dataplane->keys);
    dataplane->rotated_tsc = dataplane->top_aged_tsc = rte_rdtsc();
    dataplane->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    dataplane->quarantine = rte_ring_create_elem("quarantine", sizeof(struct quarantine_letter),
                                                 QUARANTINE_LETTERS, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (dataplane->bell_fd < 0 || dataplane->quarantine == NULL)
        return aro_error_set(error, ARO_E_LCORE_MEMORY, "no memory for control's messages");
    return 0;
}

struct aro_dataplane *aro_dataplane_create(const struct aro_dataplane_config *config,
                                           struct aro_error *error)
{
    struct aro_dataplane *dataplane = aligned_alloc(64, RTE_ALIGN(sizeof(*dataplane), 64));

    if (dataplane == NULL) {
        aro_error_set(error, ARO_E_LCORE_MEMORY, "no memory for the data plane");
        return NULL;
    }
    memset(dataplane, 0, sizeof(*dataplane));
    dataplane->config = *config;
    dataplane->bell_fd = -1;
    if (state_init(dataplane, error) != 0)
        goto fail;
    for (unsigned p = 0; p < config->ports; p++) {
        if (aro_port_probe(&dataplane->port[p], &config->port[p], config->profile, config->profiles,
                           config->service_port, error) != 0)
            goto fail;
        dataplane->ports++;
        aro_port_map(&dataplane->port[p], config->region, config->region_bytes);
    }
    if (queues_assign(dataplane, error) != 0)
        goto fail;
    for (unsigned i = 0; i < dataplane->lcores; i++)
        if (lcore_init(dataplane, dataplane->lcore[i], error) != 0)
            goto fail;
    if (ports_init(dataplane, error) != 0)
        goto fail;
    return dataplane;

fail:
    aro_dataplane_destroy(dataplane);
    return NULL;
}

void aro_dataplane_destroy(struct aro_dataplane *dataplane)
{
    if (dataplane == NULL)
        return;
    for (unsigned p = 0; p < dataplane->ports; p++)
        (void)rte_eth_dev_close(dataplane->port[p].id);
    for (unsigned i = 0; i < dataplane->lcores; i++) {
        struct aro_lcore *lcore = dataplane->lcore[i];
        aro_jobs_free(&lcore->jobs);
        aro_pending_free(&lcore->pending);
        rte_ring_free(lcore->mailbox);
        aro_sampler_fini(lcore);
        free(lcore);
    }
    aro_pools_destroy(dataplane);
    rte_ring_free(dataplane->quarantine);
    if (dataplane->bell_fd >= 0)
        close(dataplane->bell_fd);
    sodium_memzero(&dataplane->keys, sizeof(dataplane->keys));
    free(dataplane);
}

/* Descriptors exist from the start of the ports on. */
static void waits_decide(struct aro_lcore *lcore)
{
    lcore->idle_waits = lcore->idle_sleep_us_max != 0;
    for (unsigned i = 0; i < lcore->queues; i++) {
        lcore->queue[i].wait_fd = aro_wait_fd(lcore->queue[i].port, lcore->queue[i].queue);
        if (lcore->queue[i].wait_fd < 0)
            lcore->idle_waits = false;
    }
}

static int lcore_launch(struct aro_lcore *lcore, struct aro_error *error)
{
    atomic_store(&lcore->stop, false);
    if (rte_eal_remote_launch(aro_lcore_main, lcore, lcore->lcore_id) != 0)
        return aro_error_set(error, ARO_E_LCORE, "lcore %u is busy", lcore->lcore_id);
    for (unsigned waited_ms = 0; waited_ms < LAUNCH_TIMEOUT_MS; waited_ms++) {
        if (atomic_load_explicit(&lcore->running, memory_order_acquire))
            return 0;
        usleep(1000);
    }
    return aro_error_set(error, ARO_E_LCORE, "lcore %u did not start within %d ms", lcore->lcore_id,
                         LAUNCH_TIMEOUT_MS);
}

int aro_dataplane_start(struct aro_dataplane *dataplane, struct aro_error *error)
{
    for (unsigned p = 0; p < dataplane->ports; p++)
        if (aro_port_start(&dataplane->port[p], error) != 0)
            return -1;
    for (unsigned i = 0; i < dataplane->lcores; i++)
        waits_decide(dataplane->lcore[i]);
    for (unsigned i = 0; i < dataplane->lcores; i++)
        if (lcore_launch(dataplane->lcore[i], error) != 0)
            return -1;
    return 0;
}

void aro_dataplane_region_present(struct aro_dataplane *dataplane)
{
    for (unsigned i = 0; i < dataplane->lcores; i++)
        atomic_store_explicit(&dataplane->lcore[i]->region_present, true, memory_order_relaxed);
}

void aro_dataplane_stop(struct aro_dataplane *dataplane)
{
    for (unsigned i = 0; i < dataplane->lcores; i++)
        atomic_store(&dataplane->lcore[i]->stop, true);
    for (unsigned i = 0; i < dataplane->lcores; i++)
        rte_eal_wait_lcore(dataplane->lcore[i]->lcore_id);
    for (unsigned p = 0; p < dataplane->ports; p++)
        aro_port_stop(&dataplane->port[p]);
}

int aro_dataplane_fd(const struct aro_dataplane *dataplane)
{
    return dataplane->bell_fd;
}

void aro_bell_ring(struct aro_lcore *lcore)
{
    if (lcore->now_tsc - lcore->bell_tsc < lcore->tsc_per_us * 1000 ||
        !aro_cache_wanting(lcore->dataplane->config.cache))
        return;
    lcore->bell_tsc = lcore->now_tsc;
    (void)eventfd_write(lcore->dataplane->bell_fd, 1);
}

void aro_quarantine_send(struct aro_lcore *lcore, const struct aro_id *id,
                         const struct aro_place *place)
{
    struct quarantine_letter letter = {.id = *id, .place = *place};

    if (rte_ring_mp_enqueue_elem(lcore->dataplane->quarantine, &letter, sizeof(letter)) == 0)
        (void)eventfd_write(lcore->dataplane->bell_fd, 1);
}

void aro_mail_send(struct aro_lcore *lcore, uint64_t waiters, struct aro_entry *entry)
{
    while (waiters != 0) {
        struct aro_lcore *peer = lcore->dataplane->by_reader[__builtin_ctzll(waiters)];
        waiters &= waiters - 1;
        if (peer != NULL) /* full: its waiters come to their deadline */
            (void)rte_ring_mp_enqueue(peer->mailbox, entry);
    }
}

void aro_dataplane_poll(struct aro_dataplane *dataplane)
{
    struct quarantine_letter letter;
    eventfd_t rings;

    (void)eventfd_read(dataplane->bell_fd, &rings);
    while (rte_ring_sc_dequeue_elem(dataplane->quarantine, &letter, sizeof(letter)) == 0)
        aro_disks_quarantine(dataplane->config.disks, &letter.id, &letter.place);
    if (rte_rdtsc() - dataplane->rotated_tsc >=
        rte_get_tsc_hz() / 1000 * (uint64_t)ARO_TOKEN_ROTATION_MS) {
        aro_token_rotate(&dataplane->keys);
        dataplane->rotated_tsc = rte_rdtsc();
    }
    aro_top_poll(dataplane);
}
