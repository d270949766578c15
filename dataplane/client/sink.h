/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second thread of a fetch: writes verified pieces while the first one receives.
 *
 * The first thread gives pieces in order and collects the ones that are done; a piece belongs to
 * the sink in between. At most ARO_SINK_PIECES_MAX are inside; the engine's buffers bound it
 * further. Created and used by one thread, which also destroys it.
 */
#ifndef ARO_DATAPLANE_CLIENT_SINK_H
#define ARO_DATAPLANE_CLIENT_SINK_H

#include "dataplane/client/arocache.h"
#include "dataplane/client/engine.h"

enum { ARO_SINK_PIECES_MAX = 256 };

struct aro_sink;

/* NULL with errno. */
struct aro_sink *aro_sink_create(arocache_sink *sink, void *arg);
/* Waits for the thread; pieces still inside are dropped. Takes NULL. */
void aro_sink_destroy(struct aro_sink *sink);

/* Whether another piece may be given. */
bool aro_sink_has_room(const struct aro_sink *sink);
/* The second thread may learn of it only with the next flush. */
void aro_sink_give(struct aro_sink *sink, const struct aro_piece *piece);
/* Lets it know of all pieces given: before the first thread waits for anything. */
void aro_sink_flush(struct aro_sink *sink);
bool aro_sink_flushed(const struct aro_sink *sink);
/* A piece that is done, oldest first; false: none at the moment. */
bool aro_sink_collect(struct aro_sink *sink, struct aro_piece *ret);

/* Waits until all given pieces are done. */
void aro_sink_drain(struct aro_sink *sink);
/* What the callback returned when it refused; 0: it did not. */
int aro_sink_refusal(const struct aro_sink *sink);

#endif
