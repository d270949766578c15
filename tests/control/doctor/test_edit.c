/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that change a configuration are run by a shell, and the file is read again. */
#include "control/doctor/checks.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sets a key in a file of this text; the configuration as it is read back. */
static void set_in(const char *text, const char *block, const char *title, const char *key,
                   const char *value, struct aro_config *ret)
{
    char path[] = "/tmp/test-doctor-XXXXXX";
    struct aro_doctor *doctor = calloc(1, sizeof(*doctor));
    struct aro_finding finding = {0};
    struct aro_error error = {0};
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    doctor->config_path = path;
    aro_finding_set(doctor, &finding, block, title, key, value);
    cr_assert_eq(system(finding.mend), 0, "%s", finding.mend);
    cr_assert_eq(aro_config_read(path, ret, &error), 0, "%s: %s", finding.mend, error.text);
    unlink(path);
    free(doctor);
}

#define PORTS                                                                                      \
    "port \"a\" { device = \"net_ring0\" addresses = {\"10.9.0.1/24\"} }\n"                        \
    "port \"b\" {\n  # device = \"old\"\n  addresses = {\"10.9.1.1/24\", \"fd09::1/64\"}\n"        \
    "  device = net_ring1\n}\n"

Test(doctor_edit, a_value_is_changed_where_it_stands_and_nowhere_else)
{
    static struct aro_config config;

    set_in(PORTS, "port", "a", "device", "net_tap0,iface=x", &config);
    cr_assert_str_eq(config.port[0].device, "net_tap0,iface=x");
    cr_assert_str_eq(config.port[1].device, "net_ring1");
    set_in(PORTS, "port", "b", "device", "net_tap0,iface=x", &config);
    cr_assert_str_eq(config.port[0].device, "net_ring0");
    cr_assert_str_eq(config.port[1].device, "net_tap0,iface=x");
}

Test(doctor_edit, quoted_and_bare_values_are_replaced_whole)
{
    static const char *const forms[] = {"cache { memory = 256MiB }\n",
                                        "cache { memory=\"1GiB\" }\n",
                                        "cache {\n\tmemory = 1GiB\n\tpolicy = fifo\n}\n",
                                        "cache { policy = fifo memory = \"1GiB\"}\n"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        static struct aro_config config;
        char text[1000];
        snprintf(text, sizeof(text), "%s%s", forms[i], PORTS);
        set_in(text, "cache", "", "memory", "77MiB", &config);
        cr_assert_eq(config.cache_memory_bytes, 77u << 20, "%s", forms[i]);
        cr_assert_eq(strcmp(config.cache_policy, "fifo") == 0, strstr(forms[i], "fifo") != NULL);
    }
}

Test(doctor_edit, a_key_with_its_default_is_added_to_its_block)
{
    static struct aro_config config;

    set_in("cache {\n  # small\n  policy = fifo\n}\n" PORTS, "cache", "", "memory", "77MiB",
           &config);
    cr_assert_eq(config.cache_memory_bytes, 77u << 20);
    cr_assert_str_eq(config.cache_policy, "fifo");
}

Test(doctor_edit, a_block_that_is_absent_is_added)
{
    static struct aro_config config;

    set_in(PORTS, "http", "", "listen", "127.0.0.1:9502", &config);
    cr_assert_str_eq(config.http_listen, "127.0.0.1:9502");
}

Test(doctor_edit, findings_beyond_the_last_place_overwrite_it)
{
    struct aro_doctor *doctor = calloc(1, sizeof(*doctor));
    char last[32];

    snprintf(last, sizeof(last), "number %d", 2 * ARO_FINDINGS_MAX - 1);
    for (int i = 0; i < 2 * ARO_FINDINGS_MAX; i++)
        aro_doctor_say(doctor, i == 0 ? ARO_WARN : ARO_PASS, "check", "number %d", i);
    cr_assert_eq(doctor->findings, (unsigned)ARO_FINDINGS_MAX);
    cr_assert_str_eq(doctor->finding[ARO_FINDINGS_MAX - 1].evidence, last);
    cr_assert_eq(aro_doctor_verdict(doctor), ARO_WARN);
    free(doctor);
}
