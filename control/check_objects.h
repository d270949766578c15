/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the store hold every object that it lists whole? Reads the manifests of each, as the disk
 * has them, and asks the index for every chunk; payloads of content are not read.
 *
 * The store goes on meanwhile: an object that is forgotten before it is judged is no problem. Runs
 * in turns on the control thread, with a reader of its own: beside a daemon's work, or alone over a
 * store that was opened read-only.
 */
#ifndef ARO_CONTROL_CHECK_OBJECTS_H
#define ARO_CONTROL_CHECK_OBJECTS_H

#include "cache/disk/check.h"

struct aro_objects_check;

/* An object that is listed and not whole. */
struct aro_object_problem {
    struct aro_id object;
    const char *problem; /* of the first chunk that is concerned */
    struct aro_id chunk; /* that one */
    bool is_manifest;    /* it is one, and what is below it was not looked at */
    uint64_t chunks;     /* concerned in all */
};

struct aro_objects_check_config {
    struct aro_store *store; /* its index is whole */
    void (*report)(void *arg, const struct aro_object_problem *problem);
    void *arg;
};

/* NULL with errno. */
struct aro_objects_check *aro_objects_check_create(const struct aro_objects_check_config *config);
void aro_objects_check_destroy(struct aro_objects_check *check); /* takes NULL */
/* A bounded turn: at most one read is started. */
enum aro_check_state aro_objects_check_turn(struct aro_objects_check *check);
uint64_t aro_objects_check_problems(const struct aro_objects_check *check);

#endif
