/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/gateway/worker_state.h"

enum {
    BACKLOG = 1024,
    EVENTS_PER_ROUND = 64,
    ACCEPTS_PER_ROUND = 32,
    EXTRA_CONNECTIONS = 64, /* beyond the limit, to be told 503 */
    CONNECTION_MEMORY_BYTES =
        24 << 10,      /* of libmicrohttpd: the head of a request, and its answer's */
    SWEEP_US = 250000, /* also for who watches that the thread advances */
    SLOW_US = 1000000,
};

/* What a descriptor of the epoll set is. */
enum { TAG_NODE = 0, TAG_LISTEN = 100, TAG_HTTP = 200, TAG_WAKE, TAG_NAMES };

/* ---- listening ---- */

static int listen_open(const struct aro_gate_address *address, bool shared)
{
    int on = 1, error;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, &address->any, address->len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

static int listen_fail(int failed, const char *text, struct aro_error *error)
{
    return aro_error_set(error, failed == -EACCES ? ARO_E_GATE_LISTEN_DENIED : ARO_E_GATE_LISTEN,
                         "cannot listen on %s: %s", text, strerror(-failed));
}

int aro_listen_check(const struct aro_gate_address *address, const char *text,
                     struct aro_error *error)
{
    int fd = listen_open(address, false);

    if (fd < 0)
        return listen_fail(fd, text, error);
    close(fd);
    return 0;
}

static int watch(const struct aro_worker *worker, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void listen_on(struct aro_worker *worker, bool on)
{
    if (worker->listening == on)
        return;
    worker->listening = on;
    for (unsigned i = 0; i < worker->config->listens; i++) {
        if (on)
            watch(worker, worker->listen_fd[i], TAG_LISTEN + i);
        else
            epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->listen_fd[i], NULL);
    }
}

static bool has_room(const struct aro_worker *worker)
{
    return worker->counters.connections_now < worker->connections_hard;
}

static void take_connections(struct aro_worker *worker, int listen_fd)
{
    struct sockaddr_storage peer;

    for (unsigned i = 0; i < ACCEPTS_PER_ROUND && has_room(worker); i++) {
        socklen_t len = sizeof(peer);
        int fd = accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        worker->run_due = true;
        if (MHD_add_connection(worker->daemon, fd, (struct sockaddr *)&peer, len) != MHD_YES)
            aro_gate_add(&worker->counters.connections_full, 1); /* it closed it */
    }
    if (!has_room(worker))
        listen_on(worker, false); /* the others wait in the kernel's queue */
}

/* ---- the loop ---- */

static void drain(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof(count)) > 0)
        ;
}

/* The main thread wants something. */
static void called(struct aro_worker *worker)
{
    drain(worker->wake_fd);
    if (__atomic_exchange_n(&worker->reopen, 0, __ATOMIC_RELAXED) != 0)
        aro_access_log_reopen(worker->log);
}

static void event_handle(struct aro_worker *worker, uint64_t tag)
{
    if (tag < TAG_LISTEN)
        aro_nodes_receive(worker->nodes, (unsigned)tag);
    else if (tag < TAG_HTTP)
        take_connections(worker, worker->listen_fd[tag - TAG_LISTEN]);
    else if (tag == TAG_HTTP)
        worker->run_due = true;
    else if (tag == TAG_WAKE)
        called(worker);
    else
        worker->names_due = true;
}

/* How long to wait for a descriptor: to the nearest thing that comes by itself. */
static uint64_t sleep_us(struct aro_worker *worker)
{
    uint64_t sleep = aro_nodes_sleep_us(worker->nodes, worker->now_us);
    MHD_UNSIGNED_LONG_LONG http_ms;

    if (worker->run_due)
        return 0;
    if (MHD_get_timeout(worker->daemon, &http_ms) == MHD_YES) {
        worker->run_due = http_ms == 0;
        sleep = http_ms * 1000 < sleep ? http_ms * 1000 : sleep;
    }
    return sleep < SWEEP_US ? sleep : SWEEP_US;
}

static void wait_events(struct aro_worker *worker)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    uint64_t us = sleep_us(worker);
    struct timespec limit = {.tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000) * 1000};
    int count = epoll_pwait2(worker->epoll_fd, events, EVENTS_PER_ROUND, &limit, NULL);

    worker->now_us = aro_gate_now_us();
    for (int i = 0; i < count; i++)
        event_handle(worker, events[i].data.u64);
}

/* Whoever waited for what arrived gets its turn. */
static void wake_exchanges(struct aro_worker *worker)
{
    struct aro_engine *engine = aro_nodes_engine(worker->nodes);
    struct aro_download *download;
    struct aro_claim *claim;

    while (worker->names_due &&
           (claim = aro_gate_names_changed(worker->names, worker->number)) != NULL)
        exchange_on_name(
            (struct aro_exchange *)(void *)((char *)claim - offsetof(struct aro_exchange, claim)));
    worker->names_due = false;
    while ((download = aro_engine_ready(engine)) != NULL)
        if (aro_download_arg(download) != NULL)
            exchange_on_download(aro_download_arg(download));
}

/* Of those that wait for nothing but their client. */
static uint64_t slow_readers(const struct aro_worker *worker)
{
    uint64_t count = 0;

    for (const struct aro_exchange *at = worker->exchanges; at != NULL; at = at->after)
        count += at->state == EXCHANGE_BODY && !at->suspended &&
                 worker->now_us >= at->moved_us + SLOW_US;
    return count;
}

static void sweep(struct aro_worker *worker)
{
    if (worker->now_us < worker->sweep_us)
        return;
    worker->sweep_us = worker->now_us + SWEEP_US;
    clients_sweep(worker);
    aro_nodes_publish(worker->nodes);
    aro_gate_set(&worker->counters.slow_readers_now, slow_readers(worker));
    aro_gate_set(&worker->counters.log_lost, aro_access_log_lost(worker->log));
}

static void round_trip(struct aro_worker *worker)
{
    wait_events(worker);
    aro_nodes_timeout(worker->nodes, worker->now_us);
    wake_exchanges(worker);
    if (worker->run_due || worker->now_us >= worker->sweep_us) {
        worker->run_due = false;
        MHD_run(worker->daemon);
        wake_exchanges(worker); /* what clients took or asked for may be ready at once */
    }
    aro_nodes_send(worker->nodes, aro_gate_now_us());
    sweep(worker);
    if (!worker->listening && worker->stop_us == 0 && has_room(worker))
        listen_on(worker, true);
    aro_access_log_flush(worker->log);
    aro_gate_add(&worker->counters.turns, 1);
}

static void stopping_begin(struct aro_worker *worker)
{
    listen_on(worker, false);
    for (unsigned i = 0; i < worker->config->listens; i++) {
        close(worker->listen_fd[i]); /* another process may have the port, its queue is given up */
        worker->listen_fd[i] = -1;
    }
    worker->stop_us = worker->now_us + ARO_GATE_STOP_US;
}

static void finish(struct aro_worker *worker)
{
    for (struct aro_exchange *at = worker->exchanges; at != NULL; at = at->after)
        exchange_abort(at);
    MHD_run(worker->daemon); /* a suspended connection must not meet MHD_stop_daemon */
    MHD_stop_daemon(worker->daemon);
    worker->daemon = NULL;
    aro_access_log_flush(worker->log);
}

static void *run(void *arg)
{
    struct aro_worker *worker = arg;

    while (worker->stop_us == 0 ||
           (worker->exchanges != NULL && worker->now_us < worker->stop_us)) {
        round_trip(worker);
        if (worker->stop_us == 0 && __atomic_load_n(&worker->stop, __ATOMIC_RELAXED) != 0)
            stopping_begin(worker);
    }
    finish(worker);
    __atomic_store_n(&worker->ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* ---- life ---- */

static struct MHD_Daemon *daemon_start(struct aro_worker *worker)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        exchange_on_request, worker, MHD_OPTION_URI_LOG_CALLBACK, exchange_on_target, worker,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_on_end, worker, MHD_OPTION_NOTIFY_CONNECTION,
        client_notify, worker, MHD_OPTION_CONNECTION_LIMIT, (unsigned)worker->connections_hard,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(worker->config->timeout_us / 1000000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_END);
}

static int listeners_open(struct aro_worker *worker, struct aro_error *error)
{
    const struct aro_gate_config *config = worker->config;

    for (unsigned i = 0; i < config->listens; i++) {
        int fd = listen_open(&config->listen_address[i], true);
        if (fd < 0)
            return listen_fail(fd, config->listen[i], error);
        worker->listen_fd[i] = fd;
    }
    return 0;
}

static int descriptors_watch(struct aro_worker *worker)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int failed = 0;

    for (unsigned i = 0; i < aro_nodes_count(worker->nodes); i++)
        failed |= watch(worker, aro_nodes_fd(worker->nodes, i), TAG_NODE + i);
    failed |= watch(worker, info->epoll_fd, TAG_HTTP);
    failed |= watch(worker, worker->wake_fd, TAG_WAKE);
    failed |= watch(worker, aro_gate_names_fd(worker->names, worker->number), TAG_NAMES);
    listen_on(worker, true);
    return failed;
}

static int worker_open(struct aro_worker *worker, struct aro_error *error)
{
    const struct aro_gate_config *config = worker->config;

    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->log = aro_access_log_create(config->log);
    if (worker->log == NULL)
        return aro_error_set(error, ARO_E_GATE_LOG, "cannot open the access log %s: %s",
                             config->log, strerror(errno));
    worker->nodes = aro_nodes_create(config, worker->buffer_bytes, &worker->counters, error);
    if (worker->nodes == NULL || listeners_open(worker, error) != 0)
        return -1;
    worker->daemon = daemon_start(worker);
    if (worker->epoll_fd < 0 || worker->wake_fd < 0 || worker->daemon == NULL ||
        descriptors_watch(worker) != 0)
        return aro_error_set(error, ARO_E_GATE_RESOURCES,
                             "no descriptor or memory for worker %u: %s", worker->number,
                             strerror(errno));
    return 0;
}

struct aro_worker *aro_worker_create(const struct aro_gate_config *config, unsigned number,
                                     struct aro_gate_names *names, struct aro_error *error)
{
    struct aro_worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL) {
        aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory for a worker");
        return NULL;
    }
    worker->config = config;
    worker->number = number;
    worker->names = names;
    worker->epoll_fd = worker->wake_fd = -1;
    for (unsigned i = 0; i < ARO_EAL_ARGS_MAX; i++)
        worker->listen_fd[i] = -1;
    worker->now_us = aro_gate_now_us();
    worker->connections_max = config->connections / config->workers;
    worker->connections_hard = worker->connections_max + EXTRA_CONNECTIONS;
    worker->buffer_bytes = config->memory_bytes / config->workers;
    if (worker_open(worker, error) == 0)
        return worker;
    aro_worker_destroy(worker);
    return NULL;
}

int aro_worker_start(struct aro_worker *worker, struct aro_error *error)
{
    sigset_t all, kept;
    char name[16];
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &kept); /* signals are the main thread's */
    failed = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (failed != 0)
        return aro_error_set(error, ARO_E_GATE_RESOURCES, "no thread for worker %u: %s",
                             worker->number, strerror(failed));
    worker->running = true;
    snprintf(name, sizeof(name), "gate-worker-%u", worker->number);
    pthread_setname_np(worker->thread, name);
    return 0;
}

static void wake(const struct aro_worker *worker)
{
    uint64_t one = 1;

    if (write(worker->wake_fd, &one, sizeof(one)) < 0)
        return; /* it is awake already */
}

void aro_worker_stop(struct aro_worker *worker)
{
    __atomic_store_n(&worker->stop, 1, __ATOMIC_RELAXED);
    wake(worker);
}

bool aro_worker_ended(const struct aro_worker *worker)
{
    return !worker->running || __atomic_load_n(&worker->ended, __ATOMIC_ACQUIRE) != 0;
}

static void close_if(int fd)
{
    if (fd >= 0)
        close(fd);
}

void aro_worker_destroy(struct aro_worker *worker)
{
    if (worker == NULL)
        return;
    if (worker->running) {
        aro_worker_stop(worker);
        pthread_join(worker->thread, NULL);
    }
    if (worker->daemon != NULL)
        MHD_stop_daemon(worker->daemon);
    for (unsigned i = 0; i < worker->config->listens; i++)
        close_if(worker->listen_fd[i]);
    aro_nodes_destroy(worker->nodes);
    aro_access_log_destroy(worker->log);
    close_if(worker->wake_fd);
    close_if(worker->epoll_fd);
    free(worker);
}

uint64_t aro_worker_turns(const struct aro_worker *worker)
{
    return __atomic_load_n(&worker->counters.turns, __ATOMIC_RELAXED);
}

void aro_worker_counters(const struct aro_worker *worker, struct aro_gate_counters *sum)
{
    aro_gate_counters_add(sum, &worker->counters);
}

void aro_worker_log_reopen(struct aro_worker *worker)
{
    __atomic_store_n(&worker->reopen, 1, __ATOMIC_RELAXED);
    wake(worker);
}
