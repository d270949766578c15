/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands on disks: the state of each, what it holds and has done (briefly in status); out and
 * in.
 */
#include <string.h>

#include "control/commands.h"
#include "control/disk_watch.h"
#include "control/disks.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* What the last start found, or has found so far. */
static json_t *recovery_json(const struct aro_store_stats *stats)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "under_way", stats->recovering,
                     "segments_done", integer(stats->recovered_segments), "segments",
                     integer(stats->recovery_segments), "chunks", integer(stats->recovered_chunks),
                     "torn", integer(stats->recovered_torn), "lost", integer(stats->recovered_lost),
                     "elapsed_us", integer(stats->recovery_us));
}

/* How requests come to a disk: one way for all. */
static void io_add(const struct aro_node *node, json_t *to)
{
    int refused;
    bool is_threads = aro_uring_is_threads(node->ring, &refused);

    json_object_update_new(to, json_pack("{s:s, s:s?}", "io", is_threads ? "threads" : "io_uring",
                                         "io_refused", refused != 0 ? strerror(refused) : NULL));
}

static json_t *disk_json(struct aro_node *node, unsigned disk)
{
    struct aro_disk_info info;
    uint64_t used, size;
    json_t *json;

    aro_node_disk_info(node, disk, &info);
    used = info.store.bytes_taken_now;
    size = info.store.size_bytes;
    json = json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name", info.name,
                     "path", info.path, "state", aro_disk_state_name(info.state), "why", info.why,
                     "direct", info.store.direct, "size_bytes", integer(size), "used_bytes",
                     integer(used), "free_bytes", integer(used < size ? size - used : 0), "chunks",
                     integer(info.store.chunks_now), "objects", integer(info.store.objects_now));
    io_add(node, json);
    json_object_set_new(json, "times_out", integer(info.times_out));
    json_object_update_new(
        json, json_pack("{s:b, s:s?}", "polled", info.polled, "poll_refused", info.poll_refused));
    json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:o}", "reads", integer(info.reads.reads), "read_bytes",
                        integer(info.reads.read_bytes), "read_errors", integer(info.reads.failures),
                        "reads_now", integer(info.reads_now)));
    json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "writes", integer(info.store.writes),
                        "written_bytes", integer(info.store.bytes_written), "write_errors",
                        integer(info.store.write_failures), "sync_errors",
                        integer(info.store.sync_failures), "quarantined",
                        integer(info.store.quarantined), "recovery", recovery_json(&info.store)));
    return json;
}

void aro_handle_disks(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    json_t *list = json_array();

    for (unsigned i = 0; i < aro_disks_count(node->disks); i++)
        json_array_append_new(list, disk_json(node, i));
    aro_call_reply(call, json_pack("{s:o}", "disks", list));
}

static void out_or_in(struct aro_node *node, struct aro_call *call,
                      void (*act)(struct aro_node *node, unsigned disk))
{
    const char *name = aro_call_text(call, "store");
    int disk = aro_disks_named(node->disks, name);
    struct aro_disk_info info;
    struct aro_error error;

    if (disk < 0) {
        aro_error_set(&error, ARO_E_PARAMS_INVALID, "no store is called '%s'", name);
        aro_call_fail(call, &error);
        return;
    }
    act(node, (unsigned)disk);
    aro_node_disk_info(node, (unsigned)disk, &info);
    aro_call_reply(call, json_pack("{s:s, s:s, s:s}", "name", info.name, "state",
                                   aro_disk_state_name(info.state), "why", info.why));
}

void aro_handle_disks_out(void *arg, struct aro_call *call)
{
    out_or_in(arg, call, aro_disk_watch_out);
}

void aro_handle_disks_in(void *arg, struct aro_call *call)
{
    out_or_in(arg, call, aro_disk_watch_in);
}

json_t *aro_store_brief(struct aro_node *node, const struct aro_store_stats *sum)
{
    json_t *json, *list = json_array();

    if (node->disks == NULL) {
        json_decref(list);
        return NULL;
    }
    for (unsigned i = 0; i < aro_disks_count(node->disks); i++) {
        struct aro_disk_info info;
        aro_node_disk_info(node, i, &info);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?}", "name", info.name, "path", info.path,
                            "state", aro_disk_state_name(info.state), "why", info.why, "polled",
                            info.polled, "poll_refused", info.poll_refused));
    }
    json =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "disks", list, "size_bytes",
                  integer(sum->size_bytes), "used_bytes", integer(sum->bytes_taken_now), "chunks",
                  integer(sum->chunks_now), "objects", integer(sum->objects_now), "writable",
                  sum->writable, "direct", sum->direct, "recovery", recovery_json(sum));
    io_add(node, json);
    return json;
}
