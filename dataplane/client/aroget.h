/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aroget in three parts: aroget.c (options, the run), aroget_output.c (the file), aroget_report.c
 * (progress, summary, JSON, errors). It uses the installed library only.
 */
#ifndef ARO_DATAPLANE_CLIENT_AROGET_H
#define ARO_DATAPLANE_CLIENT_AROGET_H

#include <stdbool.h>

#include "dataplane/client/arocache.h"

enum { AROGET_HOST_BYTES = 256, AROGET_PATH_BYTES = 4096 };

struct aroget {
    struct arocache_options options;
    struct arocache_source sources[AROCACHE_SOURCES_MAX];
    struct arocache_source_stats source_stats[AROCACHE_SOURCES_MAX];
    char hosts[AROCACHE_SOURCES_MAX][AROGET_HOST_BYTES];
    const char *id;
    const char *output; /* "-": standard output */
    bool progress, json, quiet, resume;
    bool progress_shown;
};

/*
 * The output: a file without a name, or with a temporary one, until everything is verified. To be
 * resumed: FILE.part, which stays when the fetch ends early.
 */
struct aroget_output {
    int fd;
    bool in_place;          /* standard output, a device, a pipe: nothing to rename */
    bool named;             /* temporary exists */
    bool resumes;           /* temporary is FILE.part */
    uint64_t partial_bytes; /* that FILE.part had at the start */
    char final[AROGET_PATH_BYTES];
    char temporary[AROGET_PATH_BYTES + 32];
};

/* 0, or -errno with nothing left behind. -EBUSY: another aroget writes FILE.part. */
int aroget_output_open(struct aroget_output *output, const char *path, bool resume);
/* arocache_have; arg is the output: what FILE.part has. */
int aroget_output_have(void *arg, uint64_t at, void *bytes, size_t len);
/* keep: puts the file in its place. Otherwise removes it (but FILE.part). 0 or -errno. */
int aroget_output_close(struct aroget_output *output, bool keep);

/* arocache_progress; arg is the struct aroget. */
void aroget_progress(void *arg, const struct arocache_stats *stats);
void aroget_summary(struct aroget *run, const struct arocache_stats *stats, int error);
/* One sentence, id and remedy on stderr. */
void aroget_error(struct aroget *run, int error, const char *text);

#endif
