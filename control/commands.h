/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the commands do: one handler each, by the names of the command table. Quick ones answer at
 * once, long ones become a job (control/jobs.h) in a file of their own.
 */
#ifndef ARO_CONTROL_COMMANDS_H
#define ARO_CONTROL_COMMANDS_H

#include "control/node.h"

/* commands.c */
void aro_handle_ls(void *node, struct aro_call *call);
void aro_handle_flush(void *node, struct aro_call *call);
void aro_handle_config(void *node, struct aro_call *call);
void aro_handle_job(void *node, struct aro_call *call);
void aro_handle_cancel(void *node, struct aro_call *call);
void aro_handle_explain(void *node, struct aro_call *call);
void aro_handle_version(void *node, struct aro_call *call);
void aro_handle_schema(void *node, struct aro_call *call);
void aro_handle_stop(void *node, struct aro_call *call);

/* commands_watch.c */
void aro_handle_status(void *node, struct aro_call *call);
void aro_handle_stats(void *node, struct aro_call *call);
void aro_handle_ports(void *node, struct aro_call *call);
void aro_handle_lcores(void *node, struct aro_call *call);

/* commands_cache.c */
void aro_handle_cache(void *node, struct aro_call *call);

/* commands_disks.c */
void aro_handle_disks(void *node, struct aro_call *call);
void aro_handle_disks_out(void *node, struct aro_call *call);
void aro_handle_disks_in(void *node, struct aro_call *call);
/* All disks together, for status. NULL: there are none. */
json_t *aro_store_brief(struct aro_node *node, const struct aro_store_stats *sum);

/* commands_names.c */
void aro_handle_resolve(void *node, struct aro_call *call);
void aro_handle_chunks(void *node, struct aro_call *call);
void aro_handle_names(void *node, struct aro_call *call);
void aro_handle_purge(void *node, struct aro_call *call);
void aro_handle_name(void *node, struct aro_call *call);

/* job_*.c */
void aro_handle_pull(void *node, struct aro_call *call);
void aro_handle_put(void *node, struct aro_call *call);
void aro_handle_stat(void *node, struct aro_call *call);
void aro_handle_evict(void *node, struct aro_call *call);
void aro_handle_verify(void *node, struct aro_call *call);

struct aro_metrics;
/* Every value of control/metrics.c now. */
void aro_node_metrics(struct aro_node *node, struct aro_metrics *ret);

/* job_store.c */
void aro_handle_store_stat(void *node, struct aro_call *call);
void aro_handle_store_check(void *node, struct aro_call *call);
void aro_handle_store_scrub(void *node, struct aro_call *call);

/* job_pin.c */
void aro_handle_pin(void *node, struct aro_call *call);
void aro_handle_unpin(void *node, struct aro_call *call);

/* Where an object is: "disk", or "memory" for one that waits for the disk, or that has none. */
const char *aro_object_tier(const struct aro_content *content, const struct aro_id *id);
/* {"id", "digest", "bytes", "chunks", "chunk_bytes", "label", "created_ns"}. NULL: no memory. */
json_t *aro_object_json(const struct aro_object *object);
/* What waits for the disk, of a node with a store. */
json_t *aro_admission_json(const struct aro_node *node);
/* What an error that an origin caused carries in "data": its status. NULL: it gave none. */
json_t *aro_http_status_json(int http_status);

/* Sets *error: this chunk is not here, or not known to be (6020, 6045); returns -1. */
int aro_chunk_absent(const struct aro_node *node, const char *text, struct aro_error *error);
/*
 * The object that the call's parameter "id" names (by object id or digest). 0, or -1 with *error
 * (6020). A chunk id is an error here.
 */
int aro_call_object(struct aro_node *node, const struct aro_call *call, struct aro_object *ret,
                    struct aro_error *error);

#endif
