/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an origin's header says, as far as it matters here: taken from its lines one by one, with
 * nothing believed that is longer or stranger than it should be. A value that we would not repeat
 * to others (not printable ASCII, too long) counts as absent.
 *
 * Pure functions, any thread. RFC 9110, RFC 9111.
 */
#ifndef ARO_CONTROL_ORIGIN_ANSWER_H
#define ARO_CONTROL_ORIGIN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARO_TYPE_BYTES = 128,
    ARO_ETAG_BYTES = 256,
    ARO_DATE_BYTES = 48,
    ARO_LOCATION_BYTES = 2048,
};
#define ARO_TTL_S_MAX (INT64_C(30) * 86400)

struct aro_answer {
    int status;
    bool chunked;
    bool has_length;
    uint64_t length_bytes;                         /* Content-Length */
    bool has_range;                                /* Content-Range: bytes first-last/total */
    uint64_t range_first, range_last, range_total; /* total UINT64_MAX: not told */
    bool accepts_ranges;
    bool encoded;       /* Content-Encoding other than identity */
    bool contradictory; /* lengths or ranges that disagree, an unknown transfer coding */
    char type[ARO_TYPE_BYTES];
    char etag[ARO_ETAG_BYTES];          /* with its quotes, W/ in front when weak */
    char last_modified[ARO_DATE_BYTES]; /* as sent, if it is a date */
    char location[ARO_LOCATION_BYTES];
    /* how long it may be used; -1: not told */
    int64_t max_age_s, s_maxage_s, age_s;
    int64_t date_unix, expires_unix;
    bool no_reuse;   /* no-store, no-cache, private: ask every time */
    bool revalidate; /* must-revalidate, proxy-revalidate: never stale */
};

/* One line of a header, with or without its line end; "HTTP/..." begins anew. */
void aro_answer_line(struct aro_answer *answer, const char *line, size_t len_bytes);

/* The length that it promises for the whole content; UINT64_MAX: none. */
uint64_t aro_answer_total(const struct aro_answer *answer);

/* A date in one of HTTP's three forms, or -1. */
int64_t aro_http_date(const char *text);

/* Seconds from now on that the answer is fresh: what it says within 0..30 days, else absent_s. */
int64_t aro_answer_ttl_s(const struct aro_answer *answer, int64_t absent_s, int64_t now_unix);
/* May it be used past its time when the origin fails? */
bool aro_answer_stale_ok(const struct aro_answer *answer);

/* Does a part of another answer belong to the same content? Both name the same strong validator. */
bool aro_answer_same_content(const struct aro_answer *a, const struct aro_answer *b);
/* For If-Range: the strong ETag, else the date; "" when it has neither. */
const char *aro_answer_validator(const struct aro_answer *answer);

#endif
