/* SPDX-License-Identifier: BSD-3-Clause */
/* aroctl: watches and drives a running arocached. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/api/units.h"
#include "control/client/connection.h"
#include "control/ctl/arguments.h"
#include "control/ctl/doctor.h"
#include "control/ctl/help.h"
#include "control/ctl/progress.h"
#include "control/ctl/render.h"
#include "control/ctl/watch.h"

enum {
    EXIT_USAGE = 2,
    OPTION_TIMEOUT = 1000,
    OPTION_WATCH,
    TIMEOUT_S_DEFAULT = 30,
    WATCH_S_DEFAULT = 1
};

struct options {
    const char *socket;
    struct aro_style style;
    int timeout_ms;
    unsigned watch_s; /* 0: once */
    bool help, version;
};

static int fail(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    bool color = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
    char tag[16];

    fprintf(stderr, "%saroctl: %s (%s)%s\n", color ? "\033[31m" : "", error->text,
            aro_error_tag(error->id, tag), color ? "\033[0m" : "");
    if (info != NULL)
        fprintf(stderr, "  try: %s\n", info->remedy);
    return aro_exit_code(error);
}

static int usage_error(const char *text, const char *word)
{
    fprintf(stderr, "aroctl: %s%s (ARO-1001)\n  try: aroctl --help\n", text, word);
    return EXIT_USAGE;
}

/* ---- options ---- */

static bool from_environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' && strcmp(value, "0") != 0;
}

static int set_seconds(const char *text, uint64_t max, uint64_t *ret)
{
    return aro_count_parse(text, ret) == 0 && *ret <= max ? 0 : -EINVAL;
}

static void defaults(struct options *ret)
{
    const char *socket = getenv("AROCACHE_SOCKET"), *timeout = getenv("AROCACHE_TIMEOUT");
    uint64_t seconds = TIMEOUT_S_DEFAULT;

    if (timeout != NULL && set_seconds(timeout, 86400, &seconds) != 0)
        seconds = TIMEOUT_S_DEFAULT;
    *ret = (struct options){
        .socket = socket != NULL && *socket != '\0' ? socket : "/run/arocache/control.sock",
        .style = {.json = from_environment("AROCACHE_JSON"),
                  .quiet = from_environment("AROCACHE_QUIET"),
                  .bold = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL},
        .timeout_ms = (int)seconds * 1000};
}

/* 0, or the exit code. Stops at the command: what is behind it is the command's. */
static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option names[] = {{"socket", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                          {"watch", optional_argument, NULL, OPTION_WATCH},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    uint64_t seconds;
    int option;

    while ((option = getopt_long(argc, argv, "+s:jqhV", names, NULL)) != -1) {
        switch (option) {
        case 's':
            ret->socket = optarg;
            break;
        case 'j':
            ret->style.json = true;
            break;
        case 'q':
            ret->style.quiet = true;
            break;
        case OPTION_TIMEOUT:
            if (set_seconds(optarg, 86400, &seconds) != 0)
                return usage_error("--timeout wants seconds, 0..86400, not ", optarg);
            ret->timeout_ms = (int)seconds * 1000;
            break;
        case OPTION_WATCH:
            seconds = WATCH_S_DEFAULT;
            if (optarg != NULL && (set_seconds(optarg, 3600, &seconds) != 0 || seconds == 0))
                return usage_error("--watch wants seconds, 1..3600, not ", optarg);
            ret->watch_s = (unsigned)seconds;
            break;
        case 'h':
            ret->help = true;
            break;
        case 'V':
            ret->version = true;
            break;
        default:
            return usage_error("unknown option", "");
        }
    }
    return 0;
}

/* ---- commands ---- */

static int open_source(const char *path, struct aro_error *error)
{
    int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE, "%s: %s", path, strerror(errno));
    return fd;
}

static void label_after_file(struct aro_arguments *arguments)
{
    const char *slash = strrchr(arguments->source, '/');
    json_t *label = json_string(slash != NULL ? slash + 1 : arguments->source);

    if (label == NULL || json_string_length(label) > 127 || strcmp(arguments->source, "-") == 0)
        json_decref(label);
    else
        json_object_set_new(arguments->params, "label", label);
}

/* What needs no daemon. NULL: the daemon must answer. */
static json_t *answer_offline(const struct aro_command *command, const json_t *params,
                              struct aro_error *error)
{
    const char *asked = json_string_value(json_object_get(params, "error"));
    const struct aro_error_info *info = aro_error_info(aro_error_parse(asked));
    char tag[16];

    if (info == NULL) {
        aro_error_set(error, ARO_E_USAGE, "%s: '%s' is no error id", command->name, asked);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", aro_error_tag(info->id, tag), "name",
                     info->name, "cause", info->cause, "remedy", info->remedy, "exit_code",
                     info->exit_code);
}

static json_t *answer(const struct options *options, const struct aro_command *command,
                      const struct aro_arguments *arguments, struct aro_error *error)
{
    struct aro_progress progress = {.out = stderr};
    bool bar = isatty(STDERR_FILENO) && !options->style.quiet && !options->style.json;
    struct aro_request request = {.method = command->name,
                                  .params = arguments->params,
                                  .descriptor = -1,
                                  .timeout_ms = options->timeout_ms,
                                  .progress = bar ? aro_progress_report : NULL,
                                  .arg = &progress};
    struct aro_connection *connection;
    json_t *result = NULL;

    if (command->offline)
        return answer_offline(command, arguments->params, error);
    if (arguments->source != NULL &&
        (request.descriptor = open_source(arguments->source, error)) < 0)
        return NULL;
    connection = aro_connect(options->socket, error);
    if (connection != NULL)
        result = aro_ask(connection, &request, error);
    aro_progress_end(&progress);
    aro_disconnect(connection);
    if (request.descriptor >= 0)
        close(request.descriptor);
    return result;
}

/* ---- watching ---- */

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Renders to a terminal by way of a text: the screen changes at once. */
static int show(const struct options *options, const struct aro_command *command,
                const json_t *result)
{
    char *text = NULL, clock[32];
    time_t now = time(NULL);
    struct tm local;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    int code;

    if (out == NULL)
        return EXIT_FAILURE;
    strftime(clock, sizeof(clock), "%T", localtime_r(&now, &local));
    fprintf(out, "%s  every %u s  %s\n\n", command->name, options->watch_s, clock);
    code = aro_render(command, result, &options->style, out);
    fclose(out);
    aro_screen_show(text, stdout);
    free(text);
    return code;
}

/* Asks again and again, at fixed distances, until the daemon or the reader goes. */
static int watch(const struct options *options, const struct aro_command *command,
                 const struct aro_arguments *arguments)
{
    bool screen = isatty(STDOUT_FILENO) && !options->style.json && !options->style.quiet;
    json_t *before = NULL, *result;
    double asked_s = 0, began_s = now_s();
    struct aro_error error = {0};
    int code = 0;

    if (screen)
        fputs("\033[2J", stdout);
    while ((result = answer(options, command, arguments, &error)) != NULL) {
        double at_s = now_s(), left_s;
        json_t *rates = before != NULL ? aro_rates(before, result, at_s - asked_s) : NULL;
        json_decref(before);
        before = json_copy(result);
        if (rates != NULL &&
            (strcmp(command->name, "stats") == 0 || strcmp(command->name, "cache") == 0))
            json_object_set(result, "per_second", rates);
        json_decref(rates);
        asked_s = at_s;
        code = screen ? show(options, command, result)
                      : aro_render(command, result, &options->style, stdout);
        json_decref(result);
        began_s += options->watch_s;
        left_s = began_s - now_s();
        if (fflush(stdout) != 0)
            break;
        if (left_s > 0)
            usleep((useconds_t)(left_s * 1e6));
        else
            began_s = now_s();
    }
    json_decref(before);
    return result == NULL && error.id != ARO_E_NONE ? fail(&error) : code;
}

static int once(const struct options *options, const struct aro_command *command,
                const struct aro_arguments *arguments)
{
    struct aro_error error = {0};
    json_t *result = answer(options, command, arguments, &error);
    int code;

    if (result == NULL) {
        code = fail(&error);
        return error.id == ARO_E_USAGE ? EXIT_USAGE : code;
    }
    code = aro_render(command, result, &options->style, stdout);
    json_decref(result);
    fflush(stdout);
    return code;
}

static int run(const struct options *options, const struct aro_command *command, int count,
               char **words)
{
    struct aro_arguments arguments;
    struct aro_error error = {0};
    int code;

    if (aro_arguments_read(command, count, words, &arguments, &error) != 0) {
        fail(&error);
        return EXIT_USAGE;
    }
    if (arguments.source != NULL && json_object_get(arguments.params, "label") == NULL)
        label_after_file(&arguments);
    code = options->watch_s > 0 ? watch(options, command, &arguments)
                                : once(options, command, &arguments);
    json_decref(arguments.params);
    return code;
}

int main(int argc, char **argv)
{
    const struct aro_command *command;
    struct options options;
    const char *name, *near;
    unsigned words;
    int code;

    defaults(&options);
    code = read_options(argc, argv, &options);
    if (code != 0)
        return code;
    name = argv[optind];
    if (options.version) {
        puts("aroctl " ARO_VERSION);
        return 0;
    }
    if (name == NULL && !options.help)
        return usage_error("needs a command", "");
    if (name == NULL) {
        aro_help_print(stdout);
        return 0;
    }
    if (strcmp(name, "completion") == 0) {
        aro_completion_print(stdout);
        return 0;
    }
    if (strcmp(name, "doctor") == 0)
        return aro_doctor_command(argc - optind, argv + optind, options.style);
    command = aro_command_find_words(name, argv[optind + 1], &words);
    optind += (int)words - 1; /* what follows is the command's */
    if (command == NULL) {
        near = aro_command_suggest(name);
        fprintf(stderr, "aroctl: no command '%s'%s%s%s (ARO-1001)\n  try: aroctl --help\n", name,
                near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "");
        return EXIT_USAGE;
    }
    if (options.help || (argc > optind + 1 && strcmp(argv[optind + 1], "--help") == 0)) {
        aro_help_command_print(command, stdout);
        return 0;
    }
    if (options.watch_s > 0 && (command->role != ARO_ROLE_READ || command->offline))
        return usage_error("--watch repeats commands that look, not ", name);
    int count = aro_arguments_style(argc - optind - 1, argv + optind + 1, &options.style.json,
                                    &options.style.quiet);
    return run(&options, command, count, argv + optind + 1);
}
