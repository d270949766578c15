/* SPDX-License-Identifier: BSD-3-Clause */
/* The gateway's metrics, health and readiness, made from a state of the test's own. */
#include "control/gateway/scrape.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "tests/control/watch/golden.h"

#define GOLDEN ARO_SOURCE_ROOT "/tests/control/gateway/metrics.golden"

static struct aro_gate_config config;

/* A gateway of one worker and one node, ready. */
static struct aro_gate_scrape *fake(void)
{
    struct aro_gate_scrape *scrape = calloc(1, sizeof(*scrape));

    config = (struct aro_gate_config){
        .workers = 1, .connections = 4096, .memory_bytes = 256 << 20, .nodes = 1};
    strcpy(config.node[0].name, "a");
    scrape->version = "1.2.3";
    scrape->started_unix_s = 1795406903.25;
    scrape->config = &config;
    scrape->advances[0] = scrape->names_advance = scrape->answers[0] = true;
    scrape->counters.requests = 11;
    scrape->counters.status_206 = 5;
    scrape->counters.connections_now = 3;
    scrape->counters.node[0].mismatches = 2;
    scrape->names.entries_now = 6;
    aro_gate_count_error(&scrape->counters, ARO_E_GATE_MEMORY);
    return scrape;
}

static char *text_of(const struct aro_gate_scrape *scrape)
{
    struct aro_exposition to = aro_exposition_begin(ARO_GATE_SCRAPE_BYTES_MAX);
    size_t length;
    char *text;

    aro_gate_scrape_write(scrape, &to);
    text = aro_exposition_end(&to, &length);
    cr_assert_not_null(text);
    return text;
}

Test(gate_scrape, names_types_and_labels_are_those_of_the_golden_file)
{
    struct aro_gate_scrape *scrape = fake();
    char *text = text_of(scrape);

    golden_check(text, GOLDEN);
    free(text);
    free(scrape);
}

Test(gate_scrape, the_page_explains_every_family)
{
    struct aro_gate_scrape *scrape = fake();
    char *text = text_of(scrape);

    families_check(text, "gateway families");
    free(text);
    free(scrape);
}

Test(gate_scrape, values_stand_where_they_belong)
{
    static const char *const lines[] = {
        "\narogate_build_info{version=\"1.2.3\"} 1\n",
        "\narogate_start_time_seconds 1795406903.25\n",
        "\narogate_ready 1\n",
        "\narogate_requests_total 11\n",
        "\narogate_answers_total{status=\"206\"} 5\n",
        "\narogate_connections 3\n",
        "\narogate_errors_total{id=\"ARO-9031\"} 1\n",
        "\narogate_node_mismatches_total{node=\"a\"} 2\n",
        "\narogate_node_answering{node=\"a\"} 1\n",
        "\narogate_names_entries 6\n",
        "\narogate_memory_max_bytes 268435456\n",
    };
    struct aro_gate_scrape *scrape = fake();
    char *text = text_of(scrape);

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_assert_not_null(strstr(text, lines[i]), "no '%s'", lines[i]);
    free(text);
    free(scrape);
}

Test(gate_scrape, counters_of_workers_add_up_whole)
{
    struct aro_gate_counters sum = {0}, one = {0};

    one.connections = 1;
    one.node[ARO_GATE_NODES_MAX - 1].left_now = 2;
    aro_gate_count_error(&one, aro_error_at(ARO_GATE_ERRORS - 1)->id);
    aro_gate_counters_add(&sum, &one);
    aro_gate_counters_add(&sum, &one);
    cr_assert_eq(sum.connections, 2u);
    cr_assert_eq(sum.node[ARO_GATE_NODES_MAX - 1].left_now, 4u);
    cr_assert_eq(sum.errors[ARO_GATE_ERRORS - 1], 2u);
    cr_assert_null(aro_error_at(ARO_GATE_ERRORS));
}

Test(gate_scrape, the_largest_gateway_fits_the_bound)
{
    struct aro_gate_scrape *scrape = fake();
    char *text;

    memset(&scrape->counters, 0xff, sizeof(scrape->counters));
    memset(&scrape->names, 0xff, sizeof(scrape->names));
    config.workers = ARO_GATE_WORKERS_MAX;
    for (config.nodes = 0; config.nodes < ARO_GATE_NODES_MAX; config.nodes++)
        memset(config.node[config.nodes].name, '"', sizeof(config.node[0].name) - 1);
    text = text_of(scrape);
    cr_assert_lt(strlen(text), (size_t)ARO_GATE_SCRAPE_BYTES_MAX / 2);
    free(text);
    free(scrape);
}

/* ---- health, readiness ---- */

static void expect(const struct aro_gate_scrape *scrape, const char *unwell, const char *unready)
{
    char reasons[ARO_GATE_REASONS_BYTES];

    cr_assert_eq(aro_gate_scrape_healthy(scrape, reasons), *unwell == '\0');
    cr_assert_str_eq(reasons, unwell);
    cr_assert_eq(aro_gate_scrape_ready(scrape, reasons), *unready == '\0');
    cr_assert_str_eq(reasons, unready);
}

Test(gate_scrape, health_needs_every_thread_and_readiness_a_node_too)
{
    struct aro_gate_scrape *scrape = fake();

    expect(scrape, "", "");
    config.nodes = 2; /* one of two is enough */
    expect(scrape, "", "");
    scrape->answers[0] = false;
    expect(scrape, "", "no node answers\n");
    scrape->answers[1] = true;
    scrape->advances[0] = false;
    expect(scrape, "worker 0 does not advance\n", "worker 0 does not advance\n");
    scrape->advances[0] = true;
    scrape->names_advance = false;
    expect(scrape, "the thread that asks for names does not advance\n",
           "the thread that asks for names does not advance\n");
    scrape->names_advance = true;
    scrape->stopping = true;
    expect(scrape, "", "stopping\n");
    free(scrape);
}

Test(gate_scrape, reasons_of_every_worker_stay_within_their_bound)
{
    struct aro_gate_scrape *scrape = fake();
    char reasons[ARO_GATE_REASONS_BYTES];

    config.workers = ARO_GATE_WORKERS_MAX;
    memset(scrape->advances, 0, sizeof(scrape->advances));
    scrape->names_advance = scrape->answers[0] = false;
    scrape->stopping = true;
    cr_assert_not(aro_gate_scrape_ready(scrape, reasons));
    cr_assert_not_null(strstr(reasons, "\nstopping\n"));
    free(scrape);
}
