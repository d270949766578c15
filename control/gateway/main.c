/* SPDX-License-Identifier: BSD-3-Clause */
/* arogate: the gateway's command line, and what its main thread does: start, signals, stop. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/command_line.h"
#include "control/gateway/gate.h"

static const char help[] =
    "arogate " ARO_VERSION " - HTTP in front of arocache nodes\n"
    "\n"
    "usage: arogate -c FILE [-t | -T]\n"
    "       arogate -T\n"
    "\n"
    "  -c, --config FILE  configuration file\n"
    "  -t, --test         check the configuration, then exit\n"
    "  -T, --dump         print the effective configuration with every key, then exit;\n"
    "                     without -c: every key there is, with range and default\n"
    "  -V, --version      print the version, then exit\n"
    "  -h, --help         this text\n"
    "\n"
    "Runs in the foreground and logs to standard error; stop it with SIGTERM. SIGHUP and SIGUSR1\n"
    "open the access log anew.\n"
    "exit codes: 0 stopped cleanly, 3 a node's name has no address, 64 usage, 69 address in use,\n"
    "71 memory, 77 permission, 78 configuration. 'aroctl explain ARO-NNNN' expands an error id.\n";

static const struct aro_daemon daemon = {
    .name = "arogate", .help = help, .template = aro_gate_config_template};

static unsigned cpus_allowed(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int serve(const struct aro_gate_config *config)
{
    struct aro_log log = {.out = stderr, .level = (enum aro_log_level)config->log_level};
    struct aro_error error = {0};
    struct aro_gate *gate = aro_gate_create(config, &log, &error);

    if (gate == NULL)
        return aro_command_line_error(&daemon, &error);
    aro_gate_run(gate);
    aro_gate_destroy(gate);
    return 0;
}

int main(int argc, char **argv)
{
    static struct aro_gate_config config;
    struct aro_command_line options = {0};
    struct aro_error error = {0};
    int code = aro_command_line_parse(&daemon, argc, argv, &options);

    if (code >= 0)
        return code;
    if (aro_gate_config_read(options.config, cpus_allowed(), &config, &error) != 0)
        return aro_command_line_error(&daemon, &error);
    if (options.dump)
        aro_gate_config_dump(&config, stdout);
    else if (options.test)
        printf("%s: ok\n", options.config);
    else
        return serve(&config);
    return 0;
}
