/* SPDX-License-Identifier: BSD-3-Clause */
/* arogate: the gateway's command line, and what its main thread does: start, signals, stop. */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/gateway/gate.h"

enum { EXIT_USAGE = 64 };

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

struct options {
    const char *config;
    bool test, dump;
};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct options *ret)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'}, {"test", no_argument, NULL, 't'},
        {"dump", no_argument, NULL, 'T'},         {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:tTVh", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config = optarg;
            break;
        case 't':
            ret->test = true;
            break;
        case 'T':
            ret->dump = true;
            break;
        case 'V':
            puts("arogate " ARO_VERSION);
            return 0;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (ret->config == NULL && ret->dump && optind == argc) {
        aro_gate_config_template(stdout);
        return 0;
    }
    if (ret->config == NULL || optind != argc) {
        fputs("arogate: needs -c FILE and nothing else (ARO-1001); try: arogate --help\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int print_error(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    char tag[16];

    fprintf(stderr, "arogate: %s (%s)\n  try: %s\n", error->text, aro_error_tag(error->id, tag),
            info != NULL ? info->remedy : "");
    return info != NULL ? info->exit_code : EXIT_FAILURE;
}

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
        return print_error(&error);
    aro_gate_run(gate);
    aro_gate_destroy(gate);
    return 0;
}

int main(int argc, char **argv)
{
    static struct aro_gate_config config;
    struct options options = {0};
    struct aro_error error = {0};
    int code = parse(argc, argv, &options);

    if (code >= 0)
        return code;
    if (aro_gate_config_read(options.config, cpus_allowed(), &config, &error) != 0)
        return print_error(&error);
    if (options.dump)
        aro_gate_config_dump(&config, stdout);
    else if (options.test)
        printf("%s: ok\n", options.config);
    else
        return serve(&config);
    return 0;
}
