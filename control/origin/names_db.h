/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The database behind the table of names (control/origin/names.h): one connection, prepared
 * statements, the schema, and what happens when the file is damaged. The only place that knows
 * SQLite. May block: the names' own thread only.
 */
#ifndef ARO_CONTROL_ORIGIN_NAMES_DB_H
#define ARO_CONTROL_ORIGIN_NAMES_DB_H

#include "control/origin/names.h"

struct aro_names_db;

/*
 * Opens dir/names.db (NULL: memory), making it when there is none. What cannot be read as ours is
 * renamed to names.db.damaged (replacing an older one) and counted in *damaged. NULL with errno.
 */
struct aro_names_db *aro_names_db_open(const char *dir, uint64_t rows_max, uint64_t *damaged);
void aro_names_db_close(struct aro_names_db *db); /* takes NULL */

/* Runs op: its result, count and rows. -EIO also when the file was just found damaged. */
void aro_names_db_run(struct aro_names_db *db, struct aro_names_op *op);
/* The last failure was damage: close, open again. */
bool aro_names_db_is_damaged(const struct aro_names_db *db);
uint64_t aro_names_db_rows(const struct aro_names_db *db);

#endif
