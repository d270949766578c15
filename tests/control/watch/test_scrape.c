/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/scrape.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/control/watch/golden.h"

#define GOLDEN ARO_SOURCE_ROOT "/tests/control/watch/metrics.golden"

static struct aro_counters counters;

/* A node of one lcore, one port, one disk and one pool, ready. */
static struct aro_scrape *fake(void)
{
    struct aro_scrape *scrape = calloc(1, sizeof(*scrape));

    *scrape = (struct aro_scrape){.version = "1.2.3",
                                  .started_unix_s = 1795406903.25,
                                  .cycles_per_s = 2e9,
                                  .has_store = true,
                                  .lcores = 1,
                                  .ports = 1,
                                  .disks = 1,
                                  .pools = 1};
    scrape->metrics.store.writable = true;
    scrape->metrics.control.longest_round_us = 2500;
    scrape->metrics.cache.size_now[4] = (struct aro_size_count){6, 390000};
    scrape->lcore[0] = (struct aro_lcore_info){.lcore = 3, .jobs_now = 7, .counters = &counters};
    scrape->advances[0] = true;
    scrape->port[0] = (struct aro_port_info){.name = "p0",
                                             .device = "net_tap0,iface=aro0",
                                             .driver = "net_tap",
                                             .profile = "tap",
                                             .link_up = true,
                                             .link_mbps = 10000};
    scrape->disk[0] = (struct aro_disk_info){.name = "main",
                                             .reads = {.failures = 5},
                                             .store = {.write_failures = 2, .sync_failures = 1}};
    scrape->pool[0] = (struct aro_pool_info){.name = "frames-0", .items = 9, .items_free_now = 8};
    counters.requests = 11;
    counters.busy_cycles = 3000000000;
    counters.drop[ARO_DROP_ip4_fragment] = 13;
    return scrape;
}

static char *text_of(const struct aro_scrape *scrape)
{
    struct aro_exposition to = aro_exposition_begin(ARO_SCRAPE_BYTES_MAX);
    size_t length;
    char *text;

    aro_scrape_write(scrape, &to);
    text = aro_exposition_end(&to, &length);
    cr_assert_not_null(text);
    return text;
}

/* ---- names ---- */

Test(scrape, names_types_and_labels_are_those_of_the_golden_file)
{
    struct aro_scrape *scrape = fake();
    char *text = text_of(scrape);

    golden_check(text, GOLDEN);
    free(text);
    free(scrape);
}

static char *reason_rows(void)
{
    char *rows = NULL;
    size_t length;
    FILE *out = open_memstream(&rows, &length);

    fprintf(out, "| reason | layer | meaning |\n|---|---|---|\n");
    for (unsigned i = ARO_COUNTERS - ARO_DROPS; i < ARO_COUNTERS; i++)
        fprintf(out, "| `%s` | %s | %s |\n", aro_counter_infos[i].name + strlen("drop_"),
                aro_counter_infos[i].layer == 'f' ? "frame" : "request",
                aro_counter_infos[i].sentence);
    fclose(out);
    return rows;
}

Test(scrape, the_page_explains_every_family_and_every_reason)
{
    struct aro_scrape *scrape = fake();
    char *text = text_of(scrape);

    families_check(text, "families");
    section_check("reasons", reason_rows());
    free(text);
    free(scrape);
}

/* ---- values ---- */

static void cr_has(const char *text, const char *line)
{
    cr_assert_not_null(strstr(text, line), "no '%s'", line);
}

Test(scrape, values_come_in_base_units)
{
    struct aro_scrape *scrape = fake();
    char *text = text_of(scrape);

    cr_has(text, "\narocache_build_info{version=\"1.2.3\"} 1\n");
    cr_has(text, "\narocache_start_time_seconds 1795406903.25\n");
    cr_has(text, "\narocache_dataplane_requests_total{lcore=\"3\"} 11\n");
    cr_has(text, "\narocache_dataplane_busy_seconds_total{lcore=\"3\"} 1.5\n");
    cr_has(text, "\narocache_dataplane_drops_total{layer=\"frame\",reason=\"ip4_fragment\",lcore="
                 "\"3\"} 13\n");
    cr_has(text, "\narocache_lcore_jobs{lcore=\"3\"} 7\n");
    cr_has(text, "\narocache_port_link_speed_bytes{port=\"p0\"} 1250000000\n");
    cr_has(text, "\narocache_pool_free_buffers{pool=\"frames-0\"} 8\n");
    cr_has(text, "\narocache_control_longest_round_seconds 0.0025\n");
    cr_has(text, "\narocache_cache_size_chunks{size=\"65536\"} 6\n");
    cr_has(text, "\narocache_cache_size_bytes{size=\"65536\"} 390000\n");
    cr_has(text, "\narocache_store_writable 1\n");
    cr_has(text, "\narocache_disk_serving{disk=\"main\"} 1\n");
    cr_has(text, "\narocache_disk_read_errors_total{disk=\"main\"} 5\n");
    cr_has(text, "\narocache_disk_write_errors_total{disk=\"main\"} 3\n");
    cr_has(text, "\narocache_ready 1\n");
    free(text);
    free(scrape);
}

Test(scrape, without_a_store_there_are_no_store_metrics)
{
    struct aro_scrape *scrape = fake();
    char *text;

    scrape->has_store = false;
    scrape->disks = 0;
    text = text_of(scrape);
    cr_assert_null(strstr(text, "arocache_store_"));
    cr_assert_null(strstr(text, "arocache_disk_"));
    free(text);
    free(scrape);
}

Test(scrape, the_largest_node_fits_the_bound)
{
    struct aro_scrape *scrape = fake();
    char *text;

    memset(&counters, 0xff, sizeof(counters));
    for (scrape->lcores = 0; scrape->lcores < ARO_LCORES_MAX; scrape->lcores++)
        scrape->lcore[scrape->lcores] = scrape->lcore[0];
    for (scrape->ports = 0; scrape->ports < ARO_PORTS_MAX; scrape->ports++)
        scrape->port[scrape->ports] = scrape->port[0];
    for (scrape->disks = 0; scrape->disks < ARO_DISKS_MAX; scrape->disks++)
        scrape->disk[scrape->disks] = scrape->disk[0];
    for (scrape->pools = 0; scrape->pools < ARO_SCRAPE_POOLS_MAX; scrape->pools++)
        scrape->pool[scrape->pools] = scrape->pool[0];
    text = text_of(scrape);
    cr_assert_lt(strlen(text), (size_t)ARO_SCRAPE_BYTES_MAX / 2);
    free(text);
    free(scrape);
}

/* ---- readiness ---- */

Test(scrape, ready_needs_every_lcore_the_store_and_a_link_and_names_what_lacks)
{
    struct aro_scrape *scrape = fake();
    char reasons[ARO_REASONS_BYTES];

    cr_assert(aro_scrape_ready(scrape, reasons));
    cr_assert_str_eq(reasons, "");
    scrape->advances[0] = false;
    cr_assert_not(aro_scrape_ready(scrape, reasons));
    cr_assert_str_eq(reasons, "lcore 3 does not advance\n");
    scrape->metrics.store.writable = false;
    scrape->port[0].link_up = false;
    scrape->stopping = true;
    cr_assert_not(aro_scrape_ready(scrape, reasons));
    cr_assert_str_eq(reasons, "stopping\nlcore 3 does not advance\nthe store takes no writes\n"
                              "no port has its link up\n");
    free(scrape);
}

Test(scrape, a_memory_only_node_and_one_link_of_two_are_enough)
{
    struct aro_scrape *scrape = fake();
    char reasons[ARO_REASONS_BYTES];

    scrape->has_store = false;
    scrape->metrics.store.writable = false;
    scrape->ports = 2;
    scrape->port[1] = scrape->port[0];
    scrape->port[0].link_up = false;
    cr_assert(aro_scrape_ready(scrape, reasons), "%s", reasons);
    free(scrape);
}

Test(scrape, reasons_of_every_lcore_stay_within_their_bound)
{
    struct aro_scrape *scrape = fake();
    char reasons[ARO_REASONS_BYTES];

    for (scrape->lcores = 0; scrape->lcores < ARO_LCORES_MAX; scrape->lcores++) {
        scrape->lcore[scrape->lcores].lcore = 4000000000u + scrape->lcores;
        scrape->advances[scrape->lcores] = false;
    }
    cr_assert_not(aro_scrape_ready(scrape, reasons));
    cr_assert_lt(strlen(reasons), (size_t)ARO_REASONS_BYTES);
    free(scrape);
}
