/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_values.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/endpoint.h"
#include "control/api/units.h"

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const idles[] = {"adaptive", "poll", NULL};
static const char *const hugepages[] = {"auto", "off", "on", NULL};
static const char *const store_ios[] = {"auto", "threads", NULL};
static const char *const admits[] = {"always", "second-hit", NULL};
static const char *const policies[] = {"s3fifo", "sieve", "lru", "fifo", NULL};
static const char *const switches[] = {"off", "on", NULL};
static const char *const choices[] = {"auto", "on", "off", NULL};
static const char *const waits[] = {"sleep", "descriptor", "packet_socket", "xdp_socket", NULL};

/* The words of a kind that is a choice, in the order of its enum; else NULL. */
static const char *const *words_of(enum aro_key_kind kind)
{
    switch (kind) {
    case ARO_KEY_LOG_LEVEL:
        return log_levels;
    case ARO_KEY_IDLE:
        return idles;
    case ARO_KEY_HUGEPAGES:
        return hugepages;
    case ARO_KEY_STORE_IO:
        return store_ios;
    case ARO_KEY_ADMIT:
        return admits;
    case ARO_KEY_POLICY:
        return policies;
    case ARO_KEY_BOOL:
        return switches;
    case ARO_KEY_CHOICE:
        return choices;
    case ARO_KEY_WAIT:
        return waits;
    default:
        return NULL;
    }
}

/* Lists keep their count in the unsigned behind the array. */
static size_t list_bytes(enum aro_key_kind kind)
{
    switch (kind) {
    case ARO_KEY_LCORES:
    case ARO_KEY_PORT_LCORES:
        return ARO_LCORES_MAX * sizeof(unsigned);
    case ARO_KEY_ADDRESSES:
        return ARO_ADDRESSES_MAX * sizeof(struct aro_address);
    case ARO_KEY_ARGS:
        return ARO_EAL_ARGS_MAX * ARO_EAL_ARG_BYTES;
    default:
        return 0;
    }
}
static_assert(offsetof(struct aro_lcore_list, count) == ARO_LCORES_MAX * sizeof(unsigned), "list");
static_assert(offsetof(struct aro_port_config, lcores) - offsetof(struct aro_port_config, lcore) ==
                  ARO_LCORES_MAX * sizeof(unsigned),
              "list");
static_assert(offsetof(struct aro_port_config, addresses) -
                      offsetof(struct aro_port_config, address) ==
                  ARO_ADDRESSES_MAX * sizeof(struct aro_address),
              "list");
static_assert(offsetof(struct aro_config, eal_args_count) - offsetof(struct aro_config, eal_args) ==
                  ARO_EAL_ARGS_MAX * ARO_EAL_ARG_BYTES,
              "list");

bool aro_key_is_list(const struct aro_key *key)
{
    return list_bytes(key->kind) != 0;
}

unsigned aro_key_count(const struct aro_key *key, const void *base)
{
    unsigned count;

    memcpy(&count, (const char *)base + key->offset + list_bytes(key->kind), sizeof(count));
    return count;
}

static void set_count(const struct aro_key *key, void *base, unsigned count)
{
    memcpy((char *)base + key->offset + list_bytes(key->kind), &count, sizeof(count));
}

/* ---- text to value ---- */

static int word_parse(const char *const words[], const char *text, uint64_t *ret)
{
    for (uint64_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    return -EINVAL;
}

static int bool_parse(const char *text, uint64_t *ret)
{
    static const char *const no[] = {"off", "no", "false", NULL};
    static const char *const yes[] = {"on", "yes", "true", NULL};
    uint64_t which;

    if (word_parse(no, text, &which) == 0)
        *ret = 0;
    else if (word_parse(yes, text, &which) == 0)
        *ret = 1;
    else
        return -EINVAL;
    return 0;
}

static int mode_parse(const char *text, uint64_t *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);

    if (*text < '0' || *text > '7' || *end != '\0')
        return -EINVAL;
    *ret = value;
    return 0;
}

static int number_parse(const struct aro_key *key, const char *text, uint64_t *ret)
{
    const char *const *words = words_of(key->kind);

    switch (key->kind) {
    case ARO_KEY_BYTES:
        return aro_bytes_parse(text, ret);
    case ARO_KEY_RATE:
        return aro_rate_parse(text, ret);
    case ARO_KEY_DURATION:
        return aro_duration_parse(text, ret);
    case ARO_KEY_MODE:
        return mode_parse(text, ret);
    case ARO_KEY_BOOL:
        return bool_parse(text, ret);
    default:
        return words != NULL ? word_parse(words, text, ret) : aro_count_parse(text, ret);
    }
}

static int address_parse(const char *text, struct aro_address *ret)
{
    struct aro_address address = {0};
    const char *slash = strchr(text, '/');
    char host[64];
    uint64_t bits;

    if (slash == NULL || (size_t)(slash - text) >= sizeof(host) ||
        aro_count_parse(slash + 1, &bits) != 0)
        return -EINVAL;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    if (inet_pton(AF_INET, host, address.bytes) == 1)
        address.family = 4;
    else if (inet_pton(AF_INET6, host, address.bytes) == 1)
        address.family = 6;
    else
        return -EINVAL;
    if (bits == 0 || bits > (address.family == 4 ? 32u : 128u))
        return -ERANGE;
    address.prefix_len = (uint8_t)bits;
    *ret = address;
    return 0;
}

static int share_set(const struct aro_key *key, struct aro_share *field, const char *text)
{
    struct aro_share share = {0};
    size_t length = strlen(text);
    char number[8];
    int error;

    if (length == 0 || text[length - 1] != '%') {
        error = aro_bytes_parse(text, &share.bytes);
    } else {
        if (length > sizeof(number))
            return -ERANGE;
        memcpy(number, text, length - 1);
        number[length - 1] = '\0';
        error = aro_count_parse(number, &share.percent);
        if (error == 0 && share.percent > key->max)
            error = -ERANGE;
    }
    if (error == 0)
        *field = share;
    return error;
}

static char *share_format(const struct aro_share *share, char text[ARO_UNITS_TEXT])
{
    if (share->percent == 0)
        return aro_bytes_exact(share->bytes, text);
    snprintf(text, ARO_UNITS_TEXT, "%llu%%", (unsigned long long)share->percent);
    return text;
}

static int mac_parse(const char *text, uint8_t ret[6])
{
    unsigned byte[6];
    char rest;

    if (strlen(text) != 17 || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1],
                                     &byte[2], &byte[3], &byte[4], &byte[5], &rest) != 6)
        return -EINVAL;
    for (int i = 0; i < 6; i++)
        ret[i] = (uint8_t)byte[i];
    return 0;
}

static int lcore_append(unsigned *list, unsigned count, const char *text)
{
    uint64_t id;
    int error = aro_count_parse(text, &id);

    if (error == 0 && id > 126) /* 127 is the control thread's */
        error = -ERANGE;
    for (unsigned i = 0; error == 0 && i < count; i++)
        if (list[i] == id)
            error = -EINVAL;
    if (error == 0)
        list[count] = (unsigned)id;
    return error;
}

static int list_append(const struct aro_key *key, void *base, const char *text)
{
    char *field = (char *)base + key->offset;
    unsigned count = aro_key_count(key, base);
    int error;

    if (*text == '\0') {
        set_count(key, base, 0);
        return 0;
    }
    if (count >= key->max)
        return -ERANGE;
    if (key->kind == ARO_KEY_ADDRESSES)
        error = address_parse(text, &((struct aro_address *)(void *)field)[count]);
    else if (key->kind == ARO_KEY_ARGS)
        error = snprintf(field + count * ARO_EAL_ARG_BYTES, ARO_EAL_ARG_BYTES, "%s", text) <
                        ARO_EAL_ARG_BYTES
                    ? 0
                    : -ERANGE;
    else
        error = lcore_append((unsigned *)(void *)field, count, text);
    if (error == 0)
        set_count(key, base, count + 1);
    return error;
}

static int text_set(const struct aro_key *key, char *field, const char *text)
{
    size_t length = strlen(text);

    if (length < key->min || length > key->max)
        return -ERANGE;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ')
            return -EINVAL;
    memcpy(field, text, length + 1);
    return 0;
}

static int endpoint_set(const struct aro_key *key, char *field, const char *text)
{
    struct aro_endpoint endpoint;

    if (*text != '\0' && aro_endpoint_parse(text, &endpoint) != 0)
        return -EINVAL;
    return text_set(key, field, text);
}

int aro_key_set(const struct aro_key *key, void *base, const char *text)
{
    char *field = (char *)base + key->offset;
    uint64_t value;
    int error;

    if (aro_key_is_list(key))
        return list_append(key, base, text);
    if (key->kind == ARO_KEY_TEXT)
        return text_set(key, field, text);
    if (key->kind == ARO_KEY_ENDPOINT)
        return endpoint_set(key, field, text);
    if (key->kind == ARO_KEY_SHARE)
        return share_set(key, (struct aro_share *)(void *)field, text);
    if (key->kind == ARO_KEY_MAC)
        return mac_parse(text, (uint8_t *)field);
    error = number_parse(key, text, &value);
    if (error != 0)
        return error;
    if (value < key->min || value > key->max)
        return -ERANGE;
    switch (key->kind) {
    case ARO_KEY_POLICY:
        strcpy(field, policies[value]);
        return 0;
    case ARO_KEY_BOOL:
        *(bool *)(void *)field = value != 0;
        return 0;
    case ARO_KEY_MTU:
    case ARO_KEY_U16:
        *(uint16_t *)(void *)field = (uint16_t)value;
        return 0;
    case ARO_KEY_U32:
        *(uint32_t *)(void *)field = (uint32_t)value;
        return 0;
    case ARO_KEY_CHOICE:
        *(enum aro_choice *)(void *)field = (enum aro_choice)value;
        return 0;
    case ARO_KEY_WAIT:
        *(enum aro_wait *)(void *)field = (enum aro_wait)value;
        return 0;
    case ARO_KEY_POWER_OF_2:
        if ((value & (value - 1)) != 0)
            return -ERANGE;
        /* fallthrough */
    default:
        *(uint64_t *)(void *)field = value;
        return 0;
    }
}

/* ---- value to text ---- */

const char *aro_change_name(enum aro_change change)
{
    static const char *const names[] = {"live", "drain", "restart"};

    return names[change];
}

static uint64_t number_of(const struct aro_key *key, const char *field)
{
    switch (key->kind) {
    case ARO_KEY_BOOL:
        return *(const bool *)(const void *)field;
    case ARO_KEY_MTU:
    case ARO_KEY_U16:
        return *(const uint16_t *)(const void *)field;
    case ARO_KEY_U32:
        return *(const uint32_t *)(const void *)field;
    case ARO_KEY_CHOICE:
        return *(const enum aro_choice *)(const void *)field;
    case ARO_KEY_WAIT:
        return *(const enum aro_wait *)(const void *)field;
    default:
        return *(const uint64_t *)(const void *)field;
    }
}

static char *number_format(enum aro_key_kind kind, uint64_t value, char text[ARO_UNITS_TEXT])
{
    switch (kind) {
    case ARO_KEY_BYTES:
        return aro_bytes_exact(value, text);
    case ARO_KEY_RATE:
        return aro_rate_exact(value, text);
    case ARO_KEY_DURATION:
        return aro_duration_exact(value, text);
    case ARO_KEY_MODE:
        snprintf(text, ARO_UNITS_TEXT, "%04o", (unsigned)value);
        return text;
    default:
        snprintf(text, ARO_UNITS_TEXT, "%llu", (unsigned long long)value);
        return text;
    }
}

char *aro_address_format(const struct aro_address *address, char text[64])
{
    char host[INET6_ADDRSTRLEN];

    inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, host, sizeof(host));
    snprintf(text, 64, "%s/%u", host, address->prefix_len);
    return text;
}

static void element_format(const struct aro_key *key, const char *field, unsigned i, char *text,
                           size_t text_bytes)
{
    char host[64];

    if (key->kind == ARO_KEY_ARGS) {
        snprintf(text, text_bytes, "\"%s\"", field + i * ARO_EAL_ARG_BYTES);
    } else if (key->kind == ARO_KEY_ADDRESSES) {
        aro_address_format((const struct aro_address *)(const void *)field + i, host);
        snprintf(text, text_bytes, "\"%s\"", host);
    } else {
        snprintf(text, text_bytes, "%u", ((const unsigned *)(const void *)field)[i]);
    }
}

static void list_format(const struct aro_key *key, const void *base, char *text)
{
    const char *field = (const char *)base + key->offset;
    size_t used = 1;

    text[0] = '{';
    for (unsigned i = 0; i < aro_key_count(key, base); i++) {
        if (i > 0)
            used += (size_t)sprintf(text + used, ", ");
        element_format(key, field, i, text + used, ARO_CONFIG_VALUE_BYTES - used - 4);
        used += strlen(text + used);
    }
    strcpy(text + used, "}");
}

char *aro_key_format(const struct aro_key *key, const void *base, char text[ARO_CONFIG_VALUE_BYTES])
{
    const char *field = (const char *)base + key->offset;
    const char *const *words = words_of(key->kind);
    const uint8_t *mac = (const uint8_t *)field;

    if (aro_key_is_list(key))
        list_format(key, base, text);
    else if (key->kind == ARO_KEY_TEXT || key->kind == ARO_KEY_ENDPOINT)
        snprintf(text, ARO_CONFIG_VALUE_BYTES, "\"%s\"", field);
    else if (key->kind == ARO_KEY_POLICY)
        strcpy(text, field);
    else if (key->kind == ARO_KEY_SHARE)
        share_format((const struct aro_share *)(const void *)field, text);
    else if (key->kind == ARO_KEY_MAC)
        snprintf(text, ARO_CONFIG_VALUE_BYTES, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1],
                 mac[2], mac[3], mac[4], mac[5]);
    else if (words != NULL)
        strcpy(text, words[number_of(key, field)]);
    else
        number_format(key->kind, number_of(key, field), text);
    return text;
}

char *aro_key_range(const struct aro_key *key, char *text, size_t text_bytes)
{
    const char *const *words = words_of(key->kind);
    char low[ARO_UNITS_TEXT], high[ARO_UNITS_TEXT];
    size_t used = 0;

    if (words != NULL) {
        for (; *words != NULL && used < text_bytes; words++)
            used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", used > 0 ? ", " : "",
                                     *words);
        return text;
    }
    if (key->kind == ARO_KEY_MAC) {
        snprintf(text, text_bytes, "six hexadecimal bytes, aa:bb:cc:dd:ee:ff");
        return text;
    }
    if (key->kind == ARO_KEY_SHARE) {
        snprintf(text, text_bytes, "0%%..%llu%% or bytes", (unsigned long long)key->max);
        return text;
    }
    if (key->kind == ARO_KEY_ENDPOINT) {
        snprintf(text, text_bytes, "empty, or like 127.0.0.1:9501 or [::1]:9501");
        return text;
    }
    number_format(key->kind, key->min, low);
    number_format(key->kind, key->max, high);
    if (key->kind == ARO_KEY_TEXT)
        snprintf(text, text_bytes, "%s..%s characters", low, high);
    else if (key->kind == ARO_KEY_ADDRESSES)
        snprintf(text, text_bytes, "%s..%s addresses like 10.9.0.1/24 or fd09::1/64", low, high);
    else if (key->kind == ARO_KEY_LCORES || key->kind == ARO_KEY_PORT_LCORES)
        snprintf(text, text_bytes, "%s..%s different numbers of 0..126", low, high);
    else if (aro_key_is_list(key))
        snprintf(text, text_bytes, "%s..%s values", low, high);
    else if (key->kind == ARO_KEY_POWER_OF_2)
        snprintf(text, text_bytes, "a power of two in %s..%s", low, high);
    else if (key->kind == ARO_KEY_RATE && key->max == UINT64_MAX)
        snprintf(text, text_bytes, "0 or a rate like 100MB or 20Gbit (per second)");
    else
        snprintf(text, text_bytes, "%s..%s", low, high);
    return text;
}
