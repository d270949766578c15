/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/names_db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SCHEMA_VERSION = 1,
    BUSY_MS = 2000,
    PATH_BYTES = 512,
    TRIM_SHARE = 64, /* of the table goes at once when it is full */
};

#define COLUMNS                                                                                    \
    "name, object, bytes, content_type, etag, last_modified, url, fetched_unix, expires_unix, "    \
    "stale_unix"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS names(name TEXT PRIMARY KEY NOT NULL, object TEXT NOT NULL, "
    "bytes INTEGER NOT NULL, content_type TEXT, etag TEXT, last_modified TEXT, "
    "url TEXT, fetched_unix INTEGER NOT NULL, expires_unix INTEGER, stale_unix INTEGER) "
    "WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS names_by_age ON names(url IS NULL, fetched_unix);"
    "CREATE INDEX IF NOT EXISTS names_by_url ON names(url);"
    "PRAGMA user_version = 1;";

enum statement {
    FIND,
    KEEP,
    FORGET,
    PURGE_PREFIX,
    PURGE_URL,
    LIST,
    EXISTS,
    COUNT_BY_HAND,
    TRIM,
    STATEMENTS,
};

/* A prefix is a range: names are printable ASCII, so 0x7f is above all that begin with it. */
#define HAS_PREFIX "name >= ?1 AND name < ?1 || char(127)"

static const char list_text[] =
    "SELECT " COLUMNS " FROM names WHERE name > ?2 AND " HAS_PREFIX " ORDER BY name LIMIT ?3";
static const char trim_text[] = "DELETE FROM names WHERE name IN (SELECT name FROM names "
                                "ORDER BY url IS NULL, fetched_unix LIMIT ?1)";

static const char *const texts[STATEMENTS] = {
    [FIND] = "SELECT " COLUMNS " FROM names WHERE name = ?1",
    [KEEP] = "INSERT OR REPLACE INTO names(" COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
    [FORGET] = "DELETE FROM names WHERE name = ?1",
    [PURGE_PREFIX] = "DELETE FROM names WHERE " HAS_PREFIX,
    [PURGE_URL] = "DELETE FROM names WHERE url = ?1",
    [LIST] = list_text,
    [EXISTS] = "SELECT 1 FROM names WHERE name = ?1",
    [COUNT_BY_HAND] = "SELECT count(*) FROM names WHERE url IS NULL AND name != ?1",
    [TRIM] = trim_text,
};

static const char count[] = "SELECT count(*) FROM names";

struct aro_names_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statement[STATEMENTS];
    uint64_t rows, rows_max;
    bool damaged;
};

/* ---- opening ---- */

static bool is_damage(int code)
{
    code &= 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

static int execute(struct aro_names_db *db, const char *text)
{
    int code = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);

    db->damaged |= is_damage(code);
    return code == SQLITE_OK ? 0 : -EIO;
}

/* The first column of the first row, or absent. */
static int64_t number_of(struct aro_names_db *db, const char *text, int64_t absent)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = absent;

    if (sqlite3_prepare_v2(db->sqlite, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    db->damaged |= is_damage(sqlite3_errcode(db->sqlite));
    sqlite3_finalize(statement);
    return value;
}

/* Every page is looked at: damage shows now, not in the middle of somebody's question. */
static bool check(struct aro_names_db *db)
{
    sqlite3_stmt *statement = NULL;
    bool sound = false;

    if (sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        sound = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    return sound;
}

static int prepare(struct aro_names_db *db)
{
    int64_t version;

    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, BUSY_MS);
    if (execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL") != 0)
        return -EIO;
    version = number_of(db, "PRAGMA user_version", -1);
    if (version > SCHEMA_VERSION || (version >= 0 && !check(db)))
        db->damaged = true; /* a newer program's table is none that we can read */
    if (version < 0 || db->damaged)
        return -EIO;
    if (execute(db, schema) != 0) {
        /* columns are missing: a table of that name, but not ours */
        db->damaged |= (sqlite3_errcode(db->sqlite) & 0xff) == SQLITE_ERROR;
        return -EIO;
    }
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sqlite, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statement[i], NULL) == SQLITE_OK)
            continue;
        db->damaged = true;
        return -EIO;
    }
    db->rows = (uint64_t)number_of(db, count, 0);
    return 0;
}

static struct aro_names_db *try_open(const char *path, uint64_t rows_max, bool *ret_damaged)
{
    struct aro_names_db *db = calloc(1, sizeof(*db));

    *ret_damaged = false;
    if (db == NULL)
        return NULL;
    db->rows_max = rows_max;
    if (sqlite3_open_v2(path, &db->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK &&
        prepare(db) == 0)
        return db;
    *ret_damaged = db->damaged;
    aro_names_db_close(db);
    errno = EIO;
    return NULL;
}

static void set_aside(const char *path)
{
    char other[PATH_BYTES + 16];

    snprintf(other, sizeof(other), "%s.damaged", path);
    rename(path, other);
    snprintf(other, sizeof(other), "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof(other), "%s-shm", path);
    unlink(other);
}

struct aro_names_db *aro_names_db_open(const char *dir, uint64_t rows_max, uint64_t *damaged)
{
    char path[PATH_BYTES] = ":memory:";
    struct aro_names_db *db;
    bool is_damaged;

    if (dir != NULL && snprintf(path, sizeof(path), "%s/names.db", dir) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    db = try_open(path, rows_max, &is_damaged);
    if (db == NULL && is_damaged && dir != NULL) {
        set_aside(path);
        ++*damaged;
        db = try_open(path, rows_max, &is_damaged);
    }
    return db;
}

void aro_names_db_close(struct aro_names_db *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statement[i]);
    sqlite3_close(db->sqlite);
    free(db);
}

bool aro_names_db_is_damaged(const struct aro_names_db *db)
{
    return db->damaged;
}

uint64_t aro_names_db_rows(const struct aro_names_db *db)
{
    return db->rows;
}

/* ---- rows ---- */

static void bind_text(sqlite3_stmt *to, int at, const char *text)
{
    if (*text == '\0')
        sqlite3_bind_null(to, at);
    else
        sqlite3_bind_text(to, at, text, -1, SQLITE_STATIC);
}

static void bind_row(sqlite3_stmt *to, const struct aro_name *row)
{
    char object[ARO_ID_TEXT_MAX];

    bind_text(to, 1, row->name);
    aro_id_format(&row->object, ARO_KIND_OBJECT, object);
    sqlite3_bind_text(to, 2, object, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(to, 3, (sqlite3_int64)row->bytes);
    bind_text(to, 4, row->type);
    bind_text(to, 5, row->etag);
    bind_text(to, 6, row->last_modified);
    bind_text(to, 7, row->url);
    sqlite3_bind_int64(to, 8, row->fetched_unix);
    if (row->expires_unix == INT64_MAX)
        sqlite3_bind_null(to, 9);
    else
        sqlite3_bind_int64(to, 9, row->expires_unix);
    sqlite3_bind_int64(to, 10, row->stale_unix);
}

/* What is longer than ours, or not printable, was not written by us: it counts as absent. */
static void take_text(sqlite3_stmt *from, int at, char *to, size_t room)
{
    const char *text = (const char *)sqlite3_column_text(from, at);
    size_t length = text != NULL ? strlen(text) : room;

    *to = '\0';
    if (length >= room)
        return;
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return;
    memcpy(to, text, length + 1);
}

static bool take_row(sqlite3_stmt *from, struct aro_name *to)
{
    char object[ARO_ID_TEXT_MAX];
    enum aro_kind kind;

    take_text(from, 0, to->name, sizeof(to->name));
    take_text(from, 1, object, sizeof(object));
    to->bytes = (uint64_t)sqlite3_column_int64(from, 2);
    take_text(from, 3, to->type, sizeof(to->type));
    take_text(from, 4, to->etag, sizeof(to->etag));
    take_text(from, 5, to->last_modified, sizeof(to->last_modified));
    take_text(from, 6, to->url, sizeof(to->url));
    to->fetched_unix = sqlite3_column_int64(from, 7);
    to->expires_unix =
        sqlite3_column_type(from, 8) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(from, 8);
    to->stale_unix = sqlite3_column_int64(from, 9);
    return to->name[0] != '\0' && aro_id_parse(object, &to->object, &kind) == 0 &&
           kind == ARO_KIND_OBJECT;
}

/* ---- verbs ---- */

static int step(struct aro_names_db *db, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    db->damaged |= is_damage(code);
    return code;
}

static void rest(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* Runs a change to its end: rows changed, or -EIO. */
static int64_t change(struct aro_names_db *db, sqlite3_stmt *statement)
{
    int code = step(db, statement);

    rest(statement);
    return code == SQLITE_DONE ? sqlite3_changes64(db->sqlite) : -EIO;
}

static int find(struct aro_names_db *db, const char *name, struct aro_name *row)
{
    sqlite3_stmt *statement = db->statement[FIND];
    int result = -ENOENT, code;

    bind_text(statement, 1, name);
    code = step(db, statement);
    if (code == SQLITE_ROW && take_row(statement, row))
        result = 0;
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = -EIO;
    rest(statement);
    return result;
}

/* The oldest leave, a share of the table at a time; rows set by hand last. */
static void trim(struct aro_names_db *db)
{
    sqlite3_stmt *statement = db->statement[TRIM];
    int64_t gone;

    if (db->rows <= db->rows_max)
        return;
    db->rows = (uint64_t)number_of(db, count, 0); /* others may have written, too */
    if (db->rows <= db->rows_max)
        return;
    sqlite3_bind_int64(statement, 1,
                       (sqlite3_int64)(db->rows - db->rows_max + db->rows_max / TRIM_SHARE));
    gone = change(db, statement);
    db->rows -= gone > 0 ? (uint64_t)gone : 0;
}

static bool exists(struct aro_names_db *db, const char *name)
{
    sqlite3_stmt *statement = db->statement[EXISTS];
    bool found;

    bind_text(statement, 1, name);
    found = step(db, statement) == SQLITE_ROW;
    rest(statement);
    return found;
}

static int keep(struct aro_names_db *db, const struct aro_name *row)
{
    sqlite3_stmt *statement = db->statement[KEEP];
    bool known = exists(db, row->name);

    bind_row(statement, row);
    if (change(db, statement) < 0)
        return -EIO;
    db->rows += !known;
    trim(db);
    return 0;
}

/* Rows set by hand never leave by themselves, so they may not fill the table. */
static int set(struct aro_names_db *db, const struct aro_name *row)
{
    sqlite3_stmt *statement = db->statement[COUNT_BY_HAND];
    uint64_t by_hand = 0;

    bind_text(statement, 1, row->name);
    if (step(db, statement) == SQLITE_ROW)
        by_hand = (uint64_t)sqlite3_column_int64(statement, 0);
    rest(statement);
    return by_hand >= db->rows_max ? -ENOSPC : keep(db, row);
}

static int purge(struct aro_names_db *db, enum statement which, const char *text, uint64_t *ret)
{
    sqlite3_stmt *statement = db->statement[which];
    int64_t gone;

    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    gone = change(db, statement);
    *ret = gone > 0 ? (uint64_t)gone : 0;
    db->rows -= *ret < db->rows ? *ret : db->rows;
    return gone >= 0 ? 0 : -EIO;
}

static int list(struct aro_names_db *db, struct aro_names_op *op)
{
    sqlite3_stmt *statement = db->statement[LIST];
    uint64_t rows = 0;
    int code = SQLITE_DONE;

    sqlite3_bind_text(statement, 1, op->text, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, op->after, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)op->count);
    while (rows < op->count && (code = step(db, statement)) == SQLITE_ROW)
        rows += take_row(statement, &op->row[rows]);
    rest(statement);
    op->count = rows;
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -EIO;
}

/* What an operator did is on disk before he hears of it. */
static int synced(struct aro_names_db *db, int (*run)(struct aro_names_db *, struct aro_names_op *),
                  struct aro_names_op *op)
{
    int result;

    execute(db, "PRAGMA synchronous = FULL");
    result = run(db, op);
    execute(db, "PRAGMA synchronous = NORMAL");
    return result;
}

static int run_set(struct aro_names_db *db, struct aro_names_op *op)
{
    return set(db, op->row);
}

static int run_purge(struct aro_names_db *db, struct aro_names_op *op)
{
    enum statement which = op->verb == ARO_NAMES_PURGE_PREFIX ? PURGE_PREFIX
                           : op->verb == ARO_NAMES_PURGE_URL  ? PURGE_URL
                                                              : FORGET;

    return purge(db, which, op->text, &op->count);
}

void aro_names_db_run(struct aro_names_db *db, struct aro_names_op *op)
{
    switch (op->verb) {
    case ARO_NAMES_FIND:
        op->result = find(db, op->text, op->row);
        break;
    case ARO_NAMES_KEEP:
        op->result = keep(db, op->row);
        break;
    case ARO_NAMES_SET:
        op->result = synced(db, run_set, op);
        break;
    case ARO_NAMES_FORGET:
        op->result = run_purge(db, op);
        break;
    case ARO_NAMES_PURGE_NAME:
    case ARO_NAMES_PURGE_PREFIX:
    case ARO_NAMES_PURGE_URL:
        op->result = synced(db, run_purge, op);
        break;
    case ARO_NAMES_LIST:
        op->result = list(db, op);
        break;
    }
}
