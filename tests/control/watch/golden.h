/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of metrics are an API: a golden file holds every sample with its labels and type, and
 * docs/metrics.md explains every family. After a wanted change run the test with
 * ARO_METRICS_WRITE=1: it rewrites both; look at the difference before it is committed.
 *
 * Criterion asserts inside. Texts are Prometheus' format and stay the caller's.
 */
#ifndef ARO_TESTS_CONTROL_WATCH_GOLDEN_H
#define ARO_TESTS_CONTROL_WATCH_GOLDEN_H

#define ARO_METRICS_PAGE ARO_SOURCE_ROOT "/docs/metrics.md"

/* Every sample without its value, with its family's type, is what the file at path holds. */
void golden_check(const char *text, const char *path);
/* One row per family between the marks of that name on the page. */
void families_check(const char *text, const char *mark);
/* These rows are between the marks of that name on the page; frees rows. */
void section_check(const char *mark, char *rows);

#endif
