/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/profile.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[128];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static void remove_dir(const char *dir)
{
    char command[160];

    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    cr_assert_eq(system(command), 0);
}

Test(profile, the_profiles_of_the_project_are_valid_and_cover_its_devices)
{
    static const char *const drivers[] = {"net_tap",  "net_af_packet", "net_af_xdp", "net_memif",
                                          "net_ring", "net_null",      "*"};
    struct aro_profile profiles[32];
    struct aro_error error = {0};
    int n = aro_profiles_read(ARO_PROFILES_SOURCE, profiles, 32, &error);

    cr_assert_gt(n, 0, "%s", error.text);
    for (unsigned d = 0; d < sizeof(drivers) / sizeof(drivers[0]); d++) {
        int found = 0;
        for (int i = 0; i < n; i++)
            found += strcmp(profiles[i].driver, drivers[d]) == 0;
        cr_assert_eq(found, 1, "%s", drivers[d]);
    }
    for (int i = 0; i < n; i++) {
        cr_assert_gt(strlen(profiles[i].note), 0u, "%s", profiles[i].name);
        cr_assert_eq(profiles[i].rx_partial_checksum,
                     strncmp(profiles[i].driver, "net_af_", 7) == 0, "%s", profiles[i].name);
    }
}

Test(profile, bad_profiles_are_named_with_file_and_line)
{
    static const struct {
        const char *text;
        int id;
        const char *part;
    } rows[] = {
        {"name = a\ndriver = b\nrx_burst = 65\n", 2006, "a.conf:3: rx_burst = '65'"},
        {"name = a\nrx_burst = 32\n", 2006, "needs 'driver'"},
        {"name = a\ndriver = b\nchecksum = maybe\n", 2006, "auto, on, off"},
        {"name = a\ndrivr = b\n", 2003, "a.conf:2: unknown key 'drivr'; did you mean 'driver'?"},
        {"name = a\ndriver = net_x\n", 2006, "no profile for driver '*'"},
        {"", 2006, "needs 'name'"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char dir[] = "/tmp/test-profile-XXXXXX";
        struct aro_profile profiles[4];
        struct aro_error error = {0};
        cr_assert_not_null(mkdtemp(dir));
        write_file(dir, "a.conf", rows[i].text);
        cr_assert_eq(aro_profiles_read(dir, profiles, 4, &error), -1, "%s", rows[i].text);
        cr_assert_eq((int)error.id, rows[i].id, "%s", error.text);
        cr_assert_not_null(strstr(error.text, rows[i].part), "%s", error.text);
        remove_dir(dir);
    }
}

Test(profile, two_profiles_for_one_driver_are_refused)
{
    char dir[] = "/tmp/test-profile-XXXXXX";
    struct aro_profile profiles[4];
    struct aro_error error = {0};

    cr_assert_not_null(mkdtemp(dir));
    write_file(dir, "a.conf", "name = a\ndriver = \"*\"\n");
    write_file(dir, "b.conf", "name = b\ndriver = \"*\"\n");
    cr_assert_eq(aro_profiles_read(dir, profiles, 4, &error), -1);
    cr_assert_not_null(strstr(error.text, "has a profile already, named 'a'"), "%s", error.text);
    remove_dir(dir);
}

Test(profile, the_configured_directory_wins_over_the_environment)
{
    setenv("AROCACHE_PROFILE_DIR", "/from/environment", 1);
    cr_assert_str_eq(aro_profiles_dir("/from/key"), "/from/key");
    cr_assert_str_eq(aro_profiles_dir(""), "/from/environment");
}
