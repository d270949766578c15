/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/descent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = ARO_MANIFEST_LEVEL_MAX + 1 };

/* One manifest on the way from the root down. */
struct level {
    struct aro_fetch fetch; /* first: its callback gets it */
    struct aro_descent *walk;
    struct aro_manifest manifest;
    uint64_t content_at;
    uint32_t next; /* entry to hand out */
};

struct aro_descent {
    struct aro_content *content;
    bool disk_first;
    bool waits;
    bool root_known;
    int failed; /* -errno */
    enum aro_manifest_verdict verdict;
    unsigned depth; /* levels in use; 0: the root is to be handed out first */
    struct level level[LEVELS];
};

static void on_manifest(struct aro_fetch *fetch, int result);

/* Fetches manifest id into the level below the deepest one. */
static void descend(struct aro_descent *walk, const struct aro_id *id, uint64_t content_at)
{
    struct level *level = &walk->level[walk->depth++];

    level->walk = walk;
    level->next = 0;
    level->content_at = content_at;
    level->fetch.done = on_manifest;
    level->fetch.id = *id;
    level->fetch.disk_first = walk->disk_first;
    if (level->fetch.buffer == NULL)
        level->fetch.buffer = aligned_alloc(4096, ARO_FETCH_BUFFER_BYTES);
    if (level->fetch.buffer == NULL) {
        walk->failed = -ENOMEM;
        return;
    }
    walk->waits = true;
    aro_content_fetch(walk->content, &level->fetch);
}

static void on_manifest(struct aro_fetch *fetch, int result)
{
    struct level *level = (struct level *)(void *)fetch;
    struct aro_descent *walk = level->walk;
    struct level *parent = level > walk->level ? level - 1 : NULL;

    walk->waits = false;
    walk->failed = result;
    if (result != 0)
        return;
    walk->verdict = aro_manifest_decode(fetch->buffer, fetch->len_bytes, &level->manifest);
    if (walk->verdict == ARO_MANIFEST_OK)
        walk->verdict =
            parent == NULL
                ? aro_manifest_root_check(&level->manifest)
                : aro_manifest_child_check(&parent->manifest, parent->next - 1, &level->manifest);
    if (walk->verdict != ARO_MANIFEST_OK)
        walk->failed = -EBADMSG;
    walk->root_known |= walk->failed == 0 && parent == NULL;
}

struct aro_descent *aro_descent_create(struct aro_content *content, const struct aro_id *root,
                                       bool disk_first)
{
    struct aro_descent *walk = calloc(1, sizeof(*walk));

    if (walk == NULL)
        return NULL;
    walk->content = content;
    walk->disk_first = disk_first;
    walk->level[0].fetch.id = *root;
    return walk;
}

void aro_descent_destroy(struct aro_descent *walk)
{
    if (walk == NULL)
        return;
    for (unsigned i = 0; i < LEVELS; i++)
        free(walk->level[i].fetch.buffer);
    free(walk);
}

/* Leaves manifests whose entries are all handed out. */
static struct level *ascend(struct aro_descent *walk)
{
    while (walk->depth > 0) {
        struct level *level = &walk->level[walk->depth - 1];
        if (level->next < level->manifest.entries)
            return level;
        walk->depth--;
    }
    return NULL;
}

int aro_descent_next(struct aro_descent *walk, struct aro_descent_item *ret)
{
    struct aro_manifest_entry entry;
    struct level *level;

    if (walk->failed != 0)
        return walk->failed;
    if (walk->waits)
        return -EAGAIN;
    if (!walk->root_known) {
        struct aro_id root = walk->level[0].fetch.id;
        descend(walk, &root, 0);
        *ret = (struct aro_descent_item){.id = root, .is_manifest = true};
        return walk->failed != 0 ? walk->failed : 1;
    }
    level = ascend(walk);
    if (level == NULL)
        return 0;
    entry = aro_manifest_entry(&level->manifest, level->next++);
    *ret = (struct aro_descent_item){.id = entry.id,
                                     .len_bytes = entry.len_bytes,
                                     .is_manifest = level->manifest.level > 0,
                                     .content_at = level->content_at + entry.content_at};
    if (ret->is_manifest)
        descend(walk, &entry.id, ret->content_at);
    return walk->failed != 0 ? walk->failed : 1;
}

bool aro_descent_waits(const struct aro_descent *walk)
{
    return walk->waits;
}

const struct aro_manifest *aro_descent_root(const struct aro_descent *walk)
{
    return walk->root_known ? &walk->level[0].manifest : NULL;
}

void aro_descent_error(const struct aro_descent *walk, struct aro_error *error)
{
    const struct level *level = &walk->level[walk->depth > 0 ? walk->depth - 1 : 0];
    char text[ARO_ID_TEXT_MAX];

    aro_id_format(&level->fetch.id, ARO_KIND_CHUNK, text);
    if (walk->verdict != ARO_MANIFEST_OK)
        aro_error_set(error, ARO_E_DAMAGED, "manifest %s: %s", text,
                      aro_manifest_verdict_text(walk->verdict));
    else if (walk->failed == -ENOENT)
        aro_error_set(error, ARO_E_NOT_HERE, "manifest %s is not here", text);
    else
        aro_error_set(error, ARO_E_DAMAGED, "manifest %s cannot be read: %s", text,
                      walk->failed == -EBADMSG ? "its bytes do not match its id"
                                               : strerror(-walk->failed));
}
