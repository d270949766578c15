/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/gateway/nodes.h"
#include "control/gateway/probe.h"
#include "control/gateway/scrape.h"
#include "control/watch/exporter.h"
#include "control/watch/pulse.h"

static_assert(ARO_GATE_WORKERS_MAX + 1 <= ARO_PULSE_THREADS_MAX, "workers, and the names' thread");

struct aro_gate_observer {
    struct aro_chore chore; /* first: the chore's turn gets it */
    struct aro_gate_observed of;
    struct aro_exporter *http; /* NULL: off */
    struct aro_gate_probe *probe;
    struct aro_pulse pulse;        /* thread i: worker i; behind them the names' thread */
    struct aro_gate_scrape scrape; /* as of the last look */
};

/* ---- looking ---- */

static void counters_take(struct aro_gate_observer *observer)
{
    struct aro_gate_counters *sum = &observer->scrape.counters;

    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < observer->of.config->workers; i++)
        aro_worker_counters(observer->of.worker[i], sum);
}

static void nodes_look(struct aro_gate_observer *observer, uint64_t now_us)
{
    struct aro_gate_scrape *scrape = &observer->scrape;
    uint64_t before[ARO_GATE_NODES_MAX];

    for (unsigned i = 0; i < ARO_GATE_NODES_MAX; i++)
        before[i] = scrape->counters.node[i].datagrams;
    counters_take(observer);
    for (unsigned i = 0; i < observer->of.config->nodes; i++)
        if (scrape->counters.node[i].datagrams != before[i])
            aro_gate_probe_heard(observer->probe, i, now_us);
    aro_gate_probe_turn(observer->probe, now_us);
}

static void threads_look(struct aro_gate_observer *observer, uint64_t now_ns)
{
    unsigned workers = (unsigned)observer->of.config->workers;
    uint64_t turns[ARO_PULSE_THREADS_MAX];

    for (unsigned i = 0; i < workers; i++)
        turns[i] = aro_worker_turns(observer->of.worker[i]);
    turns[workers] = aro_gate_names_turns(observer->of.names);
    aro_pulse_look(&observer->pulse, workers + 1, turns, now_ns);
}

/* ---- telling ---- */

static void status_send(const struct aro_gate_observer *observer)
{
    const struct aro_gate_config *config = observer->of.config;
    char reasons[ARO_GATE_REASONS_BYTES];
    unsigned answering = 0;

    for (unsigned i = 0; i < config->nodes; i++)
        answering += observer->scrape.answers[i];
    if (aro_gate_scrape_healthy(&observer->scrape, reasons))
        aro_notify_send(observer->of.notify, 0,
                        "STATUS=serving %s: %u workers, %u of %u nodes answer", config->listen[0],
                        (unsigned)config->workers, answering, config->nodes);
    else
        aro_notify_send(observer->of.notify, 0, "STATUS=%.*s", (int)strcspn(reasons, "\n"),
                        reasons);
}

/* Takes over what was seen; true: it differs. */
static bool change(bool *known, bool seen)
{
    bool changed = *known != seen;

    *known = seen;
    return changed;
}

static bool threads_compare(struct aro_gate_observer *observer)
{
    struct aro_gate_scrape *scrape = &observer->scrape;
    const struct aro_log *log = observer->of.log;
    unsigned workers = (unsigned)observer->of.config->workers;
    bool changed = false;

    for (unsigned i = 0; i < workers; i++) {
        bool beats = aro_pulse_beats(&observer->pulse, i);
        if (!change(&scrape->advances[i], beats))
            continue;
        changed = true;
        aro_log(log, beats ? ARO_LOG_INFO : ARO_LOG_ERROR,
                beats ? "worker-advances" : "worker-stuck", "worker=%u", i);
    }
    if (change(&scrape->names_advance, aro_pulse_beats(&observer->pulse, workers))) {
        changed = true;
        aro_log(log, scrape->names_advance ? ARO_LOG_INFO : ARO_LOG_ERROR,
                scrape->names_advance ? "names-advance" : "names-stuck", "%s", "");
    }
    return changed;
}

static bool nodes_compare(struct aro_gate_observer *observer, uint64_t now_us)
{
    const struct aro_gate_config *config = observer->of.config;
    bool changed = false;

    for (unsigned i = 0; i < config->nodes; i++) {
        bool answers = aro_gate_probe_answers(observer->probe, i, now_us);
        if (!change(&observer->scrape.answers[i], answers))
            continue;
        changed = true;
        aro_log(observer->of.log, answers ? ARO_LOG_INFO : ARO_LOG_WARNING,
                answers ? "node-answers" : "node-silent", "node=%s", config->node[i].name);
    }
    return changed;
}

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_gate_observer *observer = (struct aro_gate_observer *)(void *)chore;
    uint64_t every_ns = aro_pulse_every_ns(observer->of.notify->watchdog_us);
    uint64_t since_ns = now_ns - observer->pulse.looked_ns;
    bool changed = nodes_compare(observer, now_ns / 1000); /* an answer may have woken us */

    if (!observer->scrape.stopping && since_ns >= every_ns) {
        since_ns = 0;
        nodes_look(observer, now_ns / 1000);
        threads_look(observer, now_ns);
        changed |= threads_compare(observer);
        if (aro_pulse_feed(&observer->pulse))
            aro_notify_send(observer->of.notify, 0, "WATCHDOG=1");
    }
    if (changed && !observer->scrape.stopping)
        status_send(observer);
    return since_ns < every_ns ? (int)((every_ns - since_ns) / 1000000) + 1 : ARO_CHORE_IDLE_MS;
}

/* ---- answers ---- */

static void answer_metrics(struct aro_gate_observer *observer, struct aro_exporter_answer *ret)
{
    struct aro_exposition text = aro_exposition_begin(ARO_GATE_SCRAPE_BYTES_MAX);

    aro_gate_names_stats(observer->of.names, &observer->scrape.names);
    nodes_look(observer, aro_gate_now_us());
    aro_gate_scrape_write(&observer->scrape, &text);
    aro_exporter_answer_metrics(ret, &text);
}

static void on_get(void *arg, const char *path, struct aro_exporter_answer *ret)
{
    struct aro_gate_observer *observer = arg;
    char reasons[ARO_GATE_REASONS_BYTES];
    bool good;

    if (strcmp(path, "/metrics") == 0) {
        answer_metrics(observer, ret);
    } else if (strcmp(path, "/readyz") == 0) {
        good = aro_gate_scrape_ready(&observer->scrape, reasons);
        aro_exporter_answer_text(ret, good ? 200 : 503, good ? "ready\n" : reasons);
    } else if (strcmp(path, "/healthz") == 0) {
        good = aro_gate_scrape_healthy(&observer->scrape, reasons);
        aro_exporter_answer_text(ret, good ? 200 : 503, good ? "ok\n" : reasons);
    } else {
        aro_exporter_answer_text(ret, 404, "paths: /metrics /healthz /readyz\n");
    }
}

static int listen_start(struct aro_gate_observer *observer, struct aro_error *error)
{
    const struct aro_gate_config *config = observer->of.config;
    struct aro_exporter_config http = {.loop = observer->of.loop,
                                       .listen = config->metrics_listen,
                                       .get = on_get,
                                       .arg = observer};
    int failed;

    if (config->metrics_listen[0] == '\0')
        return 0;
    observer->http = aro_exporter_create(&http, error);
    if (observer->http != NULL)
        return 0;
    failed = errno;
    aro_error_set(error, failed == EACCES ? ARO_E_GATE_LISTEN_DENIED : ARO_E_GATE_LISTEN,
                  "cannot listen on %s (metrics_listen): %s", config->metrics_listen,
                  strerror(failed));
    if (config->metrics_listen_given)
        return -1;
    /* several gateways on one machine: the first has the default */
    aro_log(observer->of.log, ARO_LOG_WARNING, "metrics", "state=off error=\"%s\"", error->text);
    return 0;
}

/* ---- life ---- */

static double unix_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000;
}

struct aro_gate_observer *aro_gate_observer_create(const struct aro_gate_observed *of,
                                                   struct aro_error *error)
{
    struct aro_gate_observer *observer = calloc(1, sizeof(*observer));

    if (observer == NULL) {
        aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory to watch the gateway");
        return NULL;
    }
    observer->of = *of;
    observer->scrape.version = ARO_VERSION;
    observer->scrape.started_unix_s = unix_s();
    observer->scrape.config = of->config;
    observer->scrape.names_advance = true;
    memset(observer->scrape.advances, true, sizeof(observer->scrape.advances));
    observer->probe = aro_gate_probe_create(of->loop, of->config, error);
    if (observer->probe == NULL || listen_start(observer, error) != 0) {
        aro_gate_observer_destroy(observer);
        return NULL;
    }
    nodes_look(observer, aro_gate_now_us());
    threads_look(observer, aro_now_ns());
    observer->chore.turn = turn;
    aro_loop_chore(of->loop, &observer->chore);
    status_send(observer);
    return observer;
}

void aro_gate_observer_stopping(struct aro_gate_observer *observer)
{
    observer->scrape.stopping = true;
}

void aro_gate_observer_destroy(struct aro_gate_observer *observer)
{
    if (observer == NULL)
        return;
    aro_exporter_destroy(observer->http);
    aro_gate_probe_destroy(observer->probe);
    free(observer);
}
