/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "control/api/units.h"
#include "perf/arobench.h"
#include "perf/crew.h"
#include "perf/disk_load.h"

enum { ENTRIES_MIN = 64, ENTRIES_MAX = 48 << 20, ROUNDS_MAX = 99, STARTS_MAX = 1000 };

/* An option: its letter in bench_command.takes, and its range where it is a number. */
static const struct rule {
    const char *name;
    int letter;
    const char *value; /* as help shows it; NULL: takes none */
    const char *means;
    double min, max;
} rules[] = {
    {"entries", 'n', "N", "entries in the index", ENTRIES_MIN, ENTRIES_MAX},
    {"threads", 't', "N", "threads, each pinned to a CPU", 1, BENCH_THREADS_MAX},
    {"burst", 'b', "N", "ids looked up at once", 1, ARO_FIND_BURST_MAX},
    {"value-bytes", 'v', "N", "of each value: written, read and checked (zipf: only counted)", 0,
     ARO_CHUNK_BYTES_MAX},
    {"writes", 'w', "PERCENT", "of the operations insert one and evict one", 0, 100},
    {"policy", 'p', "P", "s3fifo, sieve, lru or fifo", 0, 0},
    {"objects", 'o', "N", "different objects that are asked for", 1, ENTRIES_MAX},
    {"alpha", 'a', "A", "the k-th most popular is asked for 1/k^A times as often", 0, 10},
    {"capacity", 'c', "BYTES", "of the cache, as in 128MiB", 0, 0},
    {"directory", 'd', "DIR", "where a file is made, read and removed", 0, 0},
    {"size", 'S', "BYTES", "of that file, as in 512MiB; 2MiB..4GiB", 0, 0},
    {"chunk-bytes", 'C', "BYTES", "of each chunk, as in 64KiB; 1B..1MiB", 0, 0},
    {"depth", 'D', "N", "reads in flight, a power of two", DISK_DEPTH_MIN, DISK_DEPTH_MAX},
    {"seconds", 's', "S", "of each round", 0.001, 3600},
    {"requests", 'q', "N", "in each round, all threads together (instead of --seconds)", 1, 1e12},
    {"rounds", 'r', "N", "of which the median is told", 1, ROUNDS_MAX},
    {"starts", 'A', "N", "of the daemon, one after another", 1, STARTS_MAX},
    {"only", 'O', "NAME", "this comparison and no other", 0, 0},
    {"raw", 'R', "FILE", "where every sample goes, a JSON object per line", 0, 0},
    {"daemon", 'P', "FILE", "arocached to start (the one beside this program, or in PATH)", 0, 0},
    {"quick", 'Q', NULL, "small sizes: does it run, not how fast is it", 0, 0},
    {"json", 'j', NULL, "one JSON object instead of a sentence", 0, 0},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static bool is_taken(const struct bench_tool *tool, int letter)
{
    for (unsigned i = 0; i < tool->count; i++)
        if (strchr(tool->commands[i].takes, letter) != NULL)
            return true;
    return false;
}

void bench_options_help(const struct bench_tool *tool)
{
    for (unsigned i = 0; i < RULES; i++)
        if (is_taken(tool, rules[i].letter))
            printf("  --%-12s %-8s %s\n", rules[i].name, rules[i].value ? rules[i].value : "",
                   rules[i].means);
}

/* The command line as read so far. */
struct line {
    const struct bench_tool *tool;
    const struct bench_command *command;
};

static int usage_error(const struct line *line, const char *what, const char *word)
{
    fprintf(stderr, "arobench: %s %s: %s%s (ARO-1001)\n  try: arobench %s --help\n",
            line->tool->name, line->command->name, what, word, line->tool->name);
    return ARO_BENCH_EXIT_USAGE;
}

/* A number within the rule's range; integers have no fraction. */
static int number_read(const struct rule *rule, const char *text, double *ret)
{
    bool fraction = rule->letter == 's' || rule->letter == 'a';
    char *end;

    *ret = strtod(text, &end);
    if (end == text || *end != '\0' || !(*ret >= rule->min && *ret <= rule->max))
        return -1;
    return fraction || *ret == floor(*ret) ? 0 : -1;
}

static void number_set(struct bench_options *options, int letter, double number)
{
    switch (letter) {
    case 'n':
        options->entries = (uint32_t)number;
        break;
    case 't':
        options->threads = (unsigned)number;
        break;
    case 'b':
        options->burst = (unsigned)number;
        break;
    case 'v':
        options->value_bytes = (uint32_t)number;
        break;
    case 'w':
        options->writes_percent = (unsigned)number;
        break;
    case 'D':
        options->depth = (unsigned)number;
        break;
    case 'o':
        options->objects = (uint32_t)number;
        break;
    case 'a':
        options->alpha = number;
        break;
    case 's':
        options->seconds = number;
        break;
    case 'A':
        options->starts = (unsigned)number;
        break;
    case 'q':
        options->requests = (uint64_t)number;
        break;
    default:
        options->rounds = (unsigned)number;
        break;
    }
}

/* 0, or the exit code. */
static int bytes_take(const struct line *line, const struct rule *rule, uint64_t min, uint64_t max,
                      uint64_t *ret)
{
    char what[160];
    uint64_t bytes;

    if (aro_bytes_parse(optarg, &bytes) == 0 && bytes >= min && bytes <= max) {
        *ret = bytes;
        return 0;
    }
    snprintf(what, sizeof(what), "--%s wants bytes with a unit, %s, not ", rule->name,
             strstr(rule->means, "as in"));
    return usage_error(line, what, optarg);
}

/* 0, or the exit code. */
static int value_take(const struct line *line, const struct rule *rule,
                      struct bench_options *options)
{
    char what[160];
    double number;

    switch (rule->letter) {
    case 'p':
        options->policy = aro_policy_named(optarg);
        if (options->policy != NULL)
            return 0;
        return usage_error(line, "--policy is s3fifo, sieve, lru or fifo, not ", optarg);
    case 'c':
        return bytes_take(line, rule, 1, UINT64_MAX, &options->capacity_bytes);
    case 'S':
        return bytes_take(line, rule, DISK_STOCK_BYTES_MIN, DISK_STOCK_BYTES_MAX,
                          &options->size_bytes);
    case 'C':
        return bytes_take(line, rule, ARO_CHUNK_BYTES_MIN, ARO_CHUNK_BYTES_MAX,
                          &options->chunk_bytes);
    case 'd':
        options->directory = optarg;
        return 0;
    case 'O':
        options->only = optarg;
        return 0;
    case 'R':
        options->raw = optarg;
        return 0;
    case 'P':
        options->daemon = optarg;
        return 0;
    case 'Q':
        options->quick = true;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    default:
        snprintf(what, sizeof(what), "--%s wants a number, %.10g..%.10g, not ", rule->name,
                 rule->min, rule->max);
        if (number_read(rule, optarg, &number) != 0)
            return usage_error(line, what, optarg);
        number_set(options, rule->letter, number);
        return 0;
    }
}

/* Every option there is, so that one of another subcommand is told apart from none at all. */
static int options_take(const struct line *line, int argc, char **argv, struct bench_options *ret)
{
    struct option names[RULES + 1] = {{NULL, 0, NULL, 0}};
    int at, failed = 0;

    for (unsigned i = 0; i < RULES; i++)
        names[i] = (struct option){
            rules[i].name, rules[i].value != NULL ? required_argument : no_argument, NULL, 1};
    opterr = 0;
    optind = 1;
    while (failed == 0) {
        int option = getopt_long(argc, argv, "", names, &at);
        if (option == -1)
            break;
        if (option != 1)
            return usage_error(line, "no such option, or its value is missing: ", argv[optind - 1]);
        if (strchr(line->command->takes, rules[at].letter) == NULL)
            return usage_error(line, "it has no use for --", rules[at].name);
        failed = value_take(line, &rules[at], ret);
    }
    return failed;
}

int bench_options_parse(const struct bench_tool *tool, const struct bench_command *command,
                        int argc, char **argv, struct bench_options *ret)
{
    const struct line *line = &(struct line){tool, command};
    bool wants_file = strchr(command->takes, 'F') != NULL;
    struct bench_cpus cpus;
    char have[16];
    int failed;

    *ret = command->given;
    failed = options_take(line, argc, argv, ret);
    if (failed != 0)
        return failed;
    if (optind < argc - wants_file)
        return usage_error(line, "what is meant by ", argv[optind + wants_file]);
    if ((ret->depth & (ret->depth - 1)) != 0)
        return usage_error(line, "--depth must be a power of two", "");
    if (ret->value_bytes == 0 && command->given.value_bytes != 0)
        return usage_error(line, "--value-bytes must not be 0", "");
    if (wants_file && optind == argc)
        return usage_error(line, "the trace file is missing", "");
    ret->file = wants_file ? argv[optind] : NULL;
    bench_cpus_read(&cpus);
    snprintf(have, sizeof(have), "%u", cpus.count);
    if (ret->threads > cpus.count)
        return usage_error(line, "more threads than CPUs that may be used: ", have);
    return -1;
}
