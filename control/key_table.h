/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of configuration keys over a file: defaults, values with their ranges, required keys, and
 * the table written out again for people. What the blocks mean and what several keys must agree on
 * is the business of the table's owner.
 *
 * Start-up only, one thread.
 */
#ifndef ARO_CONTROL_KEY_TABLE_H
#define ARO_CONTROL_KEY_TABLE_H

#include <stdio.h>

#include "control/config_values.h"
#include "control/settings.h"

enum { ARO_KEY_TABLE_MAX = 64 };

/* Constant data. Keys of one block stand together; at most ARO_KEY_TABLE_MAX keys. */
struct aro_key_table {
    const struct aro_key *keys;
    size_t count;
    bool (*titled)(const char *block); /* block "title" { }, any number of them */
};

/* Reads path against the table. NULL with *error (2001..2003). */
struct aro_settings *aro_key_table_read(const struct aro_key_table *table, const char *path,
                                        struct aro_error *error);

/* Sets every default of a block in the struct at base. A required key stays as it is. */
void aro_key_table_defaults(const struct aro_key_table *table, const char *block, void *base);

/* Takes a block's settings into the struct at base. 0, or -1 with *error (2004, 2005). */
int aro_key_table_apply(const struct aro_key_table *table, const struct aro_settings *settings,
                        const struct aro_settings_block *block, void *base,
                        struct aro_error *error);

/* Every key with sentence, range and default, as a file that may be filled in. */
void aro_key_table_template(const struct aro_key_table *table, FILE *out);

/* The same with the values at base, of one block; title: NULL for untitled ones. */
void aro_key_table_dump(const struct aro_key_table *table, const char *block, const char *title,
                        const void *base, FILE *out);

#endif
