/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/check_store.h"

#include <errno.h>
#include <string.h>

#include "cache/disk/check.h"
#include "control/check_objects.h"
#include "control/secret.h"

enum { RING_DEPTH = 64, READERS = 1 };

static void report(void *arg, const struct aro_walk_item *item, bool quarantined)
{
    char id[ARO_ID_TEXT_MAX], code[16];
    FILE *out = arg;

    (void)quarantined;
    if (item->of_log)
        fprintf(out, "%s objects.log", aro_error_tag(ARO_E_STORE_OBJECT, code));
    else if (item->place.segment == 0)
        fputs("store", out);
    else
        fprintf(out, "segment %u", item->place.segment);
    if (item->has_record)
        fprintf(out, " record %u", item->record);
    if (item->has_chunk)
        fprintf(out, " block %u %s", item->place.block,
                aro_id_format(&item->id, ARO_KIND_CHUNK, id));
    fprintf(out, ": %s%s%s\n", item->problem, item->error != 0 ? ": " : "",
            item->error != 0 ? strerror(-item->error) : "");
}

static void report_object(void *arg, const struct aro_object_problem *problem)
{
    char object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX], code[16];

    fprintf(arg, "%s object %s: %s: %s%s", aro_error_tag(ARO_E_STORE_OBJECT, code),
            aro_id_format(&problem->object, ARO_KIND_OBJECT, object), problem->problem,
            aro_id_format(&problem->chunk, ARO_KIND_CHUNK, chunk), problem->chunks > 1 ? "" : "\n");
    if (problem->chunks > 1)
        fprintf(arg, ", and %llu more\n", (unsigned long long)problem->chunks - 1);
}

/* How many objects are not whole; UINT64_MAX with *error. */
static uint64_t check_objects(struct aro_store *store, FILE *out, struct aro_error *error)
{
    struct aro_objects_check_config config = {.store = store, .report = report_object, .arg = out};
    struct aro_objects_check *check = aro_objects_check_create(&config);
    uint64_t problems;

    if (check == NULL) {
        aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to check the objects of the store");
        return UINT64_MAX;
    }
    while (aro_objects_check_turn(check) != ARO_CHECK_OVER)
        ;
    problems = aro_objects_check_problems(check);
    aro_objects_check_destroy(check);
    return problems;
}

static int check_opened(struct aro_store *store, struct aro_uring *ring, FILE *out,
                        struct aro_error *error)
{
    struct aro_check_config config = {.store = store, .report = report, .arg = out};
    struct aro_check *check = aro_check_create(&config);
    enum aro_check_state state = ARO_CHECK_MORE;
    struct aro_store_stats found;
    struct aro_check_stats stats;
    uint64_t objects;

    if (check == NULL)
        return aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to check the store");
    while (state != ARO_CHECK_OVER) {
        state = aro_check_turn(check, 0);
        if (state == ARO_CHECK_WAITS && aro_uring_wait(ring) == 0)
            aro_uring_reap(ring, RING_DEPTH);
    }
    aro_check_stats(check, &stats);
    aro_check_destroy(check);
    objects = check_objects(store, out, error);
    if (objects == UINT64_MAX)
        return -1;
    stats.problems += objects;
    aro_store_stats(store, &found);
    if (found.recovered_torn + found.objects_dropped > 0)
        fprintf(out,
                "the next start drops %llu records that do not verify and %llu objects without "
                "their manifest\n",
                (unsigned long long)found.recovered_torn,
                (unsigned long long)found.objects_dropped);
    fprintf(out, "%s: %llu segments, %llu chunks, %llu objects, %llu problems\n",
            stats.problems == 0 ? "ok" : "DAMAGED", (unsigned long long)stats.segments,
            (unsigned long long)stats.chunks, (unsigned long long)found.objects_now,
            (unsigned long long)stats.problems);
    return stats.problems == 0 ? 0 : ARO_EXIT_DAMAGED;
}

static int check_disk(const struct aro_disk_config *disk, FILE *out, struct aro_error *error)
{
    struct aro_store_config opened = {.path = disk->path,
                                      .size_bytes = disk->size_bytes,
                                      .segment_bytes = disk->segment_bytes,
                                      .read_only = true};
    struct aro_store *store;
    struct aro_qsbr qsbr;
    int result;

    aro_qsbr_init(&qsbr, READERS);
    opened.seed = secret();
    opened.qsbr = &qsbr;
    opened.ring = aro_uring_create(RING_DEPTH);
    if (opened.ring == NULL)
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "io_uring: %s", strerror(errno));
    store = aro_store_open(&opened, NULL, NULL, error);
    result = store == NULL ? -1 : check_opened(store, opened.ring, out, error);
    aro_store_close(store);
    aro_uring_destroy(opened.ring);
    return result;
}

/* All are looked at; the first that cannot be opened, else damage, is the answer. */
int aro_check_store_offline(const struct aro_config *config, FILE *out, struct aro_error *error)
{
    struct aro_error another;
    int result = 0;

    if (config->disks == 0)
        return aro_error_set(error, ARO_E_NO_STORE, "the configuration has no store");
    for (unsigned i = 0; i < config->disks; i++) {
        int one;
        if (config->disks > 1)
            fprintf(out, "store %s at %s\n", config->disk[i].name, config->disk[i].path);
        one = check_disk(&config->disk[i], out, result < 0 ? &another : error);
        if (one < 0 && config->disks > 1)
            fprintf(out, "cannot be opened: %s\n", result < 0 ? another.text : error->text);
        if (result >= 0 && one != 0)
            result = one;
    }
    return result;
}
