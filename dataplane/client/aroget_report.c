/* SPDX-License-Identifier: BSD-3-Clause */
/* What aroget says: progress, the summary line, JSON, errors. */
#include "dataplane/client/aroget.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/base/error.h"

/* "1.50 GiB" */
static const char *bytes_text(double bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return text;
}

static double gigabits_per_second(const struct arocache_stats *stats)
{
    return stats->total_us == 0 ? 0 : (double)stats->content_bytes * 8e-3 / (double)stats->total_us;
}

void aroget_progress(void *arg, const struct arocache_stats *stats)
{
    struct aroget *run = arg;
    char done[32], total[32];
    double percent = stats->content_total == 0
                         ? 0
                         : 100.0 * (double)stats->content_bytes / (double)stats->content_total;

    run->progress_shown = true;
    fprintf(stderr, "\r\033[K%5.1f%%  %s of %s  %.2f Gb/s", percent,
            bytes_text((double)stats->content_bytes, done),
            bytes_text((double)stats->content_total, total), gigabits_per_second(stats));
    fflush(stderr);
}

static void progress_clear(struct aroget *run)
{
    if (run->progress_shown)
        fputs("\r\033[K", stderr);
    run->progress_shown = false;
}

/* Which tier sent most, for the one-line summary. */
static const char *tier_text(const struct arocache_stats *stats, char text[64])
{
    double all = stats->slices > 0 ? (double)stats->slices : 1;

    snprintf(text, 64, "memory %.0f%% disk %.0f%% fill %.0f%%",
             100 * (double)stats->slices_memory / all, 100 * (double)stats->slices_disk / all,
             100 * (double)stats->slices_fill / all);
    return text;
}

/* The name came from the command line: quotes and backslashes cannot be part of a host's. */
static void source_json(FILE *out, const struct arocache_source_stats *stats, const char *before)
{
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"content_bytes", stats->content_bytes},
        {"chunks", stats->chunks},
        {"received_bytes", stats->received_bytes},
        {"sent_bytes", stats->sent_bytes},
        {"requests", stats->requests},
        {"slices", stats->slices},
        {"slices_lost", stats->slices_lost},
        {"timeouts", stats->timeouts},
        {"mismatches", stats->mismatches},
        {"absent", stats->absent},
        {"taken", stats->taken},
        {"unreachable", stats->unreachable},
        {"rate_bytes_per_s", stats->rate_bytes_per_s},
        {"rtt_us", stats->rtt_us},
        {"rtt_min_us", stats->rtt_min_us},
    };

    fprintf(out, "%s{\"name\":\"%s\",\"error\":%d", before, stats->name, stats->error);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        fprintf(out, ",\"%s\":%" PRIu64, fields[i].name, fields[i].value);
    fputs("}", out);
}

static void summary_json(const struct aroget *run, const struct arocache_stats *stats, int error)
{
    FILE *out = run->output != NULL && strcmp(run->output, "-") == 0 ? stderr : stdout;
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"content_bytes", stats->content_bytes},
        {"content_total", stats->content_total},
        {"received_bytes", stats->received_bytes},
        {"sent_bytes", stats->sent_bytes},
        {"first_byte_us", stats->first_byte_us},
        {"total_us", stats->total_us},
        {"chunks", stats->chunks},
        {"manifests", stats->manifests},
        {"requests", stats->requests},
        {"answered_requests", stats->answered_requests},
        {"token_round_trips", stats->token_round_trips},
        {"slices", stats->slices},
        {"slices_memory", stats->slices_memory},
        {"slices_disk", stats->slices_disk},
        {"slices_fill", stats->slices_fill},
        {"slices_lost", stats->slices_lost},
        {"slices_late", stats->slices_late},
        {"duplicates", stats->duplicates},
        {"timeouts", stats->timeouts},
        {"retry_later", stats->retry_later},
        {"busy", stats->busy},
        {"ignored_echo", stats->ignored_echo},
        {"ignored_malformed", stats->ignored_malformed},
        {"mismatches", stats->mismatches},
        {"unreachable", stats->unreachable},
        {"residence_us_sum", stats->residence_us_sum},
        {"residence_us_max", stats->residence_us_max},
        {"rtt_us", stats->rtt_us},
        {"rtt_min_us", stats->rtt_min_us},
        {"window_max", stats->window_max},
        {"slice_bytes", stats->slice_bytes},
    };

    fprintf(out, "{\"id\":\"%s\",\"error\":%d,\"exit_code\":%d", run->id, error,
            arocache_error_exit_code(error));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        fprintf(out, ",\"%s\":%" PRIu64, fields[i].name, fields[i].value);
    fprintf(out, ",\"gigabits_per_second\":%.3f,\"sources\":[", gigabits_per_second(stats));
    for (unsigned i = 0; i < run->options.source_count; i++)
        source_json(out, &run->source_stats[i], i > 0 ? "," : "");
    fputs("]}\n", out);
}

static void summary_line(const struct arocache_stats *stats)
{
    char size[32], tier[64];
    double loss = stats->slices > 0 ? 100.0 * (double)stats->slices_lost /
                                          (double)(stats->slices + stats->slices_lost)
                                    : 0;
    double inside = stats->answered_requests > 0
                        ? (double)stats->residence_us_sum / (double)stats->answered_requests
                        : 0;

    fprintf(stderr,
            "%s verified in %.3f s, %.2f Gb/s; first byte %.2f ms; %s; rtt %.2f ms, in server "
            "%.2f ms; lost %.2f%%, timeouts %" PRIu64 ", refetched %" PRIu64 "\n",
            bytes_text((double)stats->content_bytes, size), (double)stats->total_us / 1e6,
            gigabits_per_second(stats), (double)stats->first_byte_us / 1e3, tier_text(stats, tier),
            (double)stats->rtt_us / 1e3, inside / 1e3, loss, stats->timeouts, stats->mismatches);
}

/* One line per source when there are several: what it gave, or why it was left. */
static void source_lines(const struct aroget *run, const struct arocache_stats *stats)
{
    double all = stats->content_bytes > 0 ? (double)stats->content_bytes : 1;
    char size[32], tag[16];

    for (unsigned i = 0; run->options.source_count > 1 && i < run->options.source_count; i++) {
        const struct arocache_source_stats *source = &run->source_stats[i];
        if (source->name[0] == '\0')
            continue; /* never begun */
        fprintf(stderr,
                "  %-24s %5.1f%%  %s; rtt %.2f ms; lost %" PRIu64 ", timeouts %" PRIu64
                ", wrong %" PRIu64 ", not there %" PRIu64 ", too slow %" PRIu64 "\n",
                source->name, 100 * (double)source->content_bytes / all,
                bytes_text((double)source->content_bytes, size), (double)source->rtt_us / 1e3,
                source->slices_lost, source->timeouts, source->mismatches, source->absent,
                source->taken);
        if (source->error != 0)
            fprintf(stderr, "  %-24s left: %s (%s)\n", "", source->error_text,
                    aro_error_tag((enum aro_error_id)source->error, tag));
    }
}

void aroget_summary(struct aroget *run, const struct arocache_stats *stats, int error)
{
    progress_clear(run);
    if (run->json)
        summary_json(run, stats, error);
    if (run->quiet)
        return;
    if (error == 0 || stats->content_bytes > 0)
        summary_line(stats);
    source_lines(run, stats);
}

void aroget_error(struct aroget *run, int error, const char *text)
{
    const struct aro_error_info *info = aro_error_info(error);
    bool colour = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
    char tag[16];

    progress_clear(run);
    fprintf(stderr, "aroget: %s%s%s: %s. %s\n", colour ? "\033[1;31m" : "",
            aro_error_tag((enum aro_error_id)error, tag), colour ? "\033[0m" : "", text,
            info != NULL ? info->remedy : "");
}
