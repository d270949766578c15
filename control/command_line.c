/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/command_line.h"

#include <getopt.h>
#include <stdlib.h>

enum { EXIT_USAGE = 64, OPTION_CHECK_STORE = 1000, OPTION_MAKE_STORE, OPTION_OVERWRITE };

int aro_command_line_parse(const struct aro_daemon *daemon, int argc, char **argv,
                           struct aro_command_line *ret)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'},
        {"test", no_argument, NULL, 't'},
        {"dump", no_argument, NULL, 'T'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {"check-store", no_argument, NULL, OPTION_CHECK_STORE},
        {"make-store", required_argument, NULL, OPTION_MAKE_STORE},
        {"overwrite", no_argument, NULL, OPTION_OVERWRITE},
        {NULL, 0, NULL, 0}};
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
        case OPTION_CHECK_STORE:
            ret->check_store = true;
            break;
        case OPTION_MAKE_STORE:
            ret->make_store = optarg;
            break;
        case OPTION_OVERWRITE:
            ret->overwrite = true;
            break;
        case 'V':
            printf("%s " ARO_VERSION "\n", daemon->name);
            return 0;
        case 'h':
            fputs(daemon->help, stdout);
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (ret->config == NULL && ret->dump && optind == argc) {
        daemon->template(stdout);
        return 0;
    }
    if ((ret->check_store || ret->make_store != NULL) && !daemon->has_store) {
        fprintf(stderr, "%s: has no store (ARO-1001); try: %s --help\n", daemon->name,
                daemon->name);
        return EXIT_USAGE;
    }
    if (ret->overwrite && ret->make_store == NULL) {
        fprintf(stderr, "%s: --overwrite goes with --make-store (ARO-1001); try: %s --help\n",
                daemon->name, daemon->name);
        return EXIT_USAGE;
    }
    if (ret->config == NULL || optind != argc) {
        fprintf(stderr, "%s: needs -c FILE and nothing else (ARO-1001); try: %s --help\n",
                daemon->name, daemon->name);
        return EXIT_USAGE;
    }
    return -1;
}

int aro_command_line_error(const struct aro_daemon *daemon, const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    char tag[16];

    fprintf(stderr, "%s: %s (%s)\n  try: %s\n", daemon->name, error->text,
            aro_error_tag(error->id, tag), info != NULL ? info->remedy : "");
    return info != NULL ? info->exit_code : EXIT_FAILURE;
}
