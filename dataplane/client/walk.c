/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/walk.h"

#include <stdlib.h>

static void heap_release(uint8_t *bytes)
{
    free(bytes);
}

void aro_walk_init(struct aro_walk *walk)
{
    *walk = (struct aro_walk){.waiting = true, .release = heap_release};
}

void aro_walk_fini(struct aro_walk *walk)
{
    while (walk->depth > 0)
        walk->release(walk->levels[--walk->depth].bytes);
}

enum aro_manifest_verdict aro_walk_push(struct aro_walk *walk, uint8_t *bytes, size_t len)
{
    struct aro_manifest manifest = {.bytes = NULL};
    enum aro_manifest_verdict verdict = aro_manifest_decode(bytes, len, &manifest);

    if (verdict == ARO_MANIFEST_OK && walk->depth == 0)
        verdict = aro_manifest_root_check(&manifest);
    else if (verdict == ARO_MANIFEST_OK)
        verdict = aro_manifest_child_check(&walk->levels[walk->depth - 1].manifest, walk->pending,
                                           &manifest);
    if (verdict != ARO_MANIFEST_OK) {
        walk->release(bytes);
        return verdict;
    }
    /* a child is one level lower than its parent, so depth stays within the levels */
    walk->levels[walk->depth].bytes = bytes;
    walk->levels[walk->depth].manifest = manifest;
    walk->levels[walk->depth].next = 0;
    walk->depth++;
    walk->waiting = false;
    return ARO_MANIFEST_OK;
}

/* Moves to the next entry that is wanted. False: nothing is left. */
static bool walk_advance(struct aro_walk *walk)
{
    while (walk->depth > 0) {
        const struct aro_manifest *manifest = &walk->levels[walk->depth - 1].manifest;
        uint32_t *next = &walk->levels[walk->depth - 1].next;
        if (*next == manifest->entries) {
            walk->release(walk->levels[--walk->depth].bytes);
            continue;
        }
        uint64_t content_bytes = aro_manifest_entry(manifest, *next).content_bytes;
        if (walk->at + content_bytes > walk->first || content_bytes == 0)
            return true;
        walk->at += content_bytes;
        ++*next;
    }
    return false;
}

enum aro_walk_step aro_walk_next(struct aro_walk *walk, struct aro_manifest_entry *ret)
{
    if (walk->waiting)
        return ARO_WALK_WAIT;
    if (!walk_advance(walk))
        return ARO_WALK_END;

    const struct aro_manifest *manifest = &walk->levels[walk->depth - 1].manifest;
    walk->pending = walk->levels[walk->depth - 1].next++;
    *ret = aro_manifest_entry(manifest, walk->pending);
    ret->content_at = walk->at;
    walk->waiting = manifest->level > 0;
    if (walk->waiting)
        return ARO_WALK_MANIFEST;
    walk->at += ret->content_bytes;
    return ARO_WALK_CHUNK;
}
