/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/node.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/client/connection.h"
#include "perf/apart.h"
#include "perf/child.h"
#include "perf/fail.h"

enum { ANSWER_MS = 30000, LOOK_NS = 2000000, WAIT_LOOKS_MAX = 30000, LOG_BYTES = 64 << 10 };

/* ---- where it is ---- */

const char *bench_node_program(const char *named)
{
    static const char *const beside[] = {"arocached", "../control/arocached"};
    static char path[BENCH_FOLDER_BYTES];
    char *slash;
    ssize_t length;

    if (named != NULL)
        return named;
    for (unsigned i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        length = readlink("/proc/self/exe", path, sizeof(path) - 64);
        if (length <= 0)
            break;
        path[length] = '\0';
        slash = strrchr(path, '/');
        strcpy(slash + 1, beside[i]);
        if (bench_child_exists(path))
            return path;
    }
    return "arocached";
}

/* ---- its configuration ---- */

/* Of CPUs that there are: number which of the last `lcores` among the first two. */
static unsigned lcore_id(const struct bench_node_config *config, unsigned which)
{
    unsigned first = CPU_COUNT(&config->cpus) > 1 ? BENCH_NODE_LCORES_MAX - config->lcores : 0;
    unsigned left = first + which;

    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &config->cpus) && left-- == 0)
            return cpu;
    return which; /* on any CPU */
}

static void ports_write(const struct bench_node_config *config, FILE *out)
{
    for (unsigned i = 0; i < config->lcores; i++) {
        char device[BENCH_WIRE_DEVICE_BYTES], host[BENCH_WIRE_HOST_BYTES];
        bench_wire_device(i, config->mtu, config->frames, device);
        bench_wire_host(i, host);
        fprintf(out,
                "port \"p%u\" { device = \"%s\" addresses = {\"%s/24\"} mtu = %u lcores = {%u} }\n",
                i, device, host, config->mtu, lcore_id(config, i));
    }
}

static void config_write(const struct bench_node_config *config, FILE *out)
{
    fprintf(out,
            "runtime_dir = \"%s/run\"\n"
            "cache { memory = \"%lluMiB\" }\n"
            "store \"main\" { path = \"%s\" size = \"%lluMiB\" segment = \"%lluMiB\" "
            "chunks_max = %llu }\n"
            "limits { ceiling = 0 ceiling_net = 0 }\n"
            "dataplane { lcores = {%u",
            config->folder, (unsigned long long)(config->memory_bytes >> 20), config->store,
            (unsigned long long)(config->store_bytes >> 20),
            (unsigned long long)(config->segment_bytes >> 20),
            (unsigned long long)config->chunks_max, lcore_id(config, 0));
    for (unsigned i = 1; i < config->lcores; i++)
        fprintf(out, ", %u", lcore_id(config, i));
    fprintf(out, "} pending = %u reads = %u }\n", config->pending, config->reads);
    ports_write(config, out);
}

void bench_node_make(struct bench_node *node, const struct bench_node_config *config)
{
    FILE *out;

    *node = (struct bench_node){.config = *config};
    snprintf(node->path, sizeof(node->path), "%s/conf", config->folder);
    snprintf(node->log, sizeof(node->log), "%s/log", config->folder);
    snprintf(node->socket, sizeof(node->socket), "%s/run/control.sock", config->folder);
    out = fopen(node->path, "we");
    if (out != NULL)
        config_write(config, out);
    if (out == NULL || fclose(out) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s: %s", node->path, strerror(errno));
}

/* ---- its life ---- */

static void log_read(const struct bench_node *node, char text[LOG_BYTES])
{
    FILE *log = fopen(node->log, "re");
    size_t got = log == NULL ? 0 : fread(text, 1, LOG_BYTES - 1, log);

    text[got] = '\0';
    if (log != NULL)
        fclose(log);
}

_Noreturn static void ended(const struct bench_node *node)
{
    char text[LOG_BYTES];

    log_read(node, text);
    bench_fail(ARO_E_BENCH_RESOURCES, "%s ended; its log: %.300s", node->config.program, text);
}

void bench_node_start(struct bench_node *node)
{
    struct bench_words words = {.n = 0};

    bench_say(&words, "%s", node->config.program);
    bench_say(&words, "-c");
    bench_say(&words, "%s", node->path);
    unlink(node->log);
    node->child = bench_child_start(&words, &node->config.cpus, node->log);
}

bool bench_node_answers(struct bench_node *node)
{
    struct aro_error error;

    if (node->connection == NULL && access(node->socket, F_OK) == 0)
        node->connection = aro_connect(node->socket, &error);
    if (node->connection == NULL && waitpid(node->child, NULL, WNOHANG) == node->child)
        ended(node);
    return node->connection != NULL;
}

void bench_node_wait(struct bench_node *node)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};

    for (unsigned looks = 0; looks < WAIT_LOOKS_MAX; looks++) {
        if (bench_node_answers(node) && !bench_node_recovers(node))
            return;
        nanosleep(&pause, NULL);
    }
    bench_fail(ARO_E_BENCH_RESOURCES, "%s does not come up", node->config.program);
}

static void hang_up(struct bench_node *node)
{
    aro_disconnect(node->connection);
    node->connection = NULL;
    node->child = 0;
}

/* ---- questions ---- */

static json_t *ask(struct bench_node *node, const char *method)
{
    struct aro_request request = {.method = method, .descriptor = -1, .timeout_ms = ANSWER_MS};
    struct aro_error error;
    json_t *result = aro_ask(node->connection, &request, &error);

    if (result == NULL)
        bench_fail_with(&error);
    return result;
}

/* A number inside of an answer that is let go. */
static uint64_t taken(json_t *answer, json_t *members, const char *counter)
{
    json_t *number = json_object_get(members, counter);
    json_int_t value = json_integer_value(number);

    if (!json_is_integer(number))
        bench_fail(ARO_E_BENCH_WRONG, "the daemon has no counter '%s'", counter);
    json_decref(answer);
    return (uint64_t)value;
}

bool bench_node_recovers(struct bench_node *node)
{
    json_t *status = ask(node, "status");
    json_t *recovery = json_object_get(json_object_get(status, "store"), "recovery");
    bool under_way = json_is_true(json_object_get(recovery, "under_way"));

    json_decref(status);
    return under_way;
}

uint64_t bench_node_count(struct bench_node *node, const char *counter)
{
    json_t *stats = ask(node, "stats");

    return taken(stats, json_object_get(stats, "dataplane"), counter);
}

uint64_t bench_node_lcore_count(struct bench_node *node, unsigned which, const char *counter)
{
    json_t *lcores = ask(node, "lcores");
    json_t *lcore = json_array_get(json_object_get(lcores, "lcores"), which);

    return taken(lcores, json_object_get(lcore, "counters"), counter);
}

uint64_t bench_node_cpu_ns(const struct bench_node *node)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(node->child, &clock) != 0 || clock_gettime(clock, &time) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "the CPU time of the daemon is not told");
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t bench_node_logged(const struct bench_node *node, const char *key)
{
    char text[LOG_BYTES], word[64];
    const char *at = text;
    uint64_t value = 0;

    log_read(node, text);
    snprintf(word, sizeof(word), " %.60s=", key);
    while ((at = strstr(at, word)) != NULL)
        value = strtoull(at += strlen(word), NULL, 10);
    return value;
}

/* ---- its end ---- */

void bench_node_kill(struct bench_node *node)
{
    bench_child_end(node->child, SIGKILL);
    hang_up(node);
}

void bench_node_stop(struct bench_node *node)
{
    json_decref(ask(node, "stop"));
    if (bench_child_end(node->child, 0) != 0)
        ended(node);
    hang_up(node);
}
