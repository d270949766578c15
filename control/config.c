/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "control/config_keys.h"
#include "control/settings.h"

enum { KEYS_MAX = 64, PIN_PERCENT_MAX = 90 };

static bool is_block(const char *block, const char *name)
{
    return strcmp(block, name) == 0;
}

static bool is_titled(const char *block)
{
    return is_block(block, "port") || is_block(block, "store") || is_block(block, "origin");
}

/* Kinds of which each block has fields of its own, with defaults of its own. */
static bool is_repeated(const char *block)
{
    return is_block(block, "port") || is_block(block, "store") || is_block(block, "origin");
}

/* Where the fields of a block are. */
static const void *base_at(const struct aro_config *config, const char *block, unsigned block_no)
{
    if (is_block(block, "port"))
        return &config->port[block_no];
    if (is_block(block, "store"))
        return &config->disk[block_no];
    if (is_block(block, "origin"))
        return &config->origin[block_no];
    return config;
}

unsigned aro_config_copies(const struct aro_config *config, const char *block)
{
    if (is_block(block, "port"))
        return config->ports;
    if (is_block(block, "origin"))
        return config->origins;
    return is_block(block, "store") ? config->disks : 1;
}

const char *aro_config_title(const struct aro_config *config, const char *block, unsigned block_no)
{
    if (is_block(block, "port"))
        return config->port[block_no].name;
    if (is_block(block, "origin"))
        return config->origin[block_no].name;
    return is_block(block, "store") ? config->disk[block_no].name : "";
}

/* ---- from the file ---- */

struct aro_settings *aro_config_settings(const char *path, struct aro_error *error)
{
    struct aro_key_spec specs[KEYS_MAX];

    for (size_t i = 0; i < aro_config_keys_count; i++) {
        const struct aro_key *key = &aro_config_keys[i];
        specs[i] = (struct aro_key_spec){.block = key->block,
                                         .name = key->name,
                                         .list = aro_key_is_list(key),
                                         .titled = is_titled(key->block)};
    }
    return aro_settings_read(path, specs, aro_config_keys_count, error);
}

/* Defaults of one block. A required key stays empty. */
static void set_defaults(const char *block, void *base)
{
    for (size_t i = 0; i < aro_config_keys_count; i++) {
        const struct aro_key *key = &aro_config_keys[i];
        const char *initial = key->initial;
        char list[64];

        if (strcmp(key->block, block) != 0 || initial == NULL || strcmp(initial, "{}") == 0)
            continue;
        if (aro_key_is_list(key)) { /* "{1}" */
            size_t length = strlen(initial);
            memcpy(list, initial + 1, length - 2);
            list[length - 2] = '\0';
            initial = list;
        }
        aro_key_set(key, base, initial);
    }
}

static const struct aro_key *key_of(const char *block, const char *name)
{
    for (size_t i = 0; i < aro_config_keys_count; i++)
        if (strcmp(aro_config_keys[i].block, block) == 0 &&
            strcmp(aro_config_keys[i].name, name) == 0)
            return &aro_config_keys[i];
    return NULL;
}

static int set_one(const struct aro_settings *settings, const struct aro_settings_block *block,
                   const struct aro_setting *setting, void *base, struct aro_error *error)
{
    const struct aro_key *key = key_of(block->name, setting->key);
    char range[128] = "";

    if (aro_key_set(key, base, setting->value) == 0)
        return 0;
    return aro_error_set(error, ARO_E_CONFIG_RANGE, "%s:%u: %s%s%s = '%.80s' is not one of: %s",
                         settings->path, setting->line, block->name, *block->name ? "." : "",
                         setting->key, setting->value, aro_key_range(key, range, sizeof(range)));
}

static int require_keys(const struct aro_settings *settings, const struct aro_settings_block *block,
                        struct aro_error *error)
{
    for (size_t i = 0; i < aro_config_keys_count; i++) {
        const struct aro_key *key = &aro_config_keys[i];
        if (key->initial == NULL && strcmp(key->block, block->name) == 0 &&
            !aro_settings_has(block, key->name))
            return aro_error_set(error, ARO_E_CONFIG_MISSING, "%s:%u: block %s \"%s\" needs '%s'",
                                 settings->path, block->line, block->name, block->title, key->name);
    }
    return 0;
}

/* The next block of this kind: where its title goes, its number; the most that there may be. */
static char *title_of(struct aro_config *config, const char *block, unsigned *ret_max)
{
    if (is_block(block, "port")) {
        *ret_max = ARO_PORTS_MAX;
        return config->ports < ARO_PORTS_MAX ? config->port[config->ports++].name : NULL;
    }
    if (is_block(block, "origin")) {
        *ret_max = ARO_ORIGINS_MAX;
        return config->origins < ARO_ORIGINS_MAX ? config->origin[config->origins++].name : NULL;
    }
    *ret_max = ARO_DISKS_MAX;
    return config->disks < ARO_DISKS_MAX ? config->disk[config->disks++].name : NULL;
}

/* Where a block's fields are to go. NULL with *error. */
static void *base_of(const struct aro_settings *settings, const struct aro_settings_block *block,
                     struct aro_config *config, struct aro_error *error)
{
    unsigned max = 0;
    char *title;

    if (!is_titled(block->name))
        return config;
    title = title_of(config, block->name, &max);
    if (title == NULL) {
        aro_error_set(error, ARO_E_CONFIG_RANGE, "%s:%u: more than %u blocks: %s", settings->path,
                      block->line, max, block->name);
        return NULL;
    }
    if (strlen(block->title) == 0 || strlen(block->title) > 31) {
        aro_error_set(error, ARO_E_CONFIG_RANGE, "%s:%u: the title of a %s has 1..31 characters",
                      settings->path, block->line, block->name);
        return NULL;
    }
    strcpy(title, block->title);
    return (void *)(uintptr_t)base_at(config, block->name,
                                      aro_config_copies(config, block->name) - 1);
}

static int set_block(const struct aro_settings *settings, const struct aro_settings_block *block,
                     struct aro_config *config, struct aro_error *error)
{
    void *base = base_of(settings, block, config, error);

    if (base == NULL)
        return -1;
    if (is_repeated(block->name))
        set_defaults(block->name, base);
    for (unsigned i = 0; i < block->count; i++) {
        /* the first value of a list replaces the default */
        const struct aro_key *key = key_of(block->name, block->settings[i].key);
        if (aro_key_is_list(key) && (i == 0 || strcmp(block->settings[i - 1].key, key->name) != 0))
            aro_key_set(key, base, "");
        if (set_one(settings, block, &block->settings[i], base, error) != 0)
            return -1;
    }
    if (strcmp(block->name, "http") == 0)
        config->http_listen_given = aro_settings_has(block, "listen");
    return require_keys(settings, block, error);
}

/* ---- what several keys must agree on ---- */

static bool lcore_listed(const struct aro_lcore_list *list, unsigned id)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->id[i] == id)
            return true;
    return false;
}

static int check_port(const char *path, const struct aro_config *config,
                      struct aro_port_config *port, struct aro_error *error)
{
    static const uint8_t none[6];

    if (port->lcores == 0) {
        memcpy(port->lcore, config->lcores.id, sizeof(port->lcore));
        port->lcores = config->lcores.count;
    }
    for (unsigned i = 0; i < port->lcores; i++)
        if (!lcore_listed(&config->lcores, port->lcore[i]))
            return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                                 "%s: port \"%s\" wants lcore %u, which dataplane.lcores lacks",
                                 path, port->name, port->lcore[i]);
    if (port->reply_via_gateway && memcmp(port->gateway_mac, none, 6) == 0)
        return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                             "%s: port \"%s\" has reply_via_gateway on and no gateway_mac", path,
                             port->name);
    return 0;
}

static int check_ports(const char *path, struct aro_config *config, struct aro_error *error)
{
    if (config->ports == 0)
        return aro_error_set(error, ARO_E_CONFIG_MISSING,
                             "%s: no port block: the daemon would serve nobody", path);
    for (unsigned i = 0; i < config->ports; i++) {
        if (check_port(path, config, &config->port[i], error) != 0)
            return -1;
        for (unsigned k = 0; k < i; k++)
            if (strcmp(config->port[i].device, config->port[k].device) == 0)
                return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                                     "%s: ports \"%s\" and \"%s\" name the same device", path,
                                     config->port[k].name, config->port[i].name);
    }
    return 0;
}

/* A directory has one name here, whatever slashes, dots and links the file wrote. */
static const char *same_path(const char *path, char real[PATH_MAX])
{
    return realpath(path, real) != NULL ? real : path;
}

static int check_disks(const char *path, const struct aro_config *config, struct aro_error *error)
{
    char real[2][PATH_MAX];

    for (unsigned i = 0; i < config->disks; i++) {
        const struct aro_disk_config *disk = &config->disk[i];
        if (disk->segment_bytes > disk->size_bytes)
            return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                                 "%s: store \"%s\": segment is larger than size", path, disk->name);
        for (unsigned k = 0; k < i; k++) {
            const struct aro_disk_config *other = &config->disk[k];
            if (strcmp(same_path(disk->path, real[0]), same_path(other->path, real[1])) == 0)
                return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                                     "%s: stores \"%s\" and \"%s\" have the same path %s", path,
                                     other->name, disk->name, disk->path);
        }
    }
    return 0;
}

static int check_origins(const char *path, struct aro_config *config, struct aro_error *error)
{
    for (unsigned i = 0; i < config->origins; i++) {
        if (aro_origin_settle(&config->origin[i], path, error) != 0)
            return -1;
        for (unsigned k = 0; k < i; k++)
            if (strcmp(config->origin[i].prefix, config->origin[k].prefix) == 0)
                return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                                     "%s: origins \"%s\" and \"%s\" have the same prefix", path,
                                     config->origin[k].name, config->origin[i].name);
    }
    return 0;
}

static int check(const char *path, struct aro_config *config, struct aro_error *error)
{
    if (config->socket[0] == '\0')
        snprintf(config->socket, sizeof(config->socket), "%.90s/control.sock", config->runtime_dir);
    if (config->cache_chunks_max != 0 && (config->cache_chunks_max < ARO_CACHE_ENTRIES_MIN ||
                                          config->cache_chunks_max > ARO_CACHE_ENTRIES_MAX))
        return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                             "%s: cache.chunks_max = %llu is neither 0 nor within %d..%d", path,
                             (unsigned long long)config->cache_chunks_max, ARO_CACHE_ENTRIES_MIN,
                             ARO_CACHE_ENTRIES_MAX);
    if (check_disks(path, config, error) != 0 || check_origins(path, config, error) != 0)
        return -1;
    if (aro_share_of(&config->cache_pin_max, config->cache_memory_bytes) >
        config->cache_memory_bytes / 100 * PIN_PERCENT_MAX)
        return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                             "%s: cache.pin_max leaves less than a tenth of cache.memory unpinned",
                             path);
    return check_ports(path, config, error);
}

int aro_config_read(const char *path, struct aro_config *ret, struct aro_error *error)
{
    struct aro_settings *settings = aro_config_settings(path, error);
    int result = 0;

    if (settings == NULL)
        return -1;
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < aro_config_keys_count; i++)
        if (!is_repeated(aro_config_keys[i].block) &&
            (i == 0 || strcmp(aro_config_keys[i - 1].block, aro_config_keys[i].block) != 0))
            set_defaults(aro_config_keys[i].block, ret);
    for (unsigned i = 0; i < settings->count && result == 0; i++)
        result = set_block(settings, &settings->blocks[i], ret, error);
    if (result == 0)
        result = check(path, ret, error);
    aro_settings_destroy(settings);
    return result;
}

bool aro_config_second_hit(const struct aro_config *config)
{
    bool second_hit = false;

    for (unsigned i = 0; i < config->disks; i++)
        second_hit |= config->disk[i].admit == ARO_ADMIT_SECOND_HIT;
    return second_hit;
}

/* ---- for people and programs ---- */

uint64_t aro_share_of(const struct aro_share *share, uint64_t whole_bytes)
{
    return share->percent != 0 ? whole_bytes / 100 * share->percent : share->bytes;
}

bool aro_config_key(size_t i, struct aro_key_info *ret)
{
    const struct aro_key *key = &aro_config_keys[i];

    if (i >= aro_config_keys_count)
        return false;
    *ret = (struct aro_key_info){.block = key->block,
                                 .name = key->name,
                                 .initial = key->initial,
                                 .sentence = key->sentence,
                                 .change = key->change};
    aro_key_range(key, ret->range, sizeof(ret->range));
    return true;
}

char *aro_config_value(const struct aro_config *config, size_t i, unsigned block_no,
                       char text[ARO_CONFIG_VALUE_BYTES])
{
    const struct aro_key *key = &aro_config_keys[i];

    return aro_key_format(key, base_at(config, key->block, block_no), text);
}

static void comment_print(const struct aro_key_info *info, const char *indent, FILE *out)
{
    fprintf(out, "%s# %s\n%s# range: %s; default: %s; change: %s\n", indent, info->sentence, indent,
            info->range,
            info->initial == NULL    ? "none, required"
            : *info->initial == '\0' ? "empty"
                                     : info->initial,
            aro_change_name(info->change));
}

void aro_config_template(FILE *out)
{
    const char *block = "";
    struct aro_key_info info;

    for (size_t i = 0; aro_config_key(i, &info); i++) {
        const char *indent = *info.block == '\0' ? "" : "    ";
        if (strcmp(block, info.block) != 0) {
            fprintf(out, "%s\n%s%s {\n", *block == '\0' ? "" : "}\n", info.block,
                    is_titled(info.block) ? " \"name\"" : "");
            block = info.block;
        }
        comment_print(&info, indent, out);
        fprintf(out, "%s%s = ", indent, info.name);
        if (info.initial == NULL)
            fprintf(out, "<%s>\n", info.range);
        else
            fprintf(out, *info.initial == '\0' ? "\"\"\n" : "%s\n", info.initial);
    }
    fprintf(out, "}\n");
}

static size_t dump_block(const struct aro_config *config, size_t first, unsigned block_no,
                         FILE *out)
{
    const char *block = aro_config_keys[first].block;
    const char *indent = *block == '\0' ? "" : "    ";
    char text[ARO_CONFIG_VALUE_BYTES];
    struct aro_key_info info;
    size_t i;

    for (i = first; aro_config_key(i, &info) && strcmp(info.block, block) == 0; i++) {
        comment_print(&info, indent, out);
        fprintf(out, "%s%s = %s\n", indent, info.name, aro_config_value(config, i, block_no, text));
    }
    return i;
}

void aro_config_dump(const struct aro_config *config, FILE *out)
{
    for (size_t i = 0; i < aro_config_keys_count;) {
        const char *block = aro_config_keys[i].block;
        unsigned copies = aro_config_copies(config, block);
        size_t first = i;

        while (i < aro_config_keys_count && strcmp(aro_config_keys[i].block, block) == 0)
            i++;
        for (unsigned n = 0; n < copies; n++) {
            if (is_titled(block))
                fprintf(out, "\n%s \"%s\" {\n", block, aro_config_title(config, block, n));
            else if (*block != '\0')
                fprintf(out, "\n%s {\n", block);
            dump_block(config, first, n, out);
            if (*block != '\0')
                fprintf(out, "}\n");
        }
    }
}
