/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/scrape.h"

#include <stdio.h>
#include <string.h>

#include "control/watch/exporter.h"

/* ---- the list ---- */

struct entry {
    const char *name, *sentence;
    size_t offset;
    bool gauge;
};

#define ROW(type, name, sentence, gauge) {#name, sentence, offsetof(struct type, name), gauge},

static const struct entry own[] = {
#define ARO_GATE_COUNTER(name, sentence) ROW(aro_gate_counters, name, sentence, false)
#define ARO_GATE_GAUGE(name, sentence)   ROW(aro_gate_counters, name, sentence, true)
#include "control/gateway/counters.def"
};
static const struct entry of_node[] = {
#define ARO_GATE_NODE_COUNTER(name, sentence) ROW(aro_gate_node_counters, name, sentence, false)
#define ARO_GATE_NODE_GAUGE(name, sentence)   ROW(aro_gate_node_counters, name, sentence, true)
#include "control/gateway/counters.def"
};
static const struct entry of_names[] = {
#define ARO_GATE_NAMES_COUNTER(name, sentence) ROW(aro_gate_names_stats, name, sentence, false)
#define ARO_GATE_NAMES_GAUGE(name, sentence)   ROW(aro_gate_names_stats, name, sentence, true)
#include "control/gateway/counters.def"
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint64_t value_of(const void *base, const struct entry *entry)
{
    return *(const uint64_t *)(const void *)((const char *)base + entry->offset);
}

enum { NAME_BYTES = 96 };

/* Begins the family of an entry; its name into text. */
static const char *family(struct aro_exposition *to, const char *group, const struct entry *entry,
                          char text[NAME_BYTES])
{
    size_t length = strlen(entry->name);

    if (entry->gauge && length > 4 && strcmp(entry->name + length - 4, "_now") == 0)
        length -= 4;
    snprintf(text, NAME_BYTES, "arogate_%s%.*s%s", group, (int)length, entry->name,
             entry->gauge ? "" : "_total");
    aro_exposition_family(to, text, entry->gauge ? ARO_FAMILY_GAUGE : ARO_FAMILY_COUNTER,
                          entry->sentence);
    return text;
}

/* ---- families ---- */

static void gauge_write(struct aro_exposition *to, const char *name, const char *sentence,
                        uint64_t value)
{
    aro_exposition_family(to, name, ARO_FAMILY_GAUGE, sentence);
    aro_exposition_count(to, name, NULL, 0, value);
}

static void gate_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    const struct aro_label version = {"version", scrape->version};
    char reasons[ARO_GATE_REASONS_BYTES];

    aro_exposition_family(to, "arogate_build_info", ARO_FAMILY_GAUGE,
                          "always 1; the version is the label");
    aro_exposition_count(to, "arogate_build_info", &version, 1, 1);
    aro_exposition_family(to, "arogate_start_time_seconds", ARO_FAMILY_GAUGE,
                          "when the gateway started, Unix time");
    aro_exposition_real(to, "arogate_start_time_seconds", NULL, 0, scrape->started_unix_s);
    gauge_write(to, "arogate_ready", "what /readyz says: 1 when requests can be answered",
                aro_gate_scrape_ready(scrape, reasons));
    gauge_write(to, "arogate_connections_max", "client connections that may be at once",
                scrape->config->connections);
    gauge_write(to, "arogate_memory_max_bytes", "memory that content under way may take",
                scrape->config->memory_bytes);
}

static void threads_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    char text[12];

    aro_exposition_family(to, "arogate_worker_advancing", ARO_FAMILY_GAUGE,
                          "1: its loop turns; 0: not for a second");
    for (unsigned i = 0; i < scrape->config->workers; i++) {
        struct aro_label worker = {"worker", text};
        snprintf(text, sizeof(text), "%u", i);
        aro_exposition_count(to, "arogate_worker_advancing", &worker, 1, scrape->advances[i]);
    }
    gauge_write(to, "arogate_names_advancing", "the same of the thread that asks nodes for names",
                scrape->names_advance);
}

/* One family: sums over its label are what dashboards draw. */
static bool is_status(const struct entry *entry)
{
    return strncmp(entry->name, "status_", 7) == 0;
}

static void own_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    char text[NAME_BYTES];

    for (size_t i = 0; i < COUNT(own); i++)
        if (!is_status(&own[i]))
            aro_exposition_count(to, family(to, "", &own[i], text), NULL, 0,
                                 value_of(&scrape->counters, &own[i]));
    aro_exposition_family(to, "arogate_answers_total", ARO_FAMILY_COUNTER,
                          "requests answered, by status; 400: those that the parser refused, too");
    for (size_t i = 0; i < COUNT(own); i++) {
        struct aro_label status = {"status", own[i].name + strlen("status_")};
        if (is_status(&own[i]))
            aro_exposition_count(to, "arogate_answers_total", &status, 1,
                                 value_of(&scrape->counters, &own[i]));
    }
}

static void errors_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    const uint64_t *errors = scrape->counters.errors;
    char tag[16];

    aro_exposition_family(to, "arogate_errors_total", ARO_FAMILY_COUNTER,
                          "errors that made an answer or cut its body short, by id; only those "
                          "that happened");
    for (size_t i = 0; i < ARO_GATE_ERRORS; i++) {
        struct aro_label id = {"id", aro_error_tag(aro_error_at(i)->id, tag)};
        if (errors[i] > 0)
            aro_exposition_count(to, "arogate_errors_total", &id, 1, errors[i]);
    }
}

static void nodes_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    const struct aro_gate_config *config = scrape->config;
    char text[NAME_BYTES];

    aro_exposition_family(to, "arogate_node_answering", ARO_FAMILY_GAUGE,
                          "1: something came from it within the last 4 seconds");
    for (unsigned i = 0; i < config->nodes; i++) {
        struct aro_label node = {"node", config->node[i].name};
        aro_exposition_count(to, "arogate_node_answering", &node, 1, scrape->answers[i]);
    }
    for (size_t e = 0; e < COUNT(of_node); e++) {
        const char *name = family(to, "node_", &of_node[e], text);
        for (unsigned i = 0; i < config->nodes; i++) {
            struct aro_label node = {"node", config->node[i].name};
            aro_exposition_count(to, name, &node, 1,
                                 value_of(&scrape->counters.node[i], &of_node[e]));
        }
    }
}

static void names_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    char text[NAME_BYTES];

    for (size_t i = 0; i < COUNT(of_names); i++)
        aro_exposition_count(to, family(to, "names_", &of_names[i], text), NULL, 0,
                             value_of(&scrape->names, &of_names[i]));
}

void aro_gate_scrape_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to)
{
    gate_write(scrape, to);
    threads_write(scrape, to);
    own_write(scrape, to);
    errors_write(scrape, to);
    nodes_write(scrape, to);
    names_write(scrape, to);
}

/* ---- health, readiness ---- */

bool aro_gate_scrape_healthy(const struct aro_gate_scrape *scrape,
                             char reasons[ARO_GATE_REASONS_BYTES])
{
    reasons[0] = '\0';
    for (unsigned i = 0; i < scrape->config->workers; i++)
        if (!scrape->advances[i])
            aro_exporter_reason(reasons, ARO_GATE_REASONS_BYTES, "worker %u does not advance\n", i);
    if (!scrape->names_advance)
        aro_exporter_reason(reasons, ARO_GATE_REASONS_BYTES,
                            "the thread that asks for names does not advance\n");
    return reasons[0] == '\0';
}

bool aro_gate_scrape_ready(const struct aro_gate_scrape *scrape,
                           char reasons[ARO_GATE_REASONS_BYTES])
{
    bool any = false;

    aro_gate_scrape_healthy(scrape, reasons);
    for (unsigned i = 0; i < scrape->config->nodes; i++)
        any |= scrape->answers[i];
    if (!any)
        aro_exporter_reason(reasons, ARO_GATE_REASONS_BYTES, "no node answers\n");
    if (scrape->stopping)
        aro_exporter_reason(reasons, ARO_GATE_REASONS_BYTES, "stopping\n");
    return reasons[0] == '\0';
}
