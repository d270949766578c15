/* SPDX-License-Identifier: BSD-3-Clause */
/* aroget: fetch an object or a chunk, verified. */
#include "dataplane/client/aroget.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/base/error.h"
#include "cache/base/id.h"

static const char usage_text[] =
    "Usage: aroget [options] ID\n"
    "Fetches the object o-<hex> or the chunk c-<hex> and verifies every byte.\n"
    "\n"
    "  -f, --from HOST[:PORT]  source (default 127.0.0.1:9500); [v6]:port for IPv6 with a port;\n"
    "                          again for further ones: each gives as much as it is fast, and one\n"
    "                          that is dead, slow or lying is left and named\n"
    "  -r, --resume            keep what has arrived in FILE.part, and go on from there\n"
    "  -o, --output FILE       write here; '-' is standard output (default: a file named ID)\n"
    "  -p, --progress          show progress on stderr (default when it is a terminal)\n"
    "  -j, --json              print one line of JSON with all timings on stdout (stderr with -o "
    "-)\n"
    "  -q, --quiet             no progress and no summary\n"
    "  -t, --timeout SECONDS   give up after so long without progress (default 10)\n"
    "  -m, --mtu BYTES         of the path, 256 to 65535 (default: what the kernel knows)\n"
    "  -c, --only-if-cached    the source must not fetch it from elsewhere\n"
    "      --skip-content-digest  do not compute the SHA-256 of the whole content\n"
    "  -h, --help              this text\n"
    "      --version           print the version\n"
    "\n"
    "Environment: AROCACHE_FROM (several with commas between), AROCACHE_OUTPUT, AROCACHE_TIMEOUT,\n"
    "AROCACHE_MTU stand for the options of the same name; NO_COLOR turns colours off.\n"
    "Exit: 0 ok, 1 not found, 2 usage, 3 no answer, 4 refused, 5 timeout, 6 integrity, 7 "
    "partial.\n";

enum { OPTION_VERSION = 256, OPTION_SKIP_DIGEST };

static const struct option long_options[] = {
    {"from", required_argument, NULL, 'f'},
    {"resume", no_argument, NULL, 'r'},
    {"output", required_argument, NULL, 'o'},
    {"progress", no_argument, NULL, 'p'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"timeout", required_argument, NULL, 't'},
    {"mtu", required_argument, NULL, 'm'},
    {"only-if-cached", no_argument, NULL, 'c'},
    {"skip-content-digest", no_argument, NULL, OPTION_SKIP_DIGEST},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int number_read(const char *text, double least, double most, double *ret)
{
    char *end;

    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= least && value <= most))
        return -EINVAL;
    *ret = value;
    return 0;
}

/* "host", "host:port", "v6", "[v6]", "[v6]:port", len bytes of it, as one more source. */
static int source_read(struct aroget *run, const char *text, size_t len)
{
    char spec[AROGET_HOST_BYTES];
    char *host = spec, *colon = NULL, *bracket;
    double port = AROCACHE_PORT;

    if (len == 0 || len >= sizeof(spec) || run->options.source_count == AROCACHE_SOURCES_MAX)
        return -EINVAL;
    memcpy(spec, text, len);
    spec[len] = '\0';
    bracket = *spec == '[' ? strchr(spec, ']') : NULL;
    if (bracket != NULL) {
        host++;
        *bracket = '\0';
        if (bracket[1] != '\0' && bracket[1] != ':')
            return -EINVAL;
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (strchr(spec, ':') == strrchr(spec, ':')) { /* several: a bare IPv6 address */
        colon = strchr(spec, ':');
    }
    if (colon != NULL && number_read(colon + 1, 1, 65535, &port) != 0)
        return -EINVAL;
    if (colon != NULL)
        *colon = '\0';
    if (*host == '\0' || *host == '[')
        return -EINVAL;
    struct arocache_source *source = &run->sources[run->options.source_count];
    snprintf(run->hosts[run->options.source_count], sizeof(run->hosts[0]), "%s", host);
    *source = (struct arocache_source){run->hosts[run->options.source_count], (uint16_t)port};
    run->options.sources = run->sources;
    run->options.source_count++;
    return 0;
}

/* One source, or several with commas between. */
static int from_read(struct aroget *run, const char *text)
{
    for (;;) {
        size_t len = strcspn(text, ",");
        if (source_read(run, text, len) != 0)
            return -EINVAL;
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

static int usage_error(struct aroget *run, const char *what, const char *value)
{
    char text[ARO_ERROR_TEXT_BYTES];

    snprintf(text, sizeof(text), "%s '%.200s' makes no sense", what, value);
    aroget_error(run, ARO_E_USAGE, text);
    return 2;
}

/* One option with a value, from the command line or the environment. 0, or 2 after a message. */
static int value_take(struct aroget *run, int option, const char *value)
{
    double number = 0;

    switch (option) {
    case 'f':
        return from_read(run, value) == 0 ? 0 : usage_error(run, "the source", value);
    case 'o':
        run->output = value;
        return *value != '\0' ? 0 : usage_error(run, "the output", value);
    case 't':
        if (number_read(value, 0.001, 86400, &number) != 0)
            return usage_error(run, "the timeout", value);
        run->options.silence_ms = (uint32_t)(number * 1000);
        return 0;
    default:
        if (number_read(value, 256, 65535, &number) != 0)
            return usage_error(run, "the MTU", value);
        run->options.mtu = (uint16_t)number;
        return 0;
    }
}

static int environment_take(struct aroget *run)
{
    const struct {
        const char *name;
        int option;
    } names[] = {{"AROCACHE_FROM", 'f'},
                 {"AROCACHE_OUTPUT", 'o'},
                 {"AROCACHE_TIMEOUT", 't'},
                 {"AROCACHE_MTU", 'm'}};
    int failed = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && failed == 0; i++) {
        const char *value = getenv(names[i].name);
        if (value != NULL && *value != '\0')
            failed = value_take(run, names[i].option, value);
    }
    return failed;
}

/* 0 to go on, -1 when everything is said, 2 for a usage error already told. */
static int arguments_take(struct aroget *run, int argc, char **argv)
{
    int option, failed = 0;
    bool from_given = false;

    while (failed == 0 &&
           (option = getopt_long(argc, argv, "f:ro:pjqt:m:ch", long_options, NULL)) != -1) {
        switch (option) {
        case 'p':
            run->progress = true;
            break;
        case 'j':
            run->json = true;
            break;
        case 'r':
            run->resume = true;
            break;
        case 'q':
            run->quiet = true;
            break;
        case 'c':
            run->options.only_if_cached = 1;
            break;
        case OPTION_SKIP_DIGEST:
            run->options.skip_content_digest = 1;
            break;
        case OPTION_VERSION:
            printf("aroget %s\n", arocache_version());
            return -1;
        case 'h':
            fputs(usage_text, stdout);
            return -1;
        case '?':
            fputs("Try 'aroget --help'.\n", stderr);
            return 2;
        default:
            if (option == 'f' && !from_given)
                run->options.source_count = 0; /* the environment's */
            from_given |= option == 'f';
            failed = value_take(run, option, optarg);
            break;
        }
    }
    if (failed != 0)
        return failed;
    if (optind + 1 != argc) {
        aroget_error(run, ARO_E_USAGE,
                     optind == argc ? "an ID is missing" : "only one ID at a time");
        return 2;
    }
    run->id = argv[optind];
    return 0;
}

static int id_check(struct aroget *run)
{
    char text[ARO_ERROR_TEXT_BYTES];
    struct aro_id id;
    enum aro_kind kind;

    if (aro_id_parse(run->id, &id, &kind) == 0)
        return 0;
    snprintf(text, sizeof(text), "'%.80s' is not an id", run->id);
    aroget_error(run, ARO_E_ID_INVALID, text);
    return arocache_error_exit_code(ARO_E_ID_INVALID);
}

static int run_fetch(struct aroget *run)
{
    const char *path = run->output != NULL ? run->output : run->id;
    struct aroget_output output;
    struct arocache_stats stats;
    char text[ARO_ERROR_TEXT_BYTES];
    int error, failed = id_check(run); /* before it becomes a file name */

    if (failed != 0)
        return failed;
    failed = aroget_output_open(&output, path, run->resume);
    if (failed != 0) {
        snprintf(text, sizeof(text), "'%.300s' cannot be written: %s", path, strerror(-failed));
        aroget_error(run, ARO_E_OUTPUT, text);
        return arocache_error_exit_code(ARO_E_OUTPUT);
    }
    if (run->resume && output.in_place) {
        snprintf(text, sizeof(text), "'%.300s' is no file that could be resumed", path);
        aroget_output_close(&output, false);
        aroget_error(run, ARO_E_USAGE, text);
        return 2;
    }
    if (output.partial_bytes > 0) {
        run->options.have = aroget_output_have;
        run->options.have_arg = &output;
    }
    run->options.ret_sources = run->source_stats;
    error = arocache_fetch_fd(&run->options, run->id, output.fd, &stats);
    failed = aroget_output_close(&output, error == 0);
    if (error == 0 && failed != 0) {
        error = ARO_E_OUTPUT;
        snprintf(stats.error_text, sizeof(stats.error_text), "'%.300s' cannot be kept: %s", path,
                 strerror(-failed));
    }
    aroget_summary(run, &stats, error);
    if (error != 0)
        aroget_error(run, error, stats.error_text);
    return arocache_error_exit_code(error);
}

int main(int argc, char **argv)
{
    struct aroget run = {.progress = isatty(STDERR_FILENO) != 0};
    int failed;

    arocache_options_init(&run.options);
    failed = environment_take(&run);
    if (failed == 0)
        failed = arguments_take(&run, argc, argv);
    if (failed != 0)
        return failed < 0 ? 0 : failed;
    if (run.progress && !run.quiet) {
        run.options.progress = aroget_progress;
        run.options.progress_arg = &run;
    }
    return run_fetch(&run);
}
