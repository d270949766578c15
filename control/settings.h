/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a configuration file into a flat list of settings, each with the line it stands on.
 *
 *     key = value            top level, in the block named ""
 *     block { key = {a, b} } a block, at most once
 *     block "title" { ... }  a titled block, any number
 *
 * What a value means is its owner's business (control/config.c, control/profile.c): here every
 * value is text. libconfuse parses; unknown keys, repeated keys and syntax errors come back with
 * file and line, unknown ones with the key that was probably meant.
 *
 * The only file that knows libconfuse. One thread; start-up only.
 */
#ifndef ARO_CONTROL_SETTINGS_H
#define ARO_CONTROL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/base/error.h"

enum {
    ARO_SETTINGS_FILE_BYTES_MAX = 1 << 20,
    ARO_SETTINGS_KEYS_MAX = 32,
    ARO_SETTINGS_BLOCKS_MAX = 16,
};

/* One key that a file may hold. */
struct aro_key_spec {
    const char *block; /* "" for the top level */
    const char *name;
    bool list;   /* {a, b, c}; a single value counts as a list of one */
    bool titled; /* of the block: every key of a block agrees */
};

struct aro_setting {
    const char *key;
    const char *value;
    unsigned line;
};

struct aro_settings_block {
    const char *name;
    const char *title; /* "" for untitled blocks */
    unsigned line;     /* of its first setting; of its end when empty */
    struct aro_setting *settings;
    unsigned count;
};

struct aro_settings {
    const char *path;
    struct aro_settings_block *blocks; /* in file order */
    unsigned count;
};

/*
 * Reads path against `keys` (n of them, keys of one block adjacent; blocks and keys bounded by the
 * limits above). NULL with *error (2001, 2002, 2003).
 */
struct aro_settings *aro_settings_read(const char *path, const struct aro_key_spec keys[], size_t n,
                                       struct aro_error *error);
/* Whether the file gives that key in this block. */
bool aro_settings_has(const struct aro_settings_block *block, const char *key);
void aro_settings_destroy(struct aro_settings *settings); /* takes NULL */

#endif
