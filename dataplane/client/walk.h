/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks an object's manifests and yields its chunks in order of content.
 *
 * Asks for one manifest at a time and holds at most one per level. What is pushed was verified
 * against its id by the caller; the walk checks that it is what its parent promised. One owner.
 */
#ifndef ARO_DATAPLANE_CLIENT_WALK_H
#define ARO_DATAPLANE_CLIENT_WALK_H

#include "dataplane/proto/manifest.h"

struct aro_walk {
    struct {
        uint8_t *bytes; /* held until released */
        struct aro_manifest manifest;
        uint32_t next; /* entry to yield next */
    } levels[ARO_MANIFEST_LEVEL_MAX + 1];
    uint32_t depth;                  /* manifests held */
    uint64_t at;                     /* content offset of the next chunk */
    uint64_t first;                  /* skip what lies wholly before this offset */
    bool waiting;                    /* for the manifest that it asked for */
    uint32_t pending;                /* entry of the top level that it asked for */
    void (*release)(uint8_t *bytes); /* of what was pushed; after init: free */
};

enum aro_walk_step {
    ARO_WALK_END,      /* everything was yielded */
    ARO_WALK_WAIT,     /* a manifest must be pushed first */
    ARO_WALK_CHUNK,    /* entry is content */
    ARO_WALK_MANIFEST, /* entry is a manifest: fetch and push it */
};

/* Before anything: the root is what it waits for. */
void aro_walk_init(struct aro_walk *walk);
void aro_walk_fini(struct aro_walk *walk);

/*
 * Gives the manifest that it waits for. bytes: the walk's to release, whatever the verdict.
 */
enum aro_manifest_verdict aro_walk_push(struct aro_walk *walk, uint8_t *bytes, size_t len);

/* What comes next. For CHUNK and MANIFEST *ret is its entry, content_at counted from the object's
 * first byte. */
enum aro_walk_step aro_walk_next(struct aro_walk *walk, struct aro_manifest_entry *ret);

#endif
