/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/settings.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/api/suggest.h"

/*
 * libconfuse hands its callbacks no argument of ours, so every section carries a hidden option
 * that points at the state of the parse. It also takes the end of the file for a closing brace:
 * the hidden option is set once more behind the last line, where only the top level may be open.
 */
#define CONTEXT_KEY "__context"
#define END_MARK    "\n" CONTEXT_KEY " = end\n"

struct parse {
    struct aro_settings *settings;
    const cfg_t *section[256]; /* of settings->blocks[i] */
    const struct aro_key_spec *keys;
    size_t n;
    struct aro_error *error;
    int end_line; /* where the end mark stands */
    bool failed, ended;
};

enum { SECTIONS_MAX = sizeof(((struct parse *)0)->section) / sizeof(void *) };

static const char *block_name(const cfg_t *cfg)
{
    const char *name = cfg_name((cfg_t *)(uintptr_t)cfg);

    return strcmp(name, "root") == 0 ? "" : name;
}

static struct parse *context(cfg_t *cfg)
{
    return cfg_getptr(cfg, CONTEXT_KEY);
}

/* The first failure is the one that people need; libconfuse may report more behind it. */
#define FAIL(parse, cfg, id, format, ...)                                                          \
    do {                                                                                           \
        if (!(parse)->failed)                                                                      \
            aro_error_set((parse)->error, id, "%s:%d: " format, (parse)->settings->path,           \
                          (cfg)->line, __VA_ARGS__);                                               \
        (parse)->failed = true;                                                                    \
    } while (0)

static void unknown_key(struct parse *parse, const cfg_t *cfg, const char *key)
{
    struct aro_suggestion best = {0};
    const char *here = block_name(cfg);
    char where[96] = "";

    for (size_t i = 0; i < parse->n; i++) {
        if (strcmp(parse->keys[i].block, here) == 0)
            aro_suggest(&best, key, parse->keys[i].name);
        else if (*here == '\0')
            aro_suggest(&best, key, parse->keys[i].block);
    }
    if (*here != '\0')
        snprintf(where, sizeof(where), " in block '%s'", here);
    if (best.word != NULL) {
        FAIL(parse, cfg, ARO_E_CONFIG_UNKNOWN_KEY, "unknown key '%s'%s; did you mean '%s'?", key,
             where, best.word);
        return;
    }
    for (size_t i = 0; i < parse->n; i++)
        if (strcmp(parse->keys[i].name, key) == 0 && strcmp(parse->keys[i].block, here) != 0)
            FAIL(parse, cfg, ARO_E_CONFIG_UNKNOWN_KEY,
                 "unknown key '%s'%s; that key belongs into block '%s'", key, where,
                 *parse->keys[i].block == '\0' ? "(top level)" : parse->keys[i].block);
    FAIL(parse, cfg, ARO_E_CONFIG_UNKNOWN_KEY, "unknown key '%s'%s", key, where);
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list args)
{
    struct parse *parse = context(cfg);
    char text[256];

    if (strncmp(format, "no such option", 14) == 0) {
        unknown_key(parse, cfg, va_arg(args, const char *));
        return;
    }
    vsnprintf(text, sizeof(text), format, args);
    FAIL(parse, cfg, ARO_E_CONFIG_SYNTAX, "%s", text);
}

static struct aro_settings_block *block_of(struct parse *parse, const cfg_t *cfg)
{
    struct aro_settings *settings = parse->settings;
    struct aro_settings_block *grown;

    for (unsigned i = 0; i < settings->count; i++)
        if (parse->section[i] == cfg)
            return &settings->blocks[i];
    if (settings->count == SECTIONS_MAX)
        return NULL;
    grown = reallocarray(settings->blocks, settings->count + 1, sizeof(*grown));
    if (grown == NULL)
        return NULL;
    settings->blocks = grown;
    parse->section[settings->count] = cfg;
    grown += settings->count++;
    *grown = (struct aro_settings_block){
        .name = strdup(block_name(cfg)),
        .title = strdup(cfg_title((cfg_t *)(uintptr_t)cfg) ?: ""),
        .line = (unsigned)cfg->line,
    };
    return grown;
}

static int on_mark(struct parse *parse, const cfg_t *cfg)
{
    if (cfg->line < parse->end_line)
        unknown_key(parse, cfg, CONTEXT_KEY);
    else if (*block_name(cfg) != '\0')
        FAIL(parse, cfg, ARO_E_CONFIG_SYNTAX, "block '%s' is not closed: '}' is missing",
             block_name(cfg));
    parse->ended = true;
    return parse->failed ? -1 : 0;
}

/* libconfuse: one value of one key. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct parse *parse = context(cfg);
    struct aro_settings_block *block;
    struct aro_setting *grown;

    *(void **)result = NULL;
    if (strcmp(opt->name, CONTEXT_KEY) == 0)
        return on_mark(parse, cfg);
    block = block_of(parse, cfg);
    if (block == NULL) {
        FAIL(parse, cfg, ARO_E_CONFIG_SYNTAX, "%s", "too many blocks, or no memory for them");
        return -1;
    }
    for (unsigned i = 0; i < block->count; i++)
        if (strcmp(block->settings[i].key, opt->name) == 0 && opt->nvalues <= 1) {
            FAIL(parse, cfg, ARO_E_CONFIG_SYNTAX, "key '%s' is given twice, first on line %u",
                 opt->name, block->settings[i].line);
            return -1;
        }
    grown = reallocarray(block->settings, block->count + 1, sizeof(*grown));
    if (grown == NULL)
        return -1;
    block->settings = grown;
    grown[block->count++] = (struct aro_setting){
        .key = strdup(opt->name), .value = strdup(value), .line = (unsigned)cfg->line};
    return 0;
}

/* Titled blocks without a single setting. */
static void add_empty_blocks(struct parse *parse, cfg_t *root, const cfg_opt_t *options)
{
    for (; options->name != NULL; options++) {
        if (options->type != CFGT_SEC || !(options->flags & CFGF_TITLE))
            continue;
        for (unsigned i = 0; i < cfg_size(root, options->name); i++)
            block_of(parse, cfg_getnsec(root, options->name, i));
    }
}

/* ---- option tables for libconfuse ---- */

struct tables {
    cfg_opt_t root[ARO_SETTINGS_KEYS_MAX + ARO_SETTINGS_BLOCKS_MAX + 2];
    cfg_opt_t block[ARO_SETTINGS_BLOCKS_MAX][ARO_SETTINGS_KEYS_MAX + 2];
    void *parse;
};

static cfg_opt_t *add_option(cfg_opt_t *to, const char *name, bool list)
{
    cfg_flag_t flags = CFGF_NODEFAULT | (list ? CFGF_LIST : CFGF_NONE);

    *to = (cfg_opt_t)CFG_PTR_CB(name, NULL, flags, on_value, NULL);
    return to + 1;
}

static cfg_opt_t *end_options(cfg_opt_t *to, struct tables *tables)
{
    *to = (cfg_opt_t)__CFG_PTR(CONTEXT_KEY, NULL, CFGF_NODEFAULT, &tables->parse, on_value, NULL);
    to[1] = (cfg_opt_t)CFG_END();
    return to;
}

static void tables_fill(struct tables *tables, const struct aro_key_spec keys[], size_t n)
{
    cfg_opt_t *root = tables->root;
    unsigned blocks = 0;

    for (size_t i = 0; i < n;) {
        const char *block = keys[i].block;
        bool top = *block == '\0';
        cfg_flag_t flags =
            keys[i].titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE;
        cfg_opt_t *first = tables->block[blocks], *at = top ? root : first;

        for (; i < n && strcmp(keys[i].block, block) == 0; i++)
            at = add_option(at, keys[i].name, keys[i].list);
        if (top) {
            root = at;
        } else {
            end_options(at, tables);
            *root++ = (cfg_opt_t)CFG_SEC(block, first, flags);
            blocks++;
        }
    }
    end_options(root, tables);
}

/* ---- the text ---- */

/* The end of what starts at `at`: a quoted string, or NULL when it has none. */
static char *quote_end(char *at)
{
    char quote = *at++;

    for (; *at != '\0' && *at != quote; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at != '\0' ? at + 1 : NULL;
}

/* The end of a comment at `at`; at itself when there is none. `fresh`: a word could start here. */
static char *comment_end(char *at, bool fresh)
{
    char *end;

    if (*at == '#' || (fresh && at[0] == '/' && at[1] == '/'))
        return at + strcspn(at, "\n");
    if (!fresh || at[0] != '/' || at[1] != '*')
        return at;
    end = strstr(at + 2, "*/");
    return end != NULL ? end + 2 : at; /* libconfuse reports one without an end */
}

/* libconfuse counts the lines of comments wrong: it gets blanks instead, newlines in their place.
 */
static void comments_blank(char *at)
{
    bool fresh = true;

    while (at != NULL && *at != '\0') {
        char *end = comment_end(at, fresh);
        if (end > at) {
            for (; at < end; at++)
                *at = *at == '\n' ? '\n' : ' ';
            fresh = true;
        } else if (*at == '"' || *at == '\'') {
            at = quote_end(at);
            fresh = true;
        } else {
            fresh = strchr(" \t\r\n={}(),", *at) != NULL;
            at++;
        }
    }
}

/* The whole file as a string: libconfuse ends the process when it cannot read on (a directory). */
static char *slurp(const char *path, struct aro_error *error)
{
    char *text = calloc(1, ARO_SETTINGS_FILE_BYTES_MAX + sizeof(END_MARK));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = -1;

    while (text != NULL && fd >= 0 && length <= ARO_SETTINGS_FILE_BYTES_MAX) {
        got = read(fd, text + length, ARO_SETTINGS_FILE_BYTES_MAX + 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    if (got != 0) {
        aro_error_set(error, ARO_E_CONFIG_READ, "%s: %s", path,
                      got > 0 ? "larger than 1 MiB: not a configuration" : strerror(errno));
        free(text);
        text = NULL;
    } else if (memchr(text, '\0', length) != NULL) {
        aro_error_set(error, ARO_E_CONFIG_READ, "%s: holds a NUL byte: not a text file", path);
        free(text);
        text = NULL;
    } else {
        comments_blank(text);
        memcpy(text + length, END_MARK, sizeof(END_MARK));
    }
    if (fd >= 0)
        close(fd);
    return text;
}

struct aro_settings *aro_settings_read(const char *path, const struct aro_key_spec keys[], size_t n,
                                       struct aro_error *error)
{
    struct parse parse = {.keys = keys, .n = n, .error = error};
    struct tables *tables = calloc(1, sizeof(*tables));
    char *text = slurp(path, error);
    cfg_t *cfg = NULL;

    parse.settings = calloc(1, sizeof(*parse.settings));
    if (tables == NULL || parse.settings == NULL || text == NULL) {
        parse.failed = true;
        goto out;
    }
    parse.settings->path = strdup(path);
    tables->parse = &parse;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        parse.end_line++;
    tables_fill(tables, keys, n);
    cfg = cfg_init(tables->root, CFGF_NONE);
    cfg_set_error_function(cfg, on_error);
    if ((cfg_parse_buf(cfg, text) != CFG_SUCCESS || !parse.ended) && !parse.failed)
        FAIL(&parse, cfg, ARO_E_CONFIG_SYNTAX, "%s", "ends in the middle of a string or comment");
    if (!parse.failed)
        add_empty_blocks(&parse, cfg, tables->root);
out:
    if (cfg != NULL)
        cfg_free(cfg);
    free(tables);
    free(text);
    if (parse.failed) {
        aro_settings_destroy(parse.settings);
        return NULL;
    }
    return parse.settings;
}

/* The strings are ours; const for everybody else. */
static void drop(const char *text)
{
    free((void *)(uintptr_t)text);
}

bool aro_settings_has(const struct aro_settings_block *block, const char *key)
{
    for (unsigned i = 0; i < block->count; i++)
        if (strcmp(block->settings[i].key, key) == 0)
            return true;
    return false;
}

void aro_settings_destroy(struct aro_settings *settings)
{
    if (settings == NULL)
        return;
    for (unsigned i = 0; i < settings->count; i++) {
        struct aro_settings_block *block = &settings->blocks[i];
        for (unsigned k = 0; k < block->count; k++) {
            drop(block->settings[k].key);
            drop(block->settings[k].value);
        }
        free(block->settings);
        drop(block->name);
        drop(block->title);
    }
    free(settings->blocks);
    drop(settings->path);
    free(settings);
}
