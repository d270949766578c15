/* SPDX-License-Identifier: BSD-3-Clause */
/* arocached: the daemon's command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/phases.h"
#include "control/profile.h"

enum { EXIT_USAGE = 64 };

static const char help[] =
    "arocached " ARO_VERSION " - serves content-addressed chunks over DPDK\n"
    "\n"
    "usage: arocached -c FILE [-t | -T]\n"
    "       arocached -T\n"
    "\n"
    "  -c, --config FILE  configuration file\n"
    "  -t, --test         check the configuration and the device profiles, then exit\n"
    "  -T, --dump         print the effective configuration with every key, then exit;\n"
    "                     without -c: every key there is, with range and default\n"
    "  -V, --version      print the version, then exit\n"
    "  -h, --help         this text\n"
    "\n"
    "Runs in the foreground and logs to standard error; stop it with 'aroctl stop' or SIGTERM.\n"
    "exit codes: 0 stopped cleanly, 64 usage, 69 device or busy, 71 memory, 77 permission, 78\n"
    "configuration. 'aroctl explain ARO-NNNN' expands an error id.\n";

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
            puts("arocached " ARO_VERSION);
            return 0;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (ret->config == NULL && ret->dump && optind == argc) {
        aro_config_template(stdout);
        return 0;
    }
    if (ret->config == NULL || optind != argc) {
        fputs("arocached: needs -c FILE and nothing else (ARO-1001); try: arocached --help\n",
              stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int exit_code_of(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);

    return info != NULL ? info->exit_code : EXIT_FAILURE;
}

static int print_error(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    char tag[16];

    fprintf(stderr, "arocached: %s (%s)\n  try: %s\n", error->text, aro_error_tag(error->id, tag),
            info != NULL ? info->remedy : "");
    return exit_code_of(error);
}

static int check_only(const struct options *options, const struct aro_config *config,
                      struct aro_error *error)
{
    static struct aro_profile profiles[ARO_PROFILES_MAX];

    if (aro_profiles_read(aro_profiles_dir(config->profile_dir), profiles, ARO_PROFILES_MAX,
                          error) < 0)
        return print_error(error);
    if (options->dump)
        aro_config_dump(config, stdout);
    else
        printf("%s: ok\n", options->config);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct aro_error error = {0};
    struct aro_node *node;
    int code = parse(argc, argv, &options);

    if (code >= 0)
        return code;
    node = calloc(1, sizeof(*node));
    if (node == NULL)
        return EXIT_FAILURE;
    node->config_path = options.config;
    if (aro_config_read(options.config, &node->config, &error) != 0) {
        code = print_error(&error);
    } else if (options.test || options.dump) {
        code = check_only(&options, &node->config, &error);
    } else {
        node->log =
            (struct aro_log){.out = stderr, .level = (enum aro_log_level)node->config.log_level};
        code = 0;
        if (aro_node_start(node, &error) == 0) {
            aro_node_run(node);
            aro_node_stop(node);
        } else {
            code = print_error(&error);
        }
    }
    free(node);
    return code;
}
