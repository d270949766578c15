/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/phases.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/disks.h"
#include "control/eal.h"
#include "control/polling.h"
#include "control/profile.h"
#include "control/region_pages.h"
#include "control/secret.h"
#include "control/watch/observe.h"
#include "control/watch/request_log.h"

enum {
    RING_DEPTH = 512, /* of the control thread: store and puts */
    REAP_MAX = 128,
    MAINTAIN_MAX = 256, /* entries per turn */
    STOP_JOBS_NS_MAX = 2000000000,
    NOTIFY_WAIT_MS = 1000, /* at start and end only */
};

#define NODE_OF(member, pointer)                                                                   \
    ((struct aro_node *)(void *)((char *)(pointer)-offsetof(struct aro_node, member)))

static int fail_resource(struct aro_error *error, const char *what)
{
    return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "%s: %s", what, strerror(errno));
}

/* ---- runtime directory: one daemon each ---- */

static int runtime_start(struct aro_node *node, struct aro_error *error)
{
    const char *dir = node->config.runtime_dir;
    char path[ARO_CONFIG_PATH_BYTES + 8];

    node->lock_fd = -1;
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return aro_error_set(error, ARO_E_RUNTIME_DIR, "%s: %s", dir, strerror(errno));
    snprintf(path, sizeof(path), "%s/lock", dir);
    node->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (node->lock_fd < 0)
        return aro_error_set(error, ARO_E_RUNTIME_DIR, "%s: %s", path, strerror(errno));
    if (flock(node->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return aro_error_set(error, ARO_E_RUNTIME_LOCKED, "%s is locked", path);
    return 0;
}

static void runtime_stop(struct aro_node *node)
{
    if (node->lock_fd >= 0)
        close(node->lock_fd); /* the file stays: unlinking it could free somebody else's lock */
}

/* ---- loop and signals ---- */

static void on_signal(struct aro_watch *watch, uint32_t events)
{
    struct aro_node *node = NODE_OF(signal_watch, watch);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
        return;
    aro_log(&node->log, ARO_LOG_INFO, "stopping", "by=signal:%u", info.ssi_signo);
    node->stop = true;
}

static int loop_start(struct aro_node *node, struct aro_error *error)
{
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before EAL: its threads inherit the mask */
    node->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    node->loop = aro_loop_create();
    if (node->signal_fd < 0 || node->loop == NULL)
        return fail_resource(error, "event loop");
    node->signal_watch = (struct aro_watch){.fd = node->signal_fd, .ready = on_signal};
    errno = -aro_loop_add(node->loop, &node->signal_watch, EPOLLIN);
    return errno != 0 ? fail_resource(error, "event loop") : 0;
}

static void loop_stop(struct aro_node *node)
{
    aro_loop_destroy(node->loop);
    if (node->signal_fd > 0)
        close(node->signal_fd);
}

/* ---- interfaces: one daemon each ---- */

static int interfaces_start(struct aro_node *node, struct aro_error *error)
{
    return aro_port_locks_take(&node->port_locks, &node->config, node->loop, error);
}

static void interfaces_stop(struct aro_node *node)
{
    aro_port_locks_drop(&node->port_locks);
}

/* ---- EAL and memory ---- */

static int eal_start(struct aro_node *node, struct aro_error *error)
{
    node->eal = aro_eal_start(&node->config, &node->log, error);
    if (node->eal == NULL)
        return -1;
    node->eal_huge = aro_eal_huge(node->eal);
    node->eal_memory_bytes = aro_eal_memory_bytes(node->eal);
    return 0;
}

static void eal_stop(struct aro_node *node)
{
    aro_eal_stop(node->eal);
}

static int region_start(struct aro_node *node, struct aro_error *error)
{
    node->region = aro_region_create(node->config.cache_memory_bytes, &node->region_huge, error);
    return node->region != NULL ? 0 : -1;
}

static void region_stop(struct aro_node *node)
{
    aro_region_destroy(node->region, node->config.cache_memory_bytes);
}

/* ---- the control thread's ring ---- */

static void on_completions(struct aro_watch *watch, uint32_t events)
{
    struct aro_node *node = NODE_OF(ring_watch, watch);

    (void)events;
    aro_uring_poll(node->ring, REAP_MAX);
}

/* Said once: it is slower, and mostly nobody meant it to be. */
static void refusal_log(struct aro_node *node)
{
    int refused;

    if (aro_uring_is_threads(node->ring, &refused) && refused != 0)
        aro_log(&node->log, ARO_LOG_WARNING, "io-uring-refused",
                "error=\"%s\" instead=threads try=\"aroctl doctor\"", strerror(refused));
}

static int ring_start(struct aro_node *node, struct aro_error *error)
{
    for (unsigned i = 0; i < node->config.disks; i++)
        if (node->config.disk[i].io == ARO_STORE_IO_THREADS)
            aro_uring_choose_threads();
    node->ring = aro_uring_create(RING_DEPTH);
    if (node->ring == NULL)
        return fail_resource(error, "io_uring");
    refusal_log(node);
    node->ring_watch = (struct aro_watch){.fd = aro_uring_fd(node->ring), .ready = on_completions};
    errno = -aro_loop_add(node->loop, &node->ring_watch, EPOLLIN);
    return errno != 0 ? fail_resource(error, "event loop") : 0;
}

static void ring_stop(struct aro_node *node)
{
    aro_uring_destroy(node->ring);
}

/* ---- cache, content ---- */

static void fill_dataplane_config(struct aro_node *node)
{
    const struct aro_config *config = &node->config;
    struct aro_dataplane_config *to = &node->dataplane_config;

    to->service_port = (uint16_t)config->service_port;
    to->idle = (enum aro_idle)config->idle;
    to->jobs_per_lcore = (uint32_t)config->jobs;
    to->pending_per_lcore = (uint32_t)config->pending;
    to->reads_per_lcore = (uint32_t)config->reads;
    to->pending_deadline_us = (uint32_t)config->pending_deadline_us;
    to->sample_every = (uint32_t)config->requests_sample;
    to->limits = (struct aro_limits){
        .ceiling_bytes_per_s = config->ceiling_bytes_per_s,
        .ceiling_net_bytes_per_s = config->ceiling_net_bytes_per_s,
        .challenges_per_s = (uint32_t)config->challenges_per_s,
        .challenges_net_per_s = (uint32_t)config->challenges_net_per_s,
    };
    memcpy(to->port, config->port, sizeof(to->port));
    to->ports = config->ports;
}

static int cache_start(struct aro_node *node, struct aro_error *error)
{
    struct aro_cache_config config = {
        .region = node->region,
        .region_bytes = node->config.cache_memory_bytes,
        .entries_max = (uint32_t)node->config.cache_chunks_max,
        .readers_max = node->config.lcores.count + 1, /* and the control thread */
        .seed = secret(),
        .policy = node->config.cache_policy,
    };

    fill_dataplane_config(node);
    config.pins_per_reader = aro_dataplane_pins(&node->dataplane_config);
    node->cache = aro_cache_create(&config, error);
    return node->cache != NULL ? 0 : -1;
}

static void cache_stop(struct aro_node *node)
{
    aro_cache_destroy(node->cache);
}

static int content_start(struct aro_node *node, struct aro_error *error)
{
    struct aro_content_config config = {
        .cache = node->cache,
        .disks = node->disks,
        .ring = node->ring,
        .pin_bytes_max = aro_share_of(&node->config.cache_pin_max, node->config.cache_memory_bytes),
        .second_hit = aro_config_second_hit(&node->config),
        .seed = secret()};

    node->content = aro_content_create(&config);
    if (node->content == NULL)
        return fail_resource(error, "reading by the control thread");
    return aro_node_recyclers_create(node, error);
}

static void content_stop(struct aro_node *node)
{
    aro_node_recyclers_destroy(node);
    aro_content_destroy(node->content);
}

/* ---- data plane ---- */

static void on_bell(struct aro_watch *watch, uint32_t events)
{
    (void)events;
    aro_dataplane_poll(NODE_OF(dataplane_watch, watch)->dataplane);
}

static int dataplane_start(struct aro_node *node, struct aro_error *error)
{
    struct aro_dataplane_config *config = &node->dataplane_config;
    const char *dir = aro_profiles_dir(node->config.profile_dir);
    int profiles = aro_profiles_read(dir, config->profile, ARO_PROFILES_MAX, error);

    if (profiles < 0)
        return -1;
    config->profiles = (unsigned)profiles;
    config->cache = node->cache;
    config->disks = node->disks;
    aro_node_polling_decide(node);
    config->region = node->region;
    config->region_bytes = node->config.cache_memory_bytes;
    node->dataplane = aro_dataplane_create(config, error);
    if (node->dataplane == NULL)
        return -1;
    node->dataplane_watch =
        (struct aro_watch){.fd = aro_dataplane_fd(node->dataplane), .ready = on_bell};
    errno = -aro_loop_add(node->loop, &node->dataplane_watch, EPOLLIN);
    if (errno != 0)
        return fail_resource(error, "event loop");
    while (aro_cache_maintain(node->cache, MAINTAIN_MAX)) /* the lcores' first stock */
        ;
    return aro_dataplane_start(node->dataplane, error);
}

static void dataplane_stop(struct aro_node *node)
{
    if (node->dataplane == NULL)
        return;
    aro_dataplane_stop(node->dataplane);
    aro_dataplane_destroy(node->dataplane);
}

/* ---- control socket ---- */

static int server_start(struct aro_node *node, struct aro_error *error)
{
    struct aro_server_config config = {
        .loop = node->loop, .operator_uid = geteuid(), .line = aro_rpc_line, .gone = aro_rpc_gone};

    node->rpc = aro_rpc_create(aro_node_handler, node);
    config.arg = node->rpc;
    node->server = aro_server_create(&config);
    node->jobs =
        aro_jobs_create(node->loop); /* its turn follows the server's: no wait in between */
    if (node->jobs == NULL || node->rpc == NULL || node->server == NULL)
        return fail_resource(error, "control socket");
    aro_jobs_hold(node->jobs, node->disks != NULL);
    return aro_server_listen(node->server, node->config.socket, (mode_t)node->config.socket_mode,
                             node->config.socket_group, error);
}

static void server_stop(struct aro_node *node)
{
    aro_server_destroy(node->server);
    aro_rpc_destroy(node->rpc);
    aro_jobs_destroy(node->jobs);
}

/* ---- names and origins ---- */

/* Beside the first store's files; on a device there is no such place. NULL: in memory. */
static const char *names_dir(const struct aro_config *config)
{
    struct stat status;

    if (config->names_dir[0] != '\0')
        return config->names_dir;
    if (config->disks == 0 || stat(config->disk[0].path, &status) != 0 || !S_ISDIR(status.st_mode))
        return NULL;
    return config->disk[0].path;
}

static int origin_start(struct aro_node *node, struct aro_error *error)
{
    struct aro_resolver_config config = {
        .loop = node->loop,
        .content = node->content,
        .log = &node->log,
        .origins = {.list = node->config.origin, .count = node->config.origins},
        .names_dir = names_dir(&node->config),
        .names_max = node->config.names_max,
        .region_bytes = node->config.cache_memory_bytes,
    };

    node->held = aro_held_create(node->loop);
    node->resolver = aro_resolver_create(&config); /* its turn follows the server's */
    if (node->held == NULL || node->resolver == NULL)
        return fail_resource(error, "names and origins");
    return 0;
}

static void origin_stop(struct aro_node *node)
{
    aro_resolver_destroy(node->resolver);
    aro_held_destroy(node->held);
}

/* ---- watching ---- */

static int observer_start(struct aro_node *node, struct aro_error *error)
{
    node->observer = aro_observer_create(node, error);
    return node->observer != NULL ? 0 : -1;
}

static void observer_stop(struct aro_node *node)
{
    aro_observer_destroy(node->observer);
    node->observer = NULL;
}

static unsigned samples_take(void *dataplane, struct aro_request_sample ret[], unsigned max)
{
    return aro_dataplane_samples(dataplane, ret, max);
}

static int request_log_start(struct aro_node *node, struct aro_error *error)
{
    const struct aro_request_log_config config = {.loop = node->loop,
                                                  .ring = node->ring,
                                                  .log = &node->log,
                                                  .path = node->config.request_log,
                                                  .take = samples_take,
                                                  .arg = node->dataplane};

    if (node->config.requests_sample == 0)
        return 0;
    node->request_log = aro_request_log_create(&config, error);
    return node->request_log != NULL ? 0 : -1;
}

static void request_log_stop(struct aro_node *node)
{
    aro_request_log_destroy(node->request_log);
    node->request_log = NULL;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*start)(struct aro_node *node, struct aro_error *error);
    void (*stop)(struct aro_node *node);
} phases[] = {
    {"runtime", runtime_start, runtime_stop},             /* */
    {"loop", loop_start, loop_stop},                      /* */
    {"interfaces", interfaces_start, interfaces_stop},    /* */
    {"eal", eal_start, eal_stop},                         /* */
    {"region", region_start, region_stop},                /* */
    {"ring", ring_start, ring_stop},                      /* */
    {"cache", cache_start, cache_stop},                   /* */
    {"disks", aro_node_disks_start, aro_node_disks_stop}, /* */
    {"content", content_start, content_stop},             /* */
    {"dataplane", dataplane_start, dataplane_stop},       /* */
    {"server", server_start, server_stop},                /* */
    {"origin", origin_start, origin_stop},
    {"observer", observer_start, observer_stop},
    {"request_log", request_log_start, request_log_stop},
};

enum { PHASES = sizeof(phases) / sizeof(phases[0]) };

/* Whatever comes back regularly: memory for the lcores, the store's timers, control's reads. */
static int housekeep(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_node *node = NODE_OF(housekeeping, chore);
    int wish_ms = ARO_CHORE_IDLE_MS, disks_ms;

    aro_dataplane_poll(node->dataplane);
    if (aro_cache_maintain(node->cache, MAINTAIN_MAX))
        wish_ms = ARO_CHORE_NOW;
    else if (aro_cache_wanting(node->cache))
        wish_ms = 1;
    disks_ms = aro_node_disks_turn(node, now_ns);
    wish_ms = wish_ms < disks_ms ? wish_ms : disks_ms;
    wish_ms = aro_region_pages_turn(node) ? ARO_CHORE_NOW : wish_ms;
    if (aro_content_poll(node->content))
        wish_ms = wish_ms < 1 ? wish_ms : 1;
    aro_uring_submit(node->ring);
    return wish_ms;
}

static void stop_from(struct aro_node *node, unsigned phase)
{
    while (phase-- > 0)
        phases[phase].stop(node);
}

static uint64_t unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A service manager that cannot be reached is its own problem: it will say so. */
static void notify_open(struct aro_node *node)
{
    int result = aro_notify_open(&node->notify);

    if (result != 0)
        aro_log(&node->log, ARO_LOG_WARNING, "notify", "error=\"%s\"", strerror(-result));
}

int aro_node_start(struct aro_node *node, struct aro_error *error)
{
    char took[384] = "";
    size_t used = 0;

    node->started_ns = aro_now_ns();
    node->started_unix_ms = unix_ms();
    notify_open(node);
    for (unsigned i = 0; i < PHASES; i++) {
        uint64_t began_ns = aro_now_ns();
        aro_notify_send(&node->notify, NOTIFY_WAIT_MS, "STATUS=starting: %s", phases[i].name);
        if (phases[i].start(node, error) != 0) {
            aro_log(&node->log, ARO_LOG_ERROR, "start-failed", "phase=%s", phases[i].name);
            aro_notify_send(&node->notify, NOTIFY_WAIT_MS, "STATUS=%s", error->text);
            stop_from(node, i + 1);
            return -1;
        }
        used += (size_t)snprintf(took + used, sizeof(took) - used, " %s_us=%llu", phases[i].name,
                                 (unsigned long long)((aro_now_ns() - began_ns) / 1000));
    }
    node->housekeeping.turn = housekeep;
    aro_loop_chore(node->loop, &node->housekeeping);
    aro_log(&node->log, ARO_LOG_INFO, "arocached",
            "ready version=" ARO_VERSION " pid=%d socket=%s ports=%u lcores=%u%s", (int)getpid(),
            node->config.socket, node->config.ports, aro_dataplane_lcores(node->dataplane), took);
    aro_notify_send(&node->notify, NOTIFY_WAIT_MS, "READY=1");
    return 0;
}

static bool is_busy(const struct aro_node *node)
{
    return aro_jobs_now(node->jobs) > 0 || node->table_calls > 0 ||
           aro_resolver_is_busy(node->resolver);
}

void aro_node_run(struct aro_node *node)
{
    uint64_t began_ns;

    aro_loop_run(node->loop, &node->stop);
    aro_notify_send(&node->notify, NOTIFY_WAIT_MS, "STOPPING=1\nSTATUS=stopping");
    began_ns = aro_now_ns();
    aro_jobs_stop(node->jobs);
    aro_held_stop(node->held);
    aro_resolver_stop(node->resolver);
    while (is_busy(node) && aro_now_ns() - began_ns < STOP_JOBS_NS_MAX)
        aro_loop_once(node->loop, 1);
}

void aro_node_stop(struct aro_node *node)
{
    stop_from(node, PHASES);
    aro_notify_close(&node->notify);
    aro_log(&node->log, ARO_LOG_INFO, "stopped", "uptime_us=%llu",
            (unsigned long long)((aro_now_ns() - node->started_ns) / 1000));
}
