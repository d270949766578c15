/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/config_values.h"
#include "control/settings.h"

#define KEY(name, field, kind, min, max, initial, sentence)                                        \
    {"",                                                                                           \
     #name,                                                                                        \
     offsetof(struct aro_profile, field),                                                          \
     ARO_KEY_##kind,                                                                               \
     min,                                                                                          \
     max,                                                                                          \
     initial,                                                                                      \
     ARO_CHANGE_RESTART,                                                                           \
     sentence},

/* clang-format off */
static const struct aro_key keys[] = {
    KEY(name, name, TEXT, 1, 31, NULL, "of the profile")
    KEY(driver, driver, TEXT, 1, 31, NULL, "DPDK driver it matches; * for every other")
    KEY(rx_descriptors, rx_descriptors, U16, 32, 32768, "512", "wished receive ring")
    KEY(tx_descriptors, tx_descriptors, U16, 32, 32768, "512", "wished transmit ring")
    KEY(rx_burst, rx_burst, U16, 1, 64, "32", "packets per receive call")
    KEY(queues_max, queues_max, U16, 1, 128, "16", "queue pairs to use at most")
    KEY(checksum, checksum, CHOICE, 0, 2, "auto", "UDP and IPv4 checksums by the device")
    KEY(zero_copy, zero_copy, CHOICE, 0, 2, "auto", "send straight from chunk memory")
    KEY(rx_partial_checksum, rx_partial_checksum, BOOL, 0, 1, "off",
        "accept checksums that a local kernel left unfinished")
    KEY(mtu_of_interface, mtu_of_interface, BOOL, 0, 1, "off",
        "the kernel interface has the say over the MTU, not the driver")
    KEY(idle_wait, idle_wait, WAIT, 0, 3, "sleep", "what wakes an idle lcore before its time")
    KEY(idle_sleep_us_max, idle_sleep_us_max, U32, 0, 1000, "500", "longest micro-sleep")
    KEY(note, note, TEXT, 0, 159, "", "why, shown by aroctl ports")
};
/* clang-format on */
#undef KEY

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static int set_all(const struct aro_settings *settings, struct aro_profile *ret,
                   struct aro_error *error)
{
    const struct aro_settings_block *block = settings->blocks;
    char range[128] = "";

    for (unsigned i = 0; i < KEYS; i++) {
        const struct aro_setting *setting = NULL;
        const char *value = keys[i].initial;
        for (unsigned k = 0; settings->count > 0 && k < block->count; k++)
            if (strcmp(block->settings[k].key, keys[i].name) == 0)
                setting = &block->settings[k];
        if (setting != NULL)
            value = setting->value;
        if (value == NULL)
            return aro_error_set(error, ARO_E_PROFILE_INVALID, "%s: needs '%s'", settings->path,
                                 keys[i].name);
        if (aro_key_set(&keys[i], ret, value) != 0)
            return aro_error_set(error, ARO_E_PROFILE_INVALID,
                                 "%s:%u: %s = '%.80s' is not one of: %s", settings->path,
                                 setting != NULL ? setting->line : 0, keys[i].name, value,
                                 aro_key_range(&keys[i], range, sizeof(range)));
    }
    return 0;
}

int aro_profile_read(const char *path, struct aro_profile *ret, struct aro_error *error)
{
    struct aro_key_spec specs[KEYS];
    struct aro_settings *settings;
    int result;

    for (unsigned i = 0; i < KEYS; i++)
        specs[i] = (struct aro_key_spec){.block = "", .name = keys[i].name};
    settings = aro_settings_read(path, specs, KEYS, error);
    if (settings == NULL)
        return -1;
    memset(ret, 0, sizeof(*ret));
    result = set_all(settings, ret, error);
    aro_settings_destroy(settings);
    return result;
}

static int is_profile(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static const struct aro_profile *driver_find(const struct aro_profile list[], unsigned n,
                                             const char *driver)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(list[i].driver, driver) == 0)
            return &list[i];
    return NULL;
}

static int read_entry(const char *dir, const char *name, struct aro_profile list[], unsigned n,
                      unsigned max, struct aro_error *error)
{
    const struct aro_profile *same;
    char path[4096];

    if (n == max)
        return aro_error_set(error, ARO_E_PROFILE_INVALID, "%s: more than %u profiles", dir, max);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (aro_profile_read(path, &list[n], error) != 0)
        return -1;
    same = driver_find(list, n, list[n].driver);
    if (same != NULL)
        return aro_error_set(error, ARO_E_PROFILE_INVALID,
                             "%s: driver '%s' has a profile already, named '%s'", path,
                             same->driver, same->name);
    return 0;
}

int aro_profiles_read(const char *dir, struct aro_profile ret[], unsigned max,
                      struct aro_error *error)
{
    struct dirent **entries;
    int found = scandir(dir, &entries, is_profile, alphasort);
    int result = 0;

    if (found < 0)
        return aro_error_set(error, ARO_E_PROFILE_INVALID, "profile_dir %s: %s", dir,
                             strerror(errno));
    for (int i = 0; i < found; i++) {
        if (result == 0)
            result = read_entry(dir, entries[i]->d_name, ret, (unsigned)i, max, error);
        free(entries[i]);
    }
    free(entries);
    if (result == 0 && driver_find(ret, (unsigned)found, "*") == NULL)
        result = aro_error_set(error, ARO_E_PROFILE_INVALID,
                               "profile_dir %s: no profile for driver '*', the fallback", dir);
    return result == 0 ? found : -1;
}

const char *aro_profiles_dir(const char *configured)
{
    const char *environment = getenv("AROCACHE_PROFILE_DIR");

    if (configured[0] != '\0')
        return configured;
    if (environment != NULL && environment[0] != '\0')
        return environment;
    return access(ARO_PROFILES_INSTALLED, X_OK) == 0 ? ARO_PROFILES_INSTALLED : ARO_PROFILES_SOURCE;
}
