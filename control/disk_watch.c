/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/disk_watch.h"

#include <errno.h>
#include <stdlib.h>

#include "control/disks.h"
#include "control/node.h"
#include "control/secret.h"

enum { LOOK_MS = 250 };

static struct aro_disk_sight sight_of(const struct aro_disk_watch *watch)
{
    struct aro_disk_info info;

    aro_node_disk_info(watch->node, watch->disk, &info);
    return (struct aro_disk_sight){.reads = info.reads.reads,
                                   .reads_now = info.reads_now,
                                   .read_faults = info.reads.failures,
                                   .write_faults =
                                       info.store.write_failures + info.store.sync_failures};
}

/* The disks are told what the rules said, and so is the log. */
static void obey(struct aro_disk_watch *watch)
{
    static const char *const names[] = {"used", "spared", "away"};
    struct aro_disks *disks = watch->node->disks;
    enum aro_disk_use use = watch->health.use;

    if (aro_disks_use_of(disks, watch->disk) == use)
        return;
    aro_disks_use(disks, watch->disk, use);
    aro_log(&watch->node->log, use == ARO_DISK_USED ? ARO_LOG_INFO : ARO_LOG_WARNING,
            use == ARO_DISK_USED ? "disk-back" : "disk-out", "store=%s use=%s why=\"%s\"",
            aro_disks_name(disks, watch->disk), names[use], watch->health.why);
}

static void on_probed(struct aro_probe *probe, int result)
{
    struct aro_disk_watch *watch = ARO_IO_OWNER(probe, struct aro_disk_watch, probe);

    watch->probing = false;
    watch->probed = true;
    watch->result = result;
}

static void probe(struct aro_disk_watch *watch)
{
    struct aro_store *store = aro_disks_store(watch->node->disks, watch->disk);
    int result;

    watch->probes = watch->health.use;
    watch->probe.done = on_probed;
    result = watch->probes == ARO_DISK_AWAY ? aro_store_probe_read(store, &watch->probe, secret())
                                            : aro_store_probe_write(store, &watch->probe);
    if (result == -ENOENT) /* nothing to be read: then it is the writes that have to tell */
        result = aro_store_probe_write(store, &watch->probe);
    watch->probing = result == 0;
}

int aro_disk_watch_turn(struct aro_node *node, unsigned disk, uint64_t now_ns)
{
    struct aro_disk_watch *watch = &node->disk_watch[disk];
    uint64_t now_ms = now_ns / 1000000;

    if (watch->probed || now_ms - watch->looked_ms >= LOOK_MS) {
        struct aro_disk_sight sight = sight_of(watch);
        watch->looked_ms = now_ms;
        aro_disk_health_look(&watch->health, &sight, now_ms);
        if (watch->probed && watch->probes == watch->health.use) /* or it became worse meanwhile */
            aro_disk_health_probed(&watch->health, watch->result, &sight, now_ms);
        watch->probed = false;
    }
    if (!watch->probing && aro_disk_health_wants_probe(&watch->health, now_ms))
        probe(watch);
    obey(watch);
    return watch->health.use == ARO_DISK_USED ? ARO_CHORE_IDLE_MS : LOOK_MS;
}

void aro_disk_watch_out(struct aro_node *node, unsigned disk)
{
    aro_disk_health_hold(&node->disk_watch[disk].health);
    obey(&node->disk_watch[disk]);
}

void aro_disk_watch_in(struct aro_node *node, unsigned disk)
{
    struct aro_disk_watch *watch = &node->disk_watch[disk];
    struct aro_disk_sight sight = sight_of(watch);

    aro_disk_health_release(&watch->health, &sight, aro_now_ns() / 1000000);
    obey(watch);
}

int aro_disk_watch_start(struct aro_node *node, struct aro_error *error)
{
    unsigned disks = aro_disks_count(node->disks);
    const struct aro_disk_sight nothing = {0};

    node->disk_watch = disks > 0 ? calloc(disks, sizeof(*node->disk_watch)) : NULL;
    for (unsigned i = 0; i < disks && node->disk_watch != NULL; i++) {
        struct aro_disk_watch *watch = &node->disk_watch[i];
        watch->node = node;
        watch->disk = i;
        watch->probe.block = aligned_alloc(ARO_BLOCK_BYTES, ARO_BLOCK_BYTES);
        aro_disk_health_init(&watch->health, &nothing, aro_now_ns() / 1000000);
        if (watch->probe.block == NULL)
            return aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to watch the disks");
    }
    return disks == 0 || node->disk_watch != NULL
               ? 0
               : aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to watch the disks");
}

void aro_disk_watch_stop(struct aro_node *node)
{
    for (unsigned i = 0; i < node->config.disks && node->disk_watch != NULL; i++)
        free(node->disk_watch[i].probe.block);
    free(node->disk_watch);
}
