/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT "port \"a\" { device = \"net_null0\" addresses = {\"10.9.0.1/24\"} }\n"

/* Reads text as a configuration file. */
static int read_text(const char *text, struct aro_config *config, struct aro_error *error)
{
    char path[] = "/tmp/test-config-XXXXXX";
    int fd = mkstemp(path);
    int result;

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    result = aro_config_read(path, config, error);
    unlink(path);
    return result;
}

Test(config, a_port_alone_is_a_whole_configuration)
{
    static struct aro_config config;
    struct aro_error error = {0};

    cr_assert_eq(read_text(PORT, &config, &error), 0, "%s", error.text);
    cr_assert_eq(config.cache_memory_bytes, 256u << 20);
    cr_assert_eq(config.service_port, 9500);
    cr_assert_eq(config.ports, 1);
    cr_assert_str_eq(config.port[0].name, "a");
    cr_assert_eq(config.port[0].mtu, 1500);
    cr_assert_eq(config.port[0].addresses, 1);
    cr_assert_eq(config.port[0].address[0].bytes[0], 10);
    cr_assert_eq(config.port[0].lcores, 1, "a port takes the lcores of the data plane");
    cr_assert_eq(config.port[0].lcore[0], 1);
    cr_assert_eq(config.disks, 0);
    cr_assert_str_eq(config.socket, "/run/arocache/control.sock");
    cr_assert_eq(config.socket_mode, 0660);
}

Test(config, values_of_every_kind_are_understood)
{
    static struct aro_config config;
    struct aro_error error = {0};
    const char *text =
        "runtime_dir = /tmp/x\nlog_level = debug\n"
        "cache { memory = 1GiB policy = fifo pin_max = 40% }\n"
        "store \"main\" { path = \"/srv/a\" size = 10GB segment = 64MiB io = threads }\n"
        "dataplane { lcores = {0, 3} idle = poll pending_deadline = 200ms }\n"
        "limits { ceiling = 20Gbit }\n"
        "control { mode = 0600 }\n"
        "eal { hugepages = off args = {\"--iova-mode=va\"} }\n"
        "port \"p\" { device = \"net_tap0,iface=aro0\"\n"
        "  addresses = {\"10.9.0.1/24\", \"fd09::1/64\"} lcores = 3 mtu = 9000\n"
        "  reply_via_gateway = on gateway_mac = \"02:00:00:00:00:fe\" }\n";

    cr_assert_eq(read_text(text, &config, &error), 0, "%s", error.text);
    cr_assert_str_eq(config.socket, "/tmp/x/control.sock");
    cr_assert_eq(config.log_level, ARO_LOG_DEBUG);
    cr_assert_eq(config.cache_memory_bytes, 1ull << 30);
    cr_assert_str_eq(config.cache_policy, "fifo");
    cr_assert_eq(aro_share_of(&config.cache_pin_max, 1000), 400);
    cr_assert_eq(config.disks, 1);
    cr_assert_str_eq(config.disk[0].name, "main");
    cr_assert_eq(config.disk[0].size_bytes, 10000000000);
    cr_assert_eq(config.disk[0].io, ARO_STORE_IO_THREADS);
    cr_assert_eq(config.lcores.count, 2, "a list replaces its default");
    cr_assert_eq(config.lcores.id[0], 0);
    cr_assert_eq(config.idle, ARO_IDLE_POLL);
    cr_assert_eq(config.pending_deadline_us, 200000);
    cr_assert_eq(config.ceiling_bytes_per_s, 2500000000);
    cr_assert_eq(config.socket_mode, 0600);
    cr_assert_eq(config.eal_hugepages, ARO_HUGEPAGES_OFF);
    cr_assert_str_eq(config.eal_args[0], "--iova-mode=va");
    cr_assert_eq(config.port[0].address[1].family, 6);
    cr_assert_eq(config.port[0].lcores, 1);
    cr_assert_eq(config.port[0].gateway_mac[5], 0xfe);
    cr_assert(config.port[0].reply_via_gateway);
}

Test(config, origins_have_defaults_of_their_own_and_one_form)
{
    static struct aro_config config;
    struct aro_error error = {0};
    const char *text = "origin \"a\" { url = \"HTTP://A.Example:80\" ttl = 1h rate = 1Gbit }\n"
                       "origin \"b\" { url = \"https://b.example/x/\" prefix = \"cdn/\" }\n" PORT;

    cr_assert_eq(read_text(text, &config, &error), 0, "%s", error.text);
    cr_assert_eq(config.origins, 2);
    cr_assert_str_eq(config.origin[0].url, "http://a.example/");
    cr_assert_str_eq(config.origin[0].prefix, "a.example/");
    cr_assert_eq(config.origin[0].ttl_us, 3600000000);
    cr_assert_eq(config.origin[0].rate_bytes_per_s, 125000000);
    cr_assert_str_eq(config.origin[1].name, "b");
    cr_assert_str_eq(config.origin[1].prefix, "cdn/");
    cr_assert_eq(config.origin[1].ttl_us, 600000000);
    cr_assert_eq(config.origin[1].connections, 8);
    cr_assert_eq(config.names_max, 100000);
}

Test(config, stores_are_one_disk_each_with_defaults_of_their_own)
{
    static struct aro_config config;
    struct aro_error error = {0};
    char text[ARO_DISKS_MAX * 64 + 256] = "";

    cr_assert_eq(read_text("store \"a\" { path = /a size = 1GiB segment = 16MiB recycle = on }\n"
                           "store \"b\" { path = /b size = 2GiB }\n" PORT,
                           &config, &error),
                 0, "%s", error.text);
    cr_assert_eq(config.disks, 2);
    cr_assert_str_eq(config.disk[0].path, "/a");
    cr_assert_eq(config.disk[0].recycle, ARO_CHOICE_ON);
    cr_assert_str_eq(config.disk[1].name, "b");
    cr_assert_eq(config.disk[1].segment_bytes, 256u << 20);
    cr_assert_eq(config.disk[1].recycle, ARO_CHOICE_OFF);
    for (unsigned i = 0; i <= ARO_DISKS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "store \"d%u\" { path = /d%u size = 1GiB }\n", i, i);
    strcat(text, PORT);
    cr_assert_eq(read_text(text, &config, &error), -1);
    cr_assert_not_null(strstr(error.text, ":17: more than 16 blocks: store"), "%s", error.text);
}

Test(config, bad_lines_are_named_with_their_line_and_what_to_do)
{
    static const struct {
        const char *text;
        int id;
        const char *line; /* ":N:" */
        const char *part; /* of the sentence */
    } rows[] = {
        {"\ncache { memroy = 1GiB }\n" PORT, 2003, ":2:", "did you mean 'memory'?"},
        {"cahce { memory = 1GiB }\n" PORT, 2003, ":1:", "did you mean 'cache'?"},
        {"memory = 1GiB\n" PORT, 2003, ":1:", "belongs into block 'cache'"},
        {"cache { xyzzy = 1 }\n", 2003, ":1:", "unknown key 'xyzzy' in block 'cache'"},
        {"__context = 1\n", 2003, ":1:", "unknown key"},
        {"cache {\n memory = 1KiB\n}\n" PORT, 2004, ":2:", "8MiB..4TiB"},
        {"cache {\n\n memory = lots\n}\n", 2004, ":3:", "cache.memory = 'lots'"},
        {"cache { pin_max = 91% }\n" PORT, 2004, ":1:", "0%..90% or bytes"},
        {"cache { pin_max = 12345678901% }\n" PORT, 2004, ":1:", "pin_max"},
        {"cache { pin_max = 2 }\n" PORT, 2004, ":1:", "pin_max"},
        {"cache { memory = 1GiB pin_max = 1GiB }\n" PORT, 2005, ":", "pin_max"},
        {"dataplane { lcores = {1, 1} }\n", 2004, ":1:", "different numbers"},
        {"dataplane { lcores = {127} }\n", 2004, ":1:", "0..126"},
        {"dataplane { reads = 48 }\n", 2004, ":1:", "power of two"},
        {"dataplane { idle = lazy }\n", 2004, ":1:", "adaptive, poll"},
        {"control { mode = 0999 }\n", 2004, ":1:", "control.mode"},
        {"port \"a\" { device = x addresses = {\"10.9.0.1\"} }\n", 2004, ":1:", "10.9.0.1/24"},
        {"port \"a\" { device = x addresses = {\"10.9.0.1/33\"} }\n", 2004, ":1:", "addresses"},
        {"port \"a\" { device = x\n mtu = 100 }\n", 2004, ":2:", "1280..9000"},
        {"port \"a\" { device = x gateway_mac = \"1:2\" }\n", 2004, ":1:", "aa:bb:cc:dd:ee:ff"},
        {"cache { memory = 1GiB\n memory = 2GiB }\n", 2002, ":2:", "given twice, first on line 1"},
        {"cache { memory = 1GiB\n", 2002, ":", "block 'cache' is not closed"},
        {"log_level = \"info\n", 2002, ":", ""},
        {"/* log_level = info\n" PORT, 2002, ":", "comment"},
        {"# one\n# two\ncache { # three\n  # four\n  memory = lots\n}\n", 2004, ":5:", "lots"},
        {"// one\n/* two\n three */ /* four */ cache { memory = lots }\n", 2004, ":3:", "lots"},
        {"runtime_dir = \"/a # /* // \\\" '\"\n\nmemroy = 1\n", 2003, ":3:", "memroy"},
        {"cache memory\n", 2002, ":1:", ""},
        {"= 5\n", 2002, ":1:", ""},
        {PORT PORT, 2002, ":2:", "duplicate"},
        {"store \"a\" { path = /x size = 1GiB }\nstore \"a\" { path = /y size = 1GiB }\n" PORT,
         2002, ":2:", "duplicate"},
        {"store \"a\" { path = /x size = 1GiB }\nstore \"b\" { path = /x size = 1GiB }\n" PORT,
         2005, ":", "stores \"a\" and \"b\" have the same path"},
        {"store \"a\" { path = /tmp size = 1GiB }\nstore \"b\" { path = /tmp/../tmp/ size = 1GiB "
         "}\n" PORT,
         2005, ":", "same path"},
        {"port \"\" { device = x addresses = {\"10.0.0.1/8\"} }\n", 2004,
         ":1:", "1..31 characters"},
        {"store \"a\" { path = /x }\n" PORT, 2007, ":1:", "needs 'size'"},
        {"port \"a\" { }\n", 2007, ":1:", "needs 'device'"},
        {"", 2007, ":", "no port block"},
        {"cache { chunks_max = 63 }\n" PORT, 2005, ":", "neither 0 nor within 64..67108864"},
        {"cache { chunks_max = 67108865 }\n" PORT, 2005, ":", "neither 0 nor within"},
        {"store \"a\" { path = /x size = 64MiB }\n" PORT, 2005, ":", "segment is larger than size"},
        {"dataplane { lcores = {2} }\nport \"a\" { device = x addresses = {\"10.9.0.1/8\"} "
         "lcores = {1} }",
         2005, ":", "wants lcore 1"},
        {"port \"a\" { device = x addresses = {\"10.9.0.1/8\"} reply_via_gateway = on }", 2005, ":",
         "no gateway_mac"},
        {"origin \"o\" { }\n" PORT, 2007, ":1:", "needs 'url'"},
        {"origin \"o\" { url = \"http://a.example/x\" }\n" PORT, 2004, ":", "is no folder"},
        {"origin \"o\" { url = \"http://a.example/../\" }\n" PORT, 2004, ":", "is no folder"},
        {"origin \"o\" { url = \"http://a.example/\" prefix = \"cdn\" }\n" PORT, 2004, ":",
         "is not like cdn.example/media/"},
        {"origin \"o\" { url = \"http://a.example/\" ttl = 10 }\n" PORT, 2004, ":1:", "origin.ttl"},
        {"origin \"o\" { url = \"http://a.example/\" }\n"
         "origin \"p\" { url = \"http://A.example:80/\" }\n" PORT,
         2005, ":", "the same prefix"},
        {"names { max = 1 }\n" PORT, 2004, ":1:", "names.max"},
        {PORT "port \"b\" { device = net_null0 addresses = {\"10.9.0.2/8\"} }", 2005, ":",
         "same device"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct aro_config config;
        struct aro_error error = {0};
        cr_assert_eq(read_text(rows[i].text, &config, &error), -1, "%s", rows[i].text);
        cr_assert_eq((int)error.id, rows[i].id, "%s -> %s", rows[i].text, error.text);
        cr_assert_not_null(strstr(error.text, rows[i].line), "%s -> %s", rows[i].text, error.text);
        cr_assert_not_null(strstr(error.text, rows[i].part), "%s -> %s", rows[i].text, error.text);
    }
}

Test(config, comments_stand_anywhere_but_within_words_and_quotes)
{
    static const struct {
        const char *text, *runtime_dir;
    } rows[] = {
        {"runtime_dir = /* why */ /z # because\n", "/z"},
        {"runtime_dir = # why\n /z // because\n", "/z"},
        {"runtime_dir = \"/z # //\" // because\n", "/z # //"},
        {"runtime_dir = '/z /* no */'\n", "/z /* no */"},
        {"runtime_dir = /x//y#because\n", "/x//y"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct aro_config config;
        struct aro_error error = {0};
        char text[300];
        snprintf(text, sizeof(text), "%s%s", rows[i].text, PORT);
        cr_assert_eq(read_text(text, &config, &error), 0, "%s: %s", text, error.text);
        cr_assert_str_eq(config.runtime_dir, rows[i].runtime_dir);
    }
}

Test(config, files_that_are_none_are_refused)
{
    static struct aro_config config;
    struct aro_error error = {0};

    cr_assert_eq(aro_config_read("/nonexistent/x.conf", &config, &error), -1);
    cr_assert_eq(error.id, ARO_E_CONFIG_READ);
    cr_assert_eq(aro_config_read("/tmp", &config, &error), -1);
    cr_assert_eq(error.id, ARO_E_CONFIG_READ);
    cr_assert_eq(aro_config_read("/dev/zero", &config, &error), -1);
    cr_assert_eq(error.id, ARO_E_CONFIG_READ);
}

Test(config, the_dump_reads_back_to_the_same_dump)
{
    static struct aro_config config;
    struct aro_error error = {0};
    char *first = NULL, *second = NULL;
    size_t length;
    FILE *out;

    cr_assert_eq(read_text("store \"s\" { path = \"/srv/x\" size = 3GB }\n"
                           "origin \"o\" { url = \"http://a.example/\" stale = 2d }\n"
                           "limits { ceiling = 7Mbit }\neal { args = {\"-v\", \"--x=1\"} }\n" PORT,
                           &config, &error),
                 0, "%s", error.text);
    out = open_memstream(&first, &length);
    aro_config_dump(&config, out);
    fclose(out);
    cr_assert_eq(read_text(first, &config, &error), 0, "%s\n%s", error.text, first);
    out = open_memstream(&second, &length);
    aro_config_dump(&config, out);
    fclose(out);
    cr_assert_str_eq(first, second);
    cr_assert_not_null(strstr(first, "ceiling = 7Mbit"));
    free(first);
    free(second);
}

Test(config, every_key_has_a_sentence_and_a_default_that_is_in_range)
{
    struct aro_key_info info;

    for (size_t i = 0; aro_config_key(i, &info); i++) {
        cr_assert_gt(strlen(info.sentence), 10u, "%s", info.name);
        cr_assert_gt(strlen(info.range), 2u, "%s", info.name);
    }
}

Test(config, the_template_names_every_key_with_its_default)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct aro_key_info info;

    aro_config_template(out);
    fclose(out);
    for (size_t i = 0; aro_config_key(i, &info); i++) {
        char line[300];
        snprintf(line, sizeof(line), "%s = %s%s%s\n", info.name, info.initial == NULL ? "<" : "",
                 info.initial == NULL    ? info.range
                 : *info.initial == '\0' ? "\"\""
                                         : info.initial,
                 info.initial == NULL ? ">" : "");
        cr_assert_not_null(strstr(text, line), "%s", line);
    }
    free(text);
}
