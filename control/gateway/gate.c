/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/gate.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/api/notify.h"
#include "control/gateway/observe.h"
#include "control/gateway/worker.h"
#include "control/loop.h"

enum {
    DESCRIPTORS_BESIDE = 256, /* listeners, nodes, logs, and what libraries open */
    NOTIFY_WAIT_MS = 1000,    /* at start and end only */
};

struct aro_gate {
    const struct aro_gate_config *config;
    const struct aro_log *log;
    struct aro_loop *loop;
    struct aro_watch signals;
    struct aro_gate_names *names;
    struct aro_worker *worker[ARO_GATE_WORKERS_MAX];
    struct aro_gate_observer *observer;
    struct aro_notify notify;
    bool stopping;
};

#define GATE_OF(member, pointer)                                                                   \
    ((struct aro_gate *)(void *)((char *)(pointer)-offsetof(struct aro_gate, member)))

/* ---- signals ---- */

static void stop(struct aro_gate *gate)
{
    gate->stopping = true;
    aro_gate_observer_stopping(gate->observer);
    aro_notify_send(&gate->notify, NOTIFY_WAIT_MS, "STOPPING=1\nSTATUS=stopping");
    aro_log(gate->log, ARO_LOG_INFO, "arogate stopping", "grace=%us", ARO_GATE_STOP_US / 1000000);
    for (unsigned i = 0; i < gate->config->workers; i++)
        aro_worker_stop(gate->worker[i]);
}

static void on_signal(struct aro_watch *watch, uint32_t events)
{
    struct aro_gate *gate = GATE_OF(signals, watch);
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            if (!gate->stopping)
                stop(gate);
            continue;
        }
        aro_log(gate->log, ARO_LOG_INFO, "log reopened", "file=%s", gate->config->log);
        for (unsigned i = 0; i < gate->config->workers; i++)
            aro_worker_log_reopen(gate->worker[i]);
    }
}

/* Before any thread: they inherit the mask. */
static int signals_open(struct aro_gate *gate)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    gate->signals = (struct aro_watch){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
                                       .ready = on_signal};
    if (gate->signals.fd < 0)
        return -errno;
    return aro_loop_add(gate->loop, &gate->signals, EPOLLIN);
}

/* ---- life ---- */

/* As many descriptors as connections need, if this user may have them. */
static void descriptors_raise(const struct aro_gate *gate)
{
    struct rlimit limit;
    rlim_t wanted = gate->config->connections + DESCRIPTORS_BESIDE;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    aro_log(gate->log, ARO_LOG_WARNING, "few descriptors", "connections=%llu descriptors=%llu",
            (unsigned long long)gate->config->connections, (unsigned long long)limit.rlim_cur);
}

static int workers_start(struct aro_gate *gate, struct aro_error *error)
{
    const struct aro_gate_config *config = gate->config;

    for (unsigned i = 0; i < config->listens; i++)
        if (aro_listen_check(&config->listen_address[i], config->listen[i], error) != 0)
            return -1;
    for (unsigned i = 0; i < config->workers; i++) {
        gate->worker[i] = aro_worker_create(config, i, gate->names, error);
        if (gate->worker[i] == NULL)
            return -1;
    }
    for (unsigned i = 0; i < config->workers; i++)
        if (aro_worker_start(gate->worker[i], error) != 0)
            return -1;
    return 0;
}

/* A service manager that cannot be reached is its own problem: it will say so. */
static void notify_open(struct aro_gate *gate)
{
    int result = aro_notify_open(&gate->notify);

    if (result != 0)
        aro_log(gate->log, ARO_LOG_WARNING, "notify", "error=\"%s\"", strerror(-result));
}

static int observer_start(struct aro_gate *gate, struct aro_error *error)
{
    const struct aro_gate_observed of = {.config = gate->config,
                                         .log = gate->log,
                                         .notify = &gate->notify,
                                         .loop = gate->loop,
                                         .names = gate->names,
                                         .worker = gate->worker};

    gate->observer = aro_gate_observer_create(&of, error);
    return gate->observer != NULL ? 0 : -1;
}

static int gate_open(struct aro_gate *gate, struct aro_error *error)
{
    gate->loop = aro_loop_create();
    if (gate->loop == NULL || signals_open(gate) != 0)
        return aro_error_set(error, ARO_E_GATE_RESOURCES, "no descriptor or memory: %s",
                             strerror(errno));
    descriptors_raise(gate);
    gate->names = aro_gate_names_create(gate->config, error);
    if (gate->names == NULL)
        return -1;
    if (workers_start(gate, error) != 0)
        return -1;
    return observer_start(gate, error);
}

struct aro_gate *aro_gate_create(const struct aro_gate_config *config, const struct aro_log *log,
                                 struct aro_error *error)
{
    struct aro_gate *gate = calloc(1, sizeof(*gate));

    if (gate == NULL) {
        aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory for a gateway");
        return NULL;
    }
    gate->config = config;
    gate->log = log;
    gate->signals.fd = -1;
    notify_open(gate);
    if (gate_open(gate, error) != 0) {
        aro_notify_send(&gate->notify, NOTIFY_WAIT_MS, "STATUS=%s", error->text);
        aro_gate_destroy(gate);
        return NULL;
    }
    aro_log(log, ARO_LOG_INFO, "arogate ready",
            "version=%s listen=%s workers=%llu nodes=%u memory=%llu", ARO_VERSION,
            config->listen[0], (unsigned long long)config->workers, config->nodes,
            (unsigned long long)config->memory_bytes);
    aro_notify_send(&gate->notify, NOTIFY_WAIT_MS, "READY=1");
    return gate;
}

static bool workers_ended(const struct aro_gate *gate)
{
    for (unsigned i = 0; i < gate->config->workers; i++)
        if (!aro_worker_ended(gate->worker[i]))
            return false;
    return true;
}

void aro_gate_run(struct aro_gate *gate)
{
    enum { STOPPING_LOOK_MS = 20 };

    while (!gate->stopping)
        aro_loop_once(gate->loop, ARO_CHORE_IDLE_MS);
    while (!workers_ended(gate))
        aro_loop_once(gate->loop, STOPPING_LOOK_MS);
}

void aro_gate_destroy(struct aro_gate *gate)
{
    if (gate == NULL)
        return;
    aro_gate_observer_destroy(gate->observer);
    for (unsigned i = 0; i < ARO_GATE_WORKERS_MAX; i++)
        aro_worker_destroy(gate->worker[i]);
    aro_gate_names_destroy(gate->names);
    if (gate->signals.fd >= 0)
        close(gate->signals.fd);
    aro_loop_destroy(gate->loop);
    if (gate->stopping) /* else it never ran */
        aro_log(gate->log, ARO_LOG_INFO, "arogate stopped", "%s", "");
    aro_notify_close(&gate->notify);
    free(gate);
}
