/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/eal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "control/eal_args.h"

enum { LAST_LINES = 6, LINE_BYTES = 200, SETTLE_MS = 20 };

/* What EAL and drivers print: into our log at debug; last warnings are kept for a failed start. */
struct aro_eal {
    const struct aro_log *log;
    FILE *stream;
    struct aro_eal_args args;
    char line[LINE_BYTES];
    size_t used;
    char last[LAST_LINES][LINE_BYTES];
    unsigned lines;
};

static void end_line(struct aro_eal *eal)
{
    eal->line[eal->used] = '\0';
    eal->used = 0;
    if (eal->line[0] == '\0')
        return;
    aro_log(eal->log, ARO_LOG_DEBUG, "dpdk", "text=\"%s\"", eal->line);
    if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_WARNING)
        memcpy(eal->last[eal->lines++ % LAST_LINES], eal->line, LINE_BYTES);
}

static ssize_t on_text(void *cookie, const char *text, size_t text_bytes)
{
    struct aro_eal *eal = cookie;

    for (size_t i = 0; i < text_bytes; i++) {
        if (text[i] == '\n' || eal->used == LINE_BYTES - 1)
            end_line(eal);
        if (text[i] != '\n')
            eal->line[eal->used++] = text[i];
    }
    return (ssize_t)text_bytes;
}

static int open_log(struct aro_eal *eal)
{
    eal->stream = fopencookie(eal, "w", (cookie_io_functions_t){.write = on_text});
    if (eal->stream == NULL)
        return -1;
    setvbuf(eal->stream, NULL, _IOLBF, LINE_BYTES);
    return rte_openlog_stream(eal->stream);
}

/* After a failure people need what the driver said, whatever the level is. */
static void replay_last_lines(const struct aro_eal *eal)
{
    unsigned from = eal->lines > LAST_LINES ? eal->lines - LAST_LINES : 0;

    if (eal->log->level == ARO_LOG_DEBUG)
        return;
    for (unsigned i = from; i < eal->lines; i++)
        aro_log(eal->log, ARO_LOG_ERROR, "dpdk", "text=\"%s\"", eal->last[i % LAST_LINES]);
}

/*
 * EAL gives up as a whole on a device whose driver it does not know, with a code that says nothing.
 * The port whose device it named on its way out, or NULL.
 */
static const struct aro_port_config *port_blamed(const struct aro_eal *eal,
                                                 const struct aro_config *config)
{
    for (unsigned i = 0; i < config->ports; i++) {
        char said[RTE_ETH_NAME_MAX_LEN + 32];
        const char *device = config->port[i].device;
        int name_len = (int)strcspn(device, ",");
        int len = snprintf(said, sizeof(said), "Unable to parse device '%.*s", name_len, device);
        for (unsigned line = 0; line < eal->lines && line < LAST_LINES; line++) {
            const char *at = strstr(eal->last[line], said);
            if (at != NULL && (at[len] == '\'' || at[len] == ','))
                return &config->port[i];
        }
    }
    return NULL;
}

static int init_failed(const struct aro_eal *eal, const struct aro_config *config,
                       struct aro_error *error)
{
    const struct aro_port_config *port = port_blamed(eal, config);

    if (port != NULL)
        return aro_error_set(error, ARO_E_DEVICE_MISSING,
                             "port \"%s\": DPDK has no driver for device \"%s\"", port->name,
                             port->device);
    return aro_error_set(error, ARO_E_EAL_INIT, "EAL does not start: %s (%llu MiB %s)",
                         rte_strerror(rte_errno),
                         (unsigned long long)(eal->args.memory_bytes >> 20),
                         eal->args.huge ? "in hugepages" : "without hugepages");
}

static int check_devices(const struct aro_config *config, struct aro_error *error)
{
    for (unsigned i = 0; i < config->ports; i++) {
        const char *device = config->port[i].device;
        char name[RTE_ETH_NAME_MAX_LEN];
        uint16_t port;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
        if (rte_eth_dev_get_port_by_name(name, &port) != 0)
            return aro_error_set(error, ARO_E_DEVICE_MISSING,
                                 "port \"%s\": device \"%s\" did not come up", config->port[i].name,
                                 device);
    }
    return 0;
}

static int start(struct aro_eal *eal, const struct aro_config *config, struct aro_error *error)
{
    struct aro_eal_machine machine;
    char *argv[sizeof(eal->args.argv) / sizeof(eal->args.argv[0])];

    aro_eal_machine_read(&machine);
    if (aro_eal_args_make(config, &machine, &eal->args) != 0)
        return aro_error_set(error, ARO_E_EAL_INIT, "too many arguments for EAL");
    /* where EAL keeps its files; in a user namespace the defaults cannot be written */
    if (setenv("RUNTIME_DIRECTORY", config->runtime_dir, 1) != 0 ||
        setenv("XDG_RUNTIME_DIR", config->runtime_dir, 1) != 0 || open_log(eal) != 0)
        return aro_error_set(error, ARO_E_EAL_INIT, "no memory");
    for (int i = 0; i < eal->args.argc; i++)
        aro_log(eal->log, ARO_LOG_DEBUG, "dpdk", "argument=\"%s\"", eal->args.argv[i]);
    memcpy(argv, eal->args.argv, sizeof(argv)); /* EAL moves the pointers about */
    if (rte_eal_init(eal->args.argc, argv) < 0)
        return init_failed(eal, config, error);
    return check_devices(config, error);
}

struct aro_eal *aro_eal_start(const struct aro_config *config, const struct aro_log *log,
                              struct aro_error *error)
{
    struct aro_eal *eal = calloc(1, sizeof(*eal));

    if (eal == NULL) {
        aro_error_set(error, ARO_E_EAL_INIT, "no memory");
        return NULL;
    }
    eal->log = log;
    if (start(eal, config, error) != 0) {
        replay_last_lines(eal);
        return NULL; /* EAL still holds the stream */
    }
    return eal;
}

/*
 * Cleaning up unmaps EAL's memory although its interrupt thread may still be walking the sources
 * there: it does so after each event and whenever a driver gives a source back, and 22.11 has no
 * way to join it. Asleep we leave it our CPU, which it shares, for a walk that takes microseconds.
 */
static void interrupts_settle(void)
{
    const struct timespec while_it_walks = {.tv_nsec = SETTLE_MS * 1000000};

    nanosleep(&while_it_walks, NULL);
}

void aro_eal_stop(struct aro_eal *eal)
{
    if (eal == NULL)
        return;
    interrupts_settle();
    (void)rte_eal_cleanup();
    rte_openlog_stream(NULL);
    fclose(eal->stream);
    aro_eal_args_free(&eal->args);
    free(eal);
}

bool aro_eal_huge(const struct aro_eal *eal)
{
    return eal->args.huge;
}

uint64_t aro_eal_memory_bytes(const struct aro_eal *eal)
{
    return eal->args.memory_bytes;
}
