/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/check_objects.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/reader.h"
#include "dataplane/proto/manifest.h"

enum { LEVELS = ARO_MANIFEST_LEVEL_MAX + 1, ENTRIES_PER_TURN = 4096, READS = 8 };

/* One manifest on the way from the root down. */
struct level {
    uint8_t *buffer;
    struct aro_manifest manifest;
    uint32_t next; /* entry to look at */
};

struct aro_objects_check {
    struct aro_objects_check_config config;
    struct aro_disk_reader *reader;
    struct aro_id *object; /* [:objects] as listed at the beginning */
    uint64_t objects, at;
    bool begun; /* object[at] */
    struct aro_object_problem found;
    uint64_t problems;
    unsigned depth; /* levels in use */
    struct level level[LEVELS];
    struct aro_id id; /* of the manifest that is being read, at the nth of its places */
    struct aro_place place;
    unsigned nth;
    bool waits, mismatched;
};

static bool list_objects(struct aro_objects_check *check)
{
    const struct aro_object *object;
    struct aro_store_stats stats;

    aro_store_stats(check->config.store, &stats);
    check->object = calloc(stats.objects_now + 1, sizeof(*check->object));
    if (check->object == NULL)
        return false;
    while (check->objects < stats.objects_now &&
           (object = aro_store_object_at(check->config.store, check->objects)) != NULL)
        check->object[check->objects++] = object->id;
    return true;
}

struct aro_objects_check *aro_objects_check_create(const struct aro_objects_check_config *config)
{
    struct aro_disk_reader_config reader = {.store = config->store, .depth = READS};
    struct aro_objects_check *check = calloc(1, sizeof(*check));
    bool complete;

    if (check == NULL)
        return NULL;
    check->config = *config;
    complete = list_objects(check);
    for (unsigned i = 0; i < LEVELS; i++) {
        check->level[i].buffer = aligned_alloc(ARO_BLOCK_BYTES, ARO_CHUNK_BYTES_MAX);
        complete &= check->level[i].buffer != NULL;
    }
    if (complete)
        check->reader = aro_disk_reader_create(&reader);
    if (check->reader != NULL)
        return check;
    aro_objects_check_destroy(check);
    return NULL;
}

void aro_objects_check_destroy(struct aro_objects_check *check)
{
    if (check == NULL)
        return;
    aro_disk_reader_destroy(check->reader);
    for (unsigned i = 0; i < LEVELS; i++)
        free(check->level[i].buffer);
    free(check->object);
    free(check);
}

uint64_t aro_objects_check_problems(const struct aro_objects_check *check)
{
    return check->problems;
}

/* ---- what is found ---- */

static void note(struct aro_objects_check *check, const char *problem, const struct aro_id *chunk,
                 bool is_manifest)
{
    struct aro_object object;
    const struct aro_id *id = &check->object[check->at];

    if (aro_store_object_find(check->config.store, id, &object) != 0)
        return; /* forgotten meanwhile: its chunks may go */
    if (check->found.chunks++ == 0)
        check->found = (struct aro_object_problem){.object = *id,
                                                   .problem = problem,
                                                   .chunk = *chunk,
                                                   .is_manifest = is_manifest,
                                                   .chunks = 1};
}

/* ---- manifests ---- */

/* Begins to read it at its next place, or says that there is none. */
static void manifest_read(struct aro_objects_check *check)
{
    int result = aro_store_find(check->config.store, &check->id, check->nth, &check->place);

    if (result == 0)
        result = aro_disk_read(check->reader, &check->place, check->level[check->depth].buffer, 0);
    check->waits = result == 0;
    if (result != 0)
        note(check, check->mismatched ? "a manifest is damaged" : "a manifest is not here",
             &check->id, true);
}

static void manifest_begin(struct aro_objects_check *check, const struct aro_id *id)
{
    check->id = *id;
    check->nth = 0;
    check->mismatched = false;
    manifest_read(check);
}

/* Its bytes are here: is it what its object or the manifest above says? */
static bool manifest_open(struct aro_objects_check *check)
{
    struct level *level = &check->level[check->depth];
    enum aro_manifest_verdict verdict =
        aro_manifest_decode(level->buffer, check->place.len_bytes, &level->manifest);

    if (verdict == ARO_MANIFEST_OK && check->depth == 0)
        verdict = aro_manifest_root_check(&level->manifest);
    else if (verdict == ARO_MANIFEST_OK)
        verdict =
            aro_manifest_child_check(&level[-1].manifest, level[-1].next - 1, &level->manifest);
    level->next = 0;
    check->depth += verdict == ARO_MANIFEST_OK;
    return verdict == ARO_MANIFEST_OK;
}

static void manifest_arrived(struct aro_objects_check *check, int result)
{
    const struct aro_place *place = &check->place;

    check->waits = false;
    if (result != 0) {
        note(check, "a manifest cannot be read", &check->id, true);
    } else if (aro_place_checksum(&check->id, place->segment, place->block,
                                  check->level[check->depth].buffer,
                                  place->len_bytes) != place->checksum) {
        check->mismatched = true; /* or another's of the same fingerprint */
        check->nth++;
        manifest_read(check);
    } else if (!manifest_open(check)) {
        note(check, "a manifest is damaged", &check->id, true);
    }
}

/* ---- objects ---- */

/* The next entry of the manifests that are open. False: there is none. */
static bool entry_next(struct aro_objects_check *check)
{
    struct level *level = check->depth == 0 ? NULL : &check->level[check->depth - 1];
    struct aro_manifest_entry entry;
    struct aro_place place;

    if (level == NULL)
        return false;
    if (level->next == level->manifest.entries) {
        check->depth--;
        return true;
    }
    entry = aro_manifest_entry(&level->manifest, level->next++);
    if (level->manifest.level > 0)
        manifest_begin(check, &entry.id);
    else if (aro_store_find(check->config.store, &entry.id, 0, &place) != 0)
        note(check, "a chunk is not here", &entry.id, false);
    return true;
}

static void object_end(struct aro_objects_check *check)
{
    if (check->found.chunks > 0) {
        check->problems++;
        check->config.report(check->config.arg, &check->found);
    }
    check->found = (struct aro_object_problem){0};
    check->begun = false;
    check->at++;
}

enum aro_check_state aro_objects_check_turn(struct aro_objects_check *check)
{
    struct aro_disk_done done;

    if (check->waits) {
        aro_disk_submit(check->reader);
        if (aro_disk_reap_burst(check->reader, &done, 1) == 0)
            return ARO_CHECK_WAITS;
        manifest_arrived(check, done.result);
    }
    for (unsigned i = 0; i < ENTRIES_PER_TURN && !check->waits; i++) {
        if (check->at == check->objects)
            return ARO_CHECK_OVER;
        if (!check->begun) {
            check->begun = true;
            manifest_begin(check, &check->object[check->at]);
        } else if (!entry_next(check)) {
            object_end(check);
        }
    }
    if (check->waits)
        aro_disk_submit(check->reader);
    return ARO_CHECK_MORE;
}
