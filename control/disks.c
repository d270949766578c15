/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/disks.h"

#include <errno.h>
#include <string.h>

#include "control/disk_watch.h"
#include "control/node.h"
#include "control/secret.h"

enum { INDEX_WAIT_MS = 100 /* an index waits for its disk, which wakes us */ };

/* ---- life ---- */

/* What an origin has can be had again; what an operator put only he has. */
static bool recycles(const struct aro_config *config, const struct aro_disk_config *disk)
{
    if (disk->recycle == ARO_CHOICE_AUTO)
        return config->origins > 0;
    return disk->recycle == ARO_CHOICE_ON;
}

static int disk_start(struct aro_node *node, const struct aro_disk_config *disk,
                      struct aro_error *error)
{
    struct aro_store_config config = {
        .path = disk->path,
        .size_bytes = disk->size_bytes,
        .segment_bytes = disk->segment_bytes,
        .chunks_max = disk->chunks_max,
        .judge = recycles(&node->config, disk) ? aro_recycler_judge : NULL,
        .seed = secret(),
        .ring = node->ring,
        .qsbr = aro_cache_qsbr(node->cache),
    };
    struct aro_store *store = aro_store_start(&config, error);

    return store != NULL ? aro_disks_add(node->disks, disk->name, store) : -1;
}

int aro_node_disks_start(struct aro_node *node, struct aro_error *error)
{
    if (node->config.disks == 0)
        return 0;
    node->disks = aro_disks_create();
    if (node->disks == NULL)
        return aro_error_set(error, ARO_E_STORE_MEMORY, "no memory for the stores");
    for (unsigned i = 0; i < node->config.disks; i++)
        if (disk_start(node, &node->config.disk[i], error) != 0)
            return -1;
    return aro_disk_watch_start(node, error);
}

void aro_node_disks_stop(struct aro_node *node)
{
    aro_disks_destroy(node->disks);
    aro_disk_watch_stop(node);
}

int aro_node_recyclers_create(struct aro_node *node, struct aro_error *error)
{
    for (unsigned i = 0; i < aro_disks_count(node->disks); i++) {
        node->recycler[i] = aro_recycler_create(node->content, i, &node->log);
        if (node->recycler[i] == NULL)
            return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for recycling");
    }
    return 0;
}

void aro_node_recyclers_destroy(struct aro_node *node)
{
    for (unsigned i = 0; i < ARO_DISKS_MAX; i++)
        aro_recycler_destroy(node->recycler[i]);
}

/* ---- turns ---- */

static void log_index(struct aro_node *node, unsigned disk)
{
    struct aro_store_stats stats;
    bool loss;

    aro_store_stats(aro_disks_store(node->disks, disk), &stats);
    loss = stats.recovered_lost + stats.recovered_torn + stats.objects_dropped > 0;
    aro_log(&node->log, loss ? ARO_LOG_WARNING : ARO_LOG_INFO, "store-index",
            "store=%s state=whole segments=%llu chunks=%llu torn=%llu lost=%llu "
            "objects_dropped=%llu elapsed_us=%llu",
            aro_disks_name(node->disks, disk), (unsigned long long)stats.recovery_segments,
            (unsigned long long)stats.recovered_chunks, (unsigned long long)stats.recovered_torn,
            (unsigned long long)stats.recovered_lost, (unsigned long long)stats.objects_dropped,
            (unsigned long long)stats.recovery_us);
}

static int disk_turn(struct aro_node *node, unsigned disk, uint64_t now_ns)
{
    struct aro_store *store = aro_disks_store(node->disks, disk);
    bool was_whole = aro_store_is_whole(store);
    bool more = aro_store_poll(store);
    int wish_ms = aro_disk_watch_turn(node, disk, now_ns);

    if (!was_whole)
        wish_ms = more ? ARO_CHORE_NOW : INDEX_WAIT_MS;
    if (!was_whole && aro_store_is_whole(store))
        log_index(node, disk);
    if (aro_recycler_turn(node->recycler[disk]))
        wish_ms = wish_ms < 1 ? wish_ms : 1;
    return wish_ms;
}

/* Jobs wait until all that is here is known. */
int aro_node_disks_turn(struct aro_node *node, uint64_t now_ns)
{
    int wish_ms = ARO_CHORE_IDLE_MS;

    for (unsigned i = 0; i < aro_disks_count(node->disks); i++) {
        int disk_ms = disk_turn(node, i, now_ns);
        wish_ms = wish_ms < disk_ms ? wish_ms : disk_ms;
    }
    aro_jobs_hold(node->jobs, !aro_disks_are_whole(node->disks));
    return wish_ms;
}

/* ---- looking ---- */

const char *aro_disk_state_name(enum aro_disk_state state)
{
    static const char *const names[] = {"serving", "recovering", "read-only", "failing", "out"};

    return names[state];
}

static enum aro_disk_state state_of(const struct aro_disk_watch *watch,
                                    const struct aro_store_stats *stats, const char **ret_why)
{
    *ret_why = watch->health.why;
    if (watch->health.use == ARO_DISK_AWAY)
        return watch->health.held ? ARO_DISK_OUT : ARO_DISK_FAILING;
    if (stats->recovering) {
        *ret_why = "its index is being built";
        return ARO_DISK_RECOVERING;
    }
    if (watch->health.use == ARO_DISK_SPARED)
        return ARO_DISK_READ_ONLY;
    if (!stats->writable) {
        *ret_why = "a write or sync failed; tried again every second";
        return ARO_DISK_READ_ONLY;
    }
    return ARO_DISK_SERVING;
}

void aro_node_disk_info(struct aro_node *node, unsigned disk, struct aro_disk_info *ret)
{
    struct aro_disk_reader_stats control;

    *ret = (struct aro_disk_info){.name = aro_disks_name(node->disks, disk),
                                  .path = node->config.disk[disk].path,
                                  .polled = (node->dataplane_config.poll_disks >> disk & 1) != 0,
                                  .poll_refused = node->poll_refused[disk]};
    aro_store_stats(aro_disks_store(node->disks, disk), &ret->store);
    ret->state = state_of(&node->disk_watch[disk], &ret->store, &ret->why);
    ret->times_out = node->disk_watch[disk].health.times;
    aro_dataplane_disk_stats(node->dataplane, disk, &ret->reads, &ret->reads_now);
    aro_content_disk_stats(node->content, disk, &control);
    ret->reads.reads += control.reads;
    ret->reads.read_bytes += control.read_bytes;
    ret->reads.failures += control.failures;
}
