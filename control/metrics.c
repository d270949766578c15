/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/metrics.h"

#include <string.h>

#define ROW(group, name, field, kind, sentence)                                                    \
    {#group, #name, sentence, offsetof(struct aro_metrics, field), ARO_METRIC_##kind},
#define VALUE(group, name, sentence) ROW(group, name, group.name, VALUE, sentence)
#define GAUGE(group, name, sentence) ROW(group, name, group.name, GAUGE, sentence)
#define FLAG(group, name, sentence)  ROW(group, name, group.name, FLAG, sentence)
#define SERVER(name, sentence)       ROW(control, name, control.server.name, VALUE, sentence)
#define REQUEST_LOG(name, sentence)  ROW(control, name, control.request_log.name, VALUE, sentence)
#define HTTP(name, sentence)         ROW(control, name, control.http.name, VALUE, sentence)

/* clang-format off */
const struct aro_metric aro_metric_list[] = {
    GAUGE(cache, bytes_total, "size of the chunk memory")
    VALUE(cache, bytes_used_now, "chunk memory handed out, the lcores' stock included")
    VALUE(cache, bytes_chunks_now, "payload of the chunks in memory")
    VALUE(cache, entries_now, "chunks in memory")
    GAUGE(cache, entries_max, "chunks that fit the table")
    VALUE(cache, pinned_now, "chunks that an answer under way holds")
    VALUE(cache, kept_now, "chunks that the command pin keeps in memory")
    VALUE(cache, bytes_kept_now, "payload of the chunks that the command pin keeps")
    VALUE(cache, retired_now, "chunks unlinked whose memory is not free yet")
    VALUE(cache, small_now, "chunks in the small queue of S3-FIFO, on probation")
    VALUE(cache, bytes_small_now, "payload of the chunks in the small queue")
    VALUE(cache, main_now, "chunks in the main queue, or in the only one of another policy")
    VALUE(cache, bytes_main_now, "payload of the chunks in the main queue")
    VALUE(cache, ghosts_now, "chunks evicted from the small queue that S3-FIFO remembers")
    VALUE(cache, admitted, "chunks that came into memory and stayed")
    VALUE(cache, rejected, "chunks that came into memory and were not worth keeping to the policy")
    VALUE(cache, ghost_hits, "of those admitted: straight to the main queue, because they were remembered")
    VALUE(cache, promoted, "chunks that moved from the small queue to the main one because of their hits")
    VALUE(cache, evicted, "chunks that the policy sent out")
    VALUE(cache, evicted_unread, "of those evicted: never hit since they came into memory")
    VALUE(cache, removed, "chunks removed by request")
    VALUE(cache, abandoned, "disk reads into memory that failed")
    VALUE(cache, stock_empty, "times an lcore found no chunk memory at hand")
    VALUE(cache, index_full, "chunks turned away because the table was full")
    VALUE(cache, alloc_failed, "times the control thread found no chunk memory")
    GAUGE(store, size_bytes, "disk space that the store may take")
    VALUE(store, bytes_taken_now, "of it: all files of the store, and what they may grow by without asking")
    VALUE(store, bytes_files_now, "size of all data files")
    VALUE(store, bytes_chunks_now, "payload of the chunks on disk")
    VALUE(store, chunks_now, "chunks on disk")
    VALUE(store, objects_now, "objects on disk")
    VALUE(store, segments_now, "segment files")
    VALUE(store, bytes_written, "bytes written to segment files")
    VALUE(store, writes, "chunks written")
    VALUE(store, rejected, "chunks turned away because the store or its disk had no room")
    VALUE(store, removed, "chunks removed by request")
    VALUE(store, recycled, "segments emptied and deleted to make room")
    VALUE(store, recycle_dropped, "chunks that went with them")
    VALUE(store, recycle_objects, "objects forgotten before, because they were to lose a chunk")
    VALUE(store, carried, "chunks copied out of such segments: pinned, in use or hot")
    VALUE(store, bytes_carried, "payload of these")
    VALUE(store, syncs, "sync operations")
    VALUE(store, sync_failures, "sync operations that failed")
    VALUE(store, write_failures, "write operations that failed")
    VALUE(store, quarantined, "chunks whose bytes disagreed with their checksum")
    GAUGE(store, recovered_chunks, "chunks found at the last start")
    GAUGE(store, recovered_torn, "records that did not verify at the last start, dropped")
    GAUGE(store, recovered_lost, "segments set aside at the last start: a file of them is missing or cannot be read")
    GAUGE(store, recovered_segments, "segments of which the last start has built the index so far")
    GAUGE(store, recovery_segments, "segments that the last start found")
    GAUGE(store, recovery_us, "time that the building of the index took, or has taken so far")
    GAUGE(store, objects_dropped, "objects dropped at the last start: their manifest was not on disk")
    FLAG(store, recovering, "the index is being built: what is not in it yet is asked to come again")
    FLAG(store, direct, "reads and writes bypass the page cache (O_DIRECT)")
    FLAG(store, writable, "the store takes writes")
    SERVER(clients_now, "clients of the control socket")
    SERVER(clients_accepted, "clients that connected")
    SERVER(clients_refused, "clients turned away because there were too many")
    SERVER(clients_dropped, "clients dropped because they did not read their answers")
    SERVER(lines, "request lines received")
    SERVER(lines_too_long, "lines longer than the limit")
    REQUEST_LOG(request_lines, "lines of the sampled request log")
    REQUEST_LOG(request_lines_lost, "lines of the sampled request log that its file did not take")
    HTTP(http_requests, "requests to the HTTP listener (http.listen)")
    HTTP(http_errors, "of them answered with a status of 400 or more")
    VALUE(control, requests, "requests")
    VALUE(control, errors, "requests answered with an error")
    VALUE(control, jobs_now, "long commands under way")
    VALUE(control, rounds, "rounds of the control thread's loop")
    GAUGE(control, longest_round_us, "longest round of the control thread's loop")
    VALUE(origin, lookups, "names asked for")
    VALUE(origin, hits, "names answered from the table, fresh")
    VALUE(origin, hits_stale, "names answered past their time, because the origin failed")
    VALUE(origin, hits_negative, "names answered from the memory of an origin's failure")
    VALUE(origin, joined, "names that joined a pull which was under way")
    VALUE(origin, unknown, "names in no origin's prefix and not in the table")
    VALUE(origin, pulls, "pulls begun")
    VALUE(origin, pulls_done, "pulls that made an object")
    VALUE(origin, renewed, "pulls that found the object unchanged")
    VALUE(origin, requests, "requests to origins")
    VALUE(origin, redirects, "redirects followed")
    VALUE(origin, resumed, "times a broken transfer was taken up again")
    VALUE(origin, bytes, "bytes of bodies from origins")
    VALUE(origin, failed_absent, "pulls that failed: the origin does not have it")
    VALUE(origin, failed_down, "pulls that failed: unreachable, too slow, server error")
    VALUE(origin, failed_refused, "pulls that failed: refused, nonsense, or a bad certificate")
    VALUE(origin, failed_length, "pulls that failed: shorter or longer than promised")
    VALUE(origin, failed_changed, "pulls that failed: the content changed meanwhile")
    VALUE(origin, failed_redirect, "pulls that failed: redirects that may not be followed")
    VALUE(origin, failed_too_large, "pulls that failed: larger than max_object")
    VALUE(origin, failed_busy, "names and pulls turned away because there were too many")
    VALUE(origin, failed_here, "pulls that failed: store, memory, cancelled")
    VALUE(origin, names_failed, "names that could not be written into the table")
    VALUE(origin, names_damaged, "tables of names set aside because they were damaged")
    VALUE(origin, names_now, "names in the table")
    VALUE(origin, pulls_now, "pulls under way")
    VALUE(origin, waiting_now, "of them, pulls that wait for a connection")
    VALUE(origin, held_now, "calls that wait for a name or for chunks")
};
/* clang-format on */

const size_t aro_metric_count = sizeof(aro_metric_list) / sizeof(aro_metric_list[0]);

uint64_t aro_metric_read(const struct aro_metrics *metrics, const struct aro_metric *metric)
{
    const char *at = (const char *)metrics + metric->offset;

    return metric->kind == ARO_METRIC_FLAG ? *(const bool *)(const void *)at
                                           : *(const uint64_t *)(const void *)at;
}

bool aro_metric_is_gauge(const struct aro_metric *metric)
{
    size_t length = strlen(metric->name);

    return metric->kind != ARO_METRIC_VALUE ||
           (length > 4 && strcmp(metric->name + length - 4, "_now") == 0);
}
