/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/gate_config.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct aro_gate_config config;
static struct aro_error error;

static int read_text(const char *text)
{
    char path[] = "/tmp/aro-gate-XXXXXX";
    int fd = mkstemp(path);
    int result;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    error = (struct aro_error){0};
    result = aro_gate_config_read(path, 2, &config, &error);
    unlink(path);
    return result;
}

Test(gate_config, one_node_is_enough_and_the_rest_has_defaults)
{
    cr_assert_eq(read_text("node \"a\" { address = \"10.0.0.1\" }\n"), 0, "%s", error.text);
    cr_assert_eq(config.listens, 2u);
    cr_assert_eq(config.listen_address[0].any.sa_family, AF_INET);
    cr_assert_eq(ntohs(config.listen_address[1].ip6.sin6_port), 8080);
    cr_assert_eq(config.workers, 2u);
    cr_assert_eq(config.connections, 4096u);
    cr_assert_eq(config.memory_bytes, 256u << 20);
    cr_assert_eq(config.request_memory_bytes, 4u << 20);
    cr_assert_eq(config.timeout_us, 30000000u);
    cr_assert_str_eq(config.log, "");
    cr_assert_eq(ntohs(config.metrics_address.ip4.sin_port), 9502);
    cr_assert_not(config.metrics_listen_given);
    cr_assert_eq(config.nodes, 1u);
    cr_assert_str_eq(config.node[0].host, "10.0.0.1");
    cr_assert_eq(config.node[0].port, 9500);
    cr_assert_str_eq(config.node[0].control, "");
}

Test(gate_config, nodes_are_named_in_every_form)
{
    cr_assert_eq(read_text("node \"a\" { address = \"[2001:db8::1]:9600\" control = \"/run/a\" }\n"
                           "node \"b\" { address = \"2001:db8::2\" }\n"
                           "node \"c\" { address = \"cache.example.org:1\" }\n"
                           "node \"d\" { address = \"[::1]\" }\n"
                           "listen = \"127.0.0.1:80\"\nmetrics_listen = \"\"\n"),
                 0, "%s", error.text);
    cr_assert_eq(config.nodes, 4u);
    cr_assert_str_eq(config.node[0].host, "2001:db8::1");
    cr_assert_eq(config.node[0].port, 9600);
    cr_assert_str_eq(config.node[0].control, "/run/a");
    cr_assert_str_eq(config.node[1].host, "2001:db8::2");
    cr_assert_eq(config.node[1].port, 9500);
    cr_assert_str_eq(config.node[2].host, "cache.example.org");
    cr_assert_eq(config.node[2].port, 1);
    cr_assert_str_eq(config.node[3].host, "::1");
    cr_assert_eq(config.listens, 1u);
    cr_assert_eq(config.metrics_address.len, 0u);
}

Test(gate_config, the_default_given_by_the_file_is_no_default)
{
    cr_assert_eq(read_text("metrics_listen = \"127.0.0.1:9502\"\nnode \"a\" { address = \"x\" }\n"),
                 0, "%s", error.text);
    cr_assert(config.metrics_listen_given);
}

Test(gate_config, what_makes_no_sense_is_named)
{
    static const struct {
        const char *text;
        enum aro_error_id id;
        const char *says;
    } rows[] = {
        {"", ARO_E_CONFIG_MISSING, "no node"},
        {"node \"a\" { }", ARO_E_CONFIG_MISSING, "address"},
        {"node \"a\" { address = \"x:99999\" }", ARO_E_CONFIG_RANGE, "x:99999"},
        {"node \"a\" { address = \"x:0\" }", ARO_E_CONFIG_RANGE, "x:0"},
        {"node \"a\" { address = \"[::1\" }", ARO_E_CONFIG_RANGE, "[::1"},
        {"node \"\" { address = \"x\" }", ARO_E_CONFIG_RANGE, "title"},
        {"node \"a\" { address = \"x\" }\nlisten = \"8080\"", ARO_E_CONFIG_RANGE, "8080"},
        {"node \"a\" { address = \"x\" }\nlisten = \"localhost:80\"", ARO_E_CONFIG_RANGE,
         "localhost"},
        {"node \"a\" { address = \"x\" }\nworkers = 17", ARO_E_CONFIG_RANGE, "0..16"},
        {"node \"a\" { address = \"x\" }\nworkers = 4\nmemory = 16MiB", ARO_E_CONFIG_CONFLICT,
         "memory"},
        {"node \"a\" { address = \"x\" }\nworkers = 4\nconnections = 3", ARO_E_CONFIG_CONFLICT,
         "connections"},
        {"node \"a\" { address = \"x\" }\nconnectons = 3", ARO_E_CONFIG_UNKNOWN_KEY, "connections"},
        {"node \"a\" { adress = \"x\" }", ARO_E_CONFIG_UNKNOWN_KEY, "address"},
        {"node \"a\" { address = \"x\" ", ARO_E_CONFIG_SYNTAX, "node"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(read_text(rows[i].text), -1, "%s", rows[i].text);
        cr_assert_eq((int)error.id, (int)rows[i].id, "%s: %s", rows[i].text, error.text);
        cr_assert_not_null(strstr(error.text, rows[i].says), "%s", error.text);
    }
}

Test(gate_config, sixteen_nodes_and_no_more)
{
    char text[4096] = "", *at = text;

    for (int i = 0; i < ARO_GATE_NODES_MAX; i++)
        at += sprintf(at, "node \"n%d\" { address = \"x\" }\n", i);
    cr_assert_eq(read_text(text), 0, "%s", error.text);
    sprintf(at, "node \"more\" { address = \"x\" }\n");
    cr_assert_eq(read_text(text), -1);
    cr_assert_eq((int)error.id, (int)ARO_E_CONFIG_RANGE);
}

Test(gate_config, a_dump_reads_back_the_same)
{
    struct aro_gate_config first;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    cr_assert_eq(read_text("listen = {\"127.0.0.1:81\", \"[::1]:81\"}\nworkers = 1\n"
                           "log = \"-\"\ntimeout = 2s\n"
                           "node \"a\" { address = \"[::1]:9\" control = \"/x\" }\n"),
                 0, "%s", error.text);
    first = config;
    first.metrics_listen_given = true; /* a dump gives every key */
    aro_gate_config_dump(&config, out);
    fclose(out);
    cr_assert_eq(read_text(text), 0, "%s", error.text);
    cr_assert_eq(memcmp(&first, &config, sizeof(config)), 0);
    free(text);
}
