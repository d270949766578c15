/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every chunk of an object in order: the root manifest, and below each manifest its entries, depth
 * first. Manifests are fetched as the walk comes to them; each is checked alone and against its
 * parent, so a manifest that lies ends the walk.
 *
 * Control thread only. Holds at most one manifest per level (1 MiB each).
 */
#ifndef ARO_CONTROL_DESCENT_H
#define ARO_CONTROL_DESCENT_H

#include "control/content.h"
#include "dataplane/proto/manifest.h"

struct aro_descent;

struct aro_descent_item {
    struct aro_id id;
    uint32_t len_bytes;
    bool is_manifest;
    uint64_t content_at; /* first content byte that it covers */
};

/* disk_first: as in aro_fetch. NULL with errno. */
struct aro_descent *aro_descent_create(struct aro_content *content, const struct aro_id *root,
                                       bool disk_first);
/* No fetch under way (aro_descent_waits). Takes NULL. */
void aro_descent_destroy(struct aro_descent *walk);

/*
 * The next chunk: 1; 0: no more; -EAGAIN: a manifest is on its way, call again later; -ENOENT,
 * -EBADMSG or another -errno: a manifest is missing, damaged or lies (aro_descent_error says
 * which).
 */
int aro_descent_next(struct aro_descent *walk, struct aro_descent_item *ret);
bool aro_descent_waits(const struct aro_descent *walk);
/* The root, once it was fetched; else NULL. */
const struct aro_manifest *aro_descent_root(const struct aro_descent *walk);
/* After a failure: the sentence with the manifest's id. */
void aro_descent_error(const struct aro_descent *walk, struct aro_error *error);

#endif
