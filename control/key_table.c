/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/key_table.h"

#include <assert.h>
#include <string.h>

struct aro_settings *aro_key_table_read(const struct aro_key_table *table, const char *path,
                                        struct aro_error *error)
{
    struct aro_key_spec specs[ARO_KEY_TABLE_MAX];

    assert(table->count <= ARO_KEY_TABLE_MAX);
    for (size_t i = 0; i < table->count; i++) {
        const struct aro_key *key = &table->keys[i];
        specs[i] = (struct aro_key_spec){.block = key->block,
                                         .name = key->name,
                                         .list = aro_key_is_list(key),
                                         .titled = table->titled(key->block)};
    }
    return aro_settings_read(path, specs, table->count, error);
}

/* A list's default stands as "{a, b}". */
static void list_default(const struct aro_key *key, void *base)
{
    char list[128], *at = list, *value;

    snprintf(list, sizeof(list), "%.*s", (int)strlen(key->initial) - 2, key->initial + 1);
    while ((value = strsep(&at, ",")) != NULL) {
        value += strspn(value, " \"");
        value[strcspn(value, "\"")] = '\0';
        if (*value != '\0')
            aro_key_set(key, base, value);
    }
}

void aro_key_table_defaults(const struct aro_key_table *table, const char *block, void *base)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct aro_key *key = &table->keys[i];
        if (strcmp(key->block, block) != 0 || key->initial == NULL)
            continue;
        if (aro_key_is_list(key))
            list_default(key, base);
        else
            aro_key_set(key, base, key->initial);
    }
}

static const struct aro_key *key_of(const struct aro_key_table *table, const char *block,
                                    const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->keys[i].block, block) == 0 && strcmp(table->keys[i].name, name) == 0)
            return &table->keys[i];
    return NULL;
}

static bool has_setting(const struct aro_settings_block *block, const char *key)
{
    for (unsigned i = 0; i < block->count; i++)
        if (strcmp(block->settings[i].key, key) == 0)
            return true;
    return false;
}

static int require_keys(const struct aro_key_table *table, const struct aro_settings *settings,
                        const struct aro_settings_block *block, struct aro_error *error)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct aro_key *key = &table->keys[i];
        if (key->initial == NULL && strcmp(key->block, block->name) == 0 &&
            !has_setting(block, key->name))
            return aro_error_set(error, ARO_E_CONFIG_MISSING, "%s:%u: block %s \"%s\" needs '%s'",
                                 settings->path, block->line, block->name, block->title, key->name);
    }
    return 0;
}

int aro_key_table_apply(const struct aro_key_table *table, const struct aro_settings *settings,
                        const struct aro_settings_block *block, void *base, struct aro_error *error)
{
    char range[128] = "";

    for (unsigned i = 0; i < block->count; i++) {
        const struct aro_setting *setting = &block->settings[i];
        const struct aro_key *key = key_of(table, block->name, setting->key);
        bool another = i > 0 && strcmp(block->settings[i - 1].key, setting->key) == 0;
        if (aro_key_is_list(key) && !another) /* the first value replaces the default */
            aro_key_set(key, base, "");
        if (aro_key_set(key, base, setting->value) != 0)
            return aro_error_set(error, ARO_E_CONFIG_RANGE,
                                 "%s:%u: %s%s%s = '%.80s' is not one of: %s", settings->path,
                                 setting->line, block->name, *block->name ? "." : "", setting->key,
                                 setting->value, aro_key_range(key, range, sizeof(range)));
    }
    return require_keys(table, settings, block, error);
}

/* ---- for people ---- */

static void comment_print(const struct aro_key *key, const char *indent, FILE *out)
{
    char range[128] = "";

    fprintf(out, "%s# %s\n%s# range: %s; default: %s; change: %s\n", indent, key->sentence, indent,
            aro_key_range(key, range, sizeof(range)),
            key->initial == NULL    ? "none, required"
            : *key->initial == '\0' ? "empty"
                                    : key->initial,
            aro_change_name(key->change));
}

static const char *indent_of(const char *block)
{
    return *block == '\0' ? "" : "    ";
}

void aro_key_table_template(const struct aro_key_table *table, FILE *out)
{
    const char *block = "";
    char range[128] = "";

    for (size_t i = 0; i < table->count; i++) {
        const struct aro_key *key = &table->keys[i];
        const char *indent = indent_of(key->block);
        if (strcmp(block, key->block) != 0) {
            fprintf(out, "%s\n%s%s {\n", *block == '\0' ? "" : "}\n", key->block,
                    table->titled(key->block) ? " \"name\"" : "");
            block = key->block;
        }
        comment_print(key, indent, out);
        fprintf(out, "%s%s = ", indent, key->name);
        if (key->initial == NULL)
            fprintf(out, "<%s>\n", aro_key_range(key, range, sizeof(range)));
        else
            fprintf(out, *key->initial == '\0' ? "\"\"\n" : "%s\n", key->initial);
    }
    if (*block != '\0')
        fputs("}\n", out);
}

void aro_key_table_dump(const struct aro_key_table *table, const char *block, const char *title,
                        const void *base, FILE *out)
{
    char text[ARO_CONFIG_VALUE_BYTES];

    if (title != NULL)
        fprintf(out, "\n%s \"%s\" {\n", block, title);
    else if (*block != '\0')
        fprintf(out, "\n%s {\n", block);
    for (size_t i = 0; i < table->count; i++) {
        const struct aro_key *key = &table->keys[i];
        if (strcmp(key->block, block) != 0)
            continue;
        comment_print(key, indent_of(block), out);
        fprintf(out, "%s%s = %s\n", indent_of(block), key->name, aro_key_format(key, base, text));
    }
    if (*block != '\0')
        fputs("}\n", out);
}
