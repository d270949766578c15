/* SPDX-License-Identifier: BSD-3-Clause */
/* arocached: the daemon's command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/check_store.h"
#include "control/command_line.h"
#include "control/make_store.h"
#include "control/phases.h"
#include "control/profile.h"

static const char help[] =
    "arocached " ARO_VERSION " - serves content-addressed chunks over DPDK\n"
    "\n"
    "usage: arocached -c FILE [-t | -T | --check-store]\n"
    "       arocached -c FILE --make-store DEVICE [--overwrite]\n"
    "       arocached -T\n"
    "\n"
    "  -c, --config FILE  configuration file\n"
    "  -t, --test         check the configuration and the device profiles, then exit\n"
    "  -T, --dump         print the effective configuration with every key, then exit;\n"
    "                     without -c: every key there is, with range and default\n"
    "      --check-store  check the structure of the store without serving, read-only, then exit:\n"
    "                     0 sound, 6 damaged; refused while a daemon has it open\n"
    "      --make-store DEVICE  make an empty store on the block device that FILE names as store\n"
    "                     { path }, then exit; refused when it is in use or holds anything\n"
    "      --overwrite    with --make-store: whatever the device holds is lost\n"
    "  -V, --version      print the version, then exit\n"
    "  -h, --help         this text\n"
    "\n"
    "Runs in the foreground and logs to standard error; stop it with 'aroctl stop' or SIGTERM.\n"
    "exit codes: 0 stopped cleanly, 64 usage, 69 device or busy, 71 memory, 77 permission, 78\n"
    "configuration. 'aroctl explain ARO-NNNN' expands an error id.\n";

static const struct aro_daemon daemon = {
    .name = "arocached", .help = help, .template = aro_config_template, .has_store = true};

static int check_only(const struct aro_command_line *options, const struct aro_config *config,
                      struct aro_error *error)
{
    static struct aro_profile profiles[ARO_PROFILES_MAX];

    if (aro_profiles_read(aro_profiles_dir(config->profile_dir), profiles, ARO_PROFILES_MAX,
                          error) < 0)
        return aro_command_line_error(&daemon, error);
    if (options->dump)
        aro_config_dump(config, stdout);
    else
        printf("%s: ok\n", options->config);
    return 0;
}

int main(int argc, char **argv)
{
    struct aro_command_line options = {0};
    struct aro_error error = {0};
    struct aro_node *node;
    int code = aro_command_line_parse(&daemon, argc, argv, &options);

    if (code >= 0)
        return code;
    node = calloc(1, sizeof(*node));
    if (node == NULL)
        return EXIT_FAILURE;
    node->config_path = options.config;
    if (aro_config_read(options.config, &node->config, &error) != 0) {
        code = aro_command_line_error(&daemon, &error);
    } else if (options.make_store != NULL) {
        code = aro_make_store_offline(&node->config, options.make_store, options.overwrite, stdout,
                                      &error);
        if (code < 0)
            code = aro_command_line_error(&daemon, &error);
    } else if (options.check_store) {
        code = aro_check_store_offline(&node->config, stdout, &error);
        if (code < 0)
            code = aro_command_line_error(&daemon, &error);
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
            code = aro_command_line_error(&daemon, &error);
        }
    }
    free(node);
    return code;
}
