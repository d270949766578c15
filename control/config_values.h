/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One configuration value: text into a field, a field back into text, by the kind of its key.
 * Shared by the configuration and the device profiles. Pure functions.
 */
#ifndef ARO_CONTROL_CONFIG_VALUES_H
#define ARO_CONTROL_CONFIG_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "control/config.h"

enum aro_key_kind {
    /* char[] */
    ARO_KEY_TEXT,
    ARO_KEY_POLICY,
    ARO_KEY_ENDPOINT, /* where to listen, or "" */
    /* uint64_t */
    ARO_KEY_COUNT,
    ARO_KEY_POWER_OF_2,
    ARO_KEY_BYTES,
    ARO_KEY_RATE,
    ARO_KEY_DURATION,
    ARO_KEY_MODE,
    ARO_KEY_LOG_LEVEL,
    ARO_KEY_IDLE,
    ARO_KEY_HUGEPAGES,
    ARO_KEY_STORE_IO,
    ARO_KEY_ADMIT,
    /* others */
    ARO_KEY_BOOL,        /* bool */
    ARO_KEY_MTU,         /* uint16_t */
    ARO_KEY_U16,         /* uint16_t */
    ARO_KEY_U32,         /* uint32_t */
    ARO_KEY_CHOICE,      /* enum aro_choice */
    ARO_KEY_WAIT,        /* enum aro_wait */
    ARO_KEY_SHARE,       /* struct aro_share; max: the percentage */
    ARO_KEY_MAC,         /* uint8_t[6] */
    ARO_KEY_LCORES,      /* struct aro_lcore_list */
    ARO_KEY_PORT_LCORES, /* unsigned[ARO_LCORES_MAX]; count behind it */
    ARO_KEY_ADDRESSES,   /* struct aro_address[ARO_ADDRESSES_MAX]; count behind it */
    ARO_KEY_ARGS,        /* char[ARO_EAL_ARGS_MAX][ARO_EAL_ARG_BYTES]; count behind it */
};

struct aro_key {
    const char *block;
    const char *name;
    size_t offset; /* of the field in its struct */
    enum aro_key_kind kind;
    uint64_t min, max;   /* of the value; of the length for text; of the count for lists */
    const char *initial; /* NULL: required */
    enum aro_change change;
    const char *sentence;
};

bool aro_key_is_list(const struct aro_key *key);

/*
 * Parses text into the key's field of the struct at base; a list's value is appended. 0, or -EINVAL
 * (not of this form), -ERANGE (outside min..max, or too many). Empty text clears a list.
 */
int aro_key_set(const struct aro_key *key, void *base, const char *text);
/* The number of a list's values so far. */
unsigned aro_key_count(const struct aro_key *key, const void *base);
/* The value as it would stand in a file; returns text. */
char *aro_key_format(const struct aro_key *key, const void *base,
                     char text[ARO_CONFIG_VALUE_BYTES]);
/* What values are allowed: "8MiB..4TiB", "adaptive, poll"; returns text. */
char *aro_key_range(const struct aro_key *key, char *text, size_t text_bytes);

/* "10.9.0.1/24"; returns text. */
char *aro_address_format(const struct aro_address *address, char text[64]);

#endif
