/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "control/watch/pulse.h"
#include "control/watch/scrape.h"

static_assert((int)ARO_LCORES_MAX <= (int)ARO_PULSE_THREADS_MAX, "a pulse for every lcore");

struct aro_observer {
    struct aro_chore chore; /* first: the chore's turn gets it */
    struct aro_node *node;
    struct aro_exporter *http; /* NULL: off */
    struct aro_pulse pulse;
    bool beats[ARO_LCORES_MAX]; /* as last said in the log */
    bool indexing;              /* as last told to the service manager */
    struct aro_scrape scrape;   /* of the answer being made */
};

/* ---- /metrics, /readyz ---- */

static void scrape_take(struct aro_observer *observer)
{
    struct aro_node *node = observer->node;
    struct aro_dataplane *dataplane = node->dataplane;
    struct aro_scrape *scrape = &observer->scrape;

    *scrape = (struct aro_scrape){.version = ARO_VERSION,
                                  .started_unix_s = (double)node->started_unix_ms / 1000,
                                  .cycles_per_s = aro_dataplane_cycles_per_s(dataplane),
                                  .stopping = node->stop,
                                  .has_store = node->disks != NULL,
                                  .lcores = aro_dataplane_lcores(dataplane),
                                  .ports = aro_dataplane_ports(dataplane),
                                  .disks = aro_disks_count(node->disks),
                                  .pools = aro_dataplane_pools(dataplane)};
    aro_node_metrics(node, &scrape->metrics);
    for (unsigned i = 0; i < scrape->lcores; i++) {
        aro_dataplane_lcore_info(dataplane, i, &scrape->lcore[i]);
        scrape->advances[i] = aro_pulse_beats(&observer->pulse, i);
    }
    for (unsigned i = 0; i < scrape->ports; i++)
        aro_dataplane_port_info(dataplane, i, &scrape->port[i]);
    for (unsigned i = 0; i < scrape->disks; i++)
        aro_node_disk_info(node, i, &scrape->disk[i]);
    for (unsigned i = 0; i < scrape->pools; i++)
        aro_dataplane_pool_info(dataplane, i, &scrape->pool[i]);
}

static void answer_metrics(struct aro_observer *observer, struct aro_exporter_answer *ret)
{
    struct aro_exposition text = aro_exposition_begin(ARO_SCRAPE_BYTES_MAX);

    scrape_take(observer);
    aro_scrape_write(&observer->scrape, &text);
    aro_exporter_answer_metrics(ret, &text);
}

static void answer_ready(struct aro_observer *observer, struct aro_exporter_answer *ret)
{
    char reasons[ARO_REASONS_BYTES];

    scrape_take(observer);
    if (aro_scrape_ready(&observer->scrape, reasons))
        aro_exporter_answer_text(ret, 200, "ready\n");
    else
        aro_exporter_answer_text(ret, 503, reasons);
}

static void on_get(void *arg, const char *path, struct aro_exporter_answer *ret)
{
    if (strcmp(path, "/metrics") == 0)
        answer_metrics(arg, ret);
    else if (strcmp(path, "/readyz") == 0)
        answer_ready(arg, ret);
    else if (strcmp(path, "/healthz") == 0)
        aro_exporter_answer_text(ret, 200, "ok\n");
    else
        aro_exporter_answer_text(ret, 404, "paths: /metrics /healthz /readyz\n");
}

static int listen_start(struct aro_observer *observer, struct aro_error *error)
{
    const struct aro_config *config = &observer->node->config;
    struct aro_exporter_config http = {.loop = observer->node->loop,
                                       .listen = config->http_listen,
                                       .get = on_get,
                                       .arg = observer};

    if (config->http_listen[0] == '\0')
        return 0;
    observer->http = aro_exporter_create(&http, error);
    if (observer->http == NULL && config->http_listen_given)
        return -1;
    if (observer->http == NULL) /* several nodes on one machine: the first has the default */
        aro_log(&observer->node->log, ARO_LOG_WARNING, "http", "state=off error=\"%s\"",
                error->text);
    return 0;
}

/* ---- lcores and the watchdog ---- */

static bool is_indexing(const struct aro_node *node)
{
    return !aro_disks_are_whole(node->disks);
}

static void status_send(const struct aro_observer *observer)
{
    const struct aro_node *node = observer->node;
    struct aro_store_stats store;

    for (unsigned i = 0; i < observer->pulse.threads; i++)
        if (!observer->beats[i]) {
            aro_notify_send(&node->notify, 0, "STATUS=lcore %u does not advance",
                            observer->scrape.lcore[i].lcore);
            return;
        }
    if (observer->indexing) {
        aro_disks_stats(node->disks, &store);
        aro_notify_send(&node->notify, 0,
                        "STATUS=serving UDP port %u, the store's index is being built: %llu of "
                        "%llu segments",
                        (unsigned)node->config.service_port,
                        (unsigned long long)store.recovered_segments,
                        (unsigned long long)store.recovery_segments);
        return;
    }
    aro_notify_send(&node->notify, 0, "STATUS=serving UDP port %u: %u ports, %u lcores",
                    (unsigned)node->config.service_port, node->config.ports,
                    observer->pulse.threads);
}

static void beats_compare(struct aro_observer *observer)
{
    bool indexing = is_indexing(observer->node);
    bool changed = indexing || indexing != observer->indexing;

    observer->indexing = indexing;
    for (unsigned i = 0; i < observer->pulse.threads; i++) {
        bool beats = aro_pulse_beats(&observer->pulse, i);
        if (beats == observer->beats[i])
            continue;
        observer->beats[i] = beats;
        changed = true;
        aro_log(&observer->node->log, beats ? ARO_LOG_INFO : ARO_LOG_ERROR,
                beats ? "lcore-advances" : "lcore-stuck", "lcore=%u",
                observer->scrape.lcore[i].lcore);
    }
    if (changed)
        status_send(observer);
}

static void look(struct aro_observer *observer, uint64_t now_ns)
{
    uint64_t loops[ARO_LCORES_MAX];
    unsigned lcores = aro_dataplane_lcores(observer->node->dataplane);

    for (unsigned i = 0; i < lcores; i++) {
        aro_dataplane_lcore_info(observer->node->dataplane, i, &observer->scrape.lcore[i]);
        loops[i] = observer->scrape.lcore[i].loops;
    }
    aro_pulse_look(&observer->pulse, lcores, loops, now_ns);
}

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_observer *observer = (struct aro_observer *)(void *)chore;
    uint64_t every_ns = aro_pulse_every_ns(observer->node->notify.watchdog_us);
    uint64_t since_ns = now_ns - observer->pulse.looked_ns;

    if (since_ns < every_ns)
        return (int)((every_ns - since_ns) / 1000000) + 1;
    look(observer, now_ns);
    beats_compare(observer);
    if (aro_pulse_feed(&observer->pulse))
        aro_notify_send(&observer->node->notify, 0, "WATCHDOG=1");
    return (int)(every_ns / 1000000);
}

/* ---- life ---- */

struct aro_observer *aro_observer_create(struct aro_node *node, struct aro_error *error)
{
    struct aro_observer *observer = calloc(1, sizeof(*observer));

    if (observer == NULL) {
        aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory to watch the node");
        return NULL;
    }
    observer->node = node;
    memset(observer->beats, true, sizeof(observer->beats));
    observer->indexing = is_indexing(node);
    look(observer, aro_now_ns());
    if (listen_start(observer, error) != 0) {
        free(observer);
        return NULL;
    }
    observer->chore.turn = turn;
    aro_loop_chore(node->loop, &observer->chore);
    status_send(observer);
    return observer;
}

void aro_observer_destroy(struct aro_observer *observer)
{
    if (observer == NULL)
        return;
    aro_exporter_destroy(observer->http);
    free(observer);
}

void aro_observer_http_stats(const struct aro_observer *observer, struct aro_exporter_stats *ret)
{
    *ret = (struct aro_exporter_stats){0};
    if (observer != NULL && observer->http != NULL)
        aro_exporter_stats(observer->http, ret);
}
