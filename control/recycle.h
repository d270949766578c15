/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Says what must stay when the store empties a segment to make room (cache/disk/recycle.c), and
 * forgets the objects that lose a chunk by it, durably and before they lose it.
 *
 *   MARKING     chunks that a pin wants or a running put or evict counts on must stay; those in
 *               memory are hot
 *   WALKING     every object that is not pinned: does it have chunks in that segment? Half of them
 *               in memory: it stays, while there is room for such; else it is to be forgotten
 *   FORGETTING  these leave the list of objects; their other chunks stay until their turn comes
 *   CHECKING    as MARKING, for what began meanwhile; then the store goes on
 *
 * A put that ends meanwhile needs no looking at: from the choice of the segment on the store says
 * -EEXIST of none of its chunks, and those of which it said so before were claimed when they were
 * marked, or their object is on the list that is walked. Cost: the manifests of all objects are
 * read once for each segment. Control thread only.
 */
#ifndef ARO_CONTROL_RECYCLE_H
#define ARO_CONTROL_RECYCLE_H

#include "control/content.h"
#include "control/log.h"

struct aro_recycler;

/* For struct aro_store_config: the recycler looks for the victim by itself. */
void aro_recycler_judge(void *arg, const struct aro_victim *victim);

/*
 * For one disk of content's. While that is away nothing is judged: its manifests cannot be read.
 * log: NULL for none. NULL with errno.
 */
struct aro_recycler *aro_recycler_create(struct aro_content *content, unsigned disk,
                                         const struct aro_log *log);
/* Before content; waits for reads and removals under way. Takes NULL. */
void aro_recycler_destroy(struct aro_recycler *recycler);
/* A bounded turn; after aro_store_poll. True: there is more to do. */
bool aro_recycler_turn(struct aro_recycler *recycler);

#endif
