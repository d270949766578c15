/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as what an origin answers, and as what strangers ask for. The lines of the input are a
 * header; each line is also taken for a URL, for a name, and for where a redirect leads. What is
 * let in must lie in a configured origin, in one form, without a way out of it; what is kept of a
 * header must be printable, its freshness in bounds, its lengths possible.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "control/origin/verdict.h"

enum { NOW = 1795406903, ABSENT_S = 600, MAX_OBJECT = 1 << 20 };

static const struct aro_origin list[] = {
    {.name = "a", .url = "http://a.example/media/", .prefix = "cdn.example/"},
    {.name = "b", .url = "https://b.example:8443/", .prefix = "cdn.example/b/"},
};
static const struct aro_origins origins = {.list = list, .count = 2};

static void printable_check(const char *text)
{
    for (; *text != '\0'; text++)
        FUZZ_CHECK(*text >= ' ' && *text <= '~');
}

/* A form is its own form, and nobody who decodes it finds a dot segment. */
static void form_check(const char *url)
{
    char again[ARO_URL_BYTES], plain[ARO_URL_BYTES], *to = plain;
    size_t path_len = strcspn(url, "?");

    FUZZ_CHECK(aro_url_parse(url, again) == 0 && strcmp(url, again) == 0);
    printable_check(url);
    for (size_t i = 0; i < path_len; i++) {
        unsigned c = (unsigned char)url[i];
        if (c == '%') {
            FUZZ_CHECK(sscanf(url + i + 1, "%2x", &c) == 1);
            i += 2;
        }
        *to++ = (char)c;
    }
    *to = '\0';
    FUZZ_CHECK((size_t)(to - plain) == strlen(plain));
    FUZZ_CHECK(strstr(plain, "/../") == NULL && strstr(plain, "/./") == NULL);
    FUZZ_CHECK(to - plain < 3 || strcmp(to - 3, "/..") != 0);
}

static void url_try(const char *line)
{
    static const char base[] = "http://a.example/media/x/y?z";
    char url[ARO_URL_BYTES], name[ARO_NAME_BYTES], back[ARO_URL_BYTES];
    int which;

    if (aro_url_parse(line, url) == 0)
        form_check(url);
    which = aro_origins_map(&origins, line, url);
    if (which >= 0) {
        form_check(url);
        FUZZ_CHECK(aro_url_inside(url, list[which].url));
    }
    which = aro_origins_follow(&origins, base, line, url);
    if (which >= 0) {
        form_check(url);
        FUZZ_CHECK(aro_url_inside(url, list[which].url));
        if (aro_origin_name(&list[which], url, name) == 0 && which == 1)
            FUZZ_CHECK(aro_origins_map(&origins, name, back) == 1 && strcmp(url, back) == 0);
    }
}

static void answer_check(const struct aro_answer *answer)
{
    struct aro_facts facts = {.max_object_bytes = MAX_OBJECT};
    int64_t ttl_s = aro_answer_ttl_s(answer, ABSENT_S, NOW);
    uint64_t total = aro_answer_total(answer);
    struct aro_error error;

    FUZZ_CHECK(ttl_s >= 0 && ttl_s <= ARO_TTL_S_MAX);
    FUZZ_CHECK(!answer->no_reuse || (ttl_s == 0 && !aro_answer_stale_ok(answer)));
    printable_check(answer->type);
    printable_check(answer->etag);
    printable_check(answer->last_modified);
    printable_check(answer->location);
    if (answer->has_range)
        FUZZ_CHECK(answer->range_first <= answer->range_last &&
                   answer->range_last < answer->range_total);
    if (aro_judge_answer(&facts, answer, &error) == ARO_VERDICT_TAKE)
        FUZZ_CHECK(answer->chunked || total <= MAX_OBJECT);
    facts.first = answer;
    facts.received_bytes = 1;
    FUZZ_CHECK(aro_judge_answer(&facts, answer, &error) == ARO_VERDICT_FAILED ||
               answer->range_first == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    char *text = malloc(len + 1), *line;
    struct aro_answer answer = {0};

    FUZZ_CHECK(text != NULL);
    memcpy(text, input, len);
    text[len] = '\0';
    aro_answer_line(&answer, "HTTP/1.1 200 OK", 15);
    for (line = text; line < text + len; line += strlen(line) + 1) {
        line[strcspn(line, "\n")] = '\0';
        aro_answer_line(&answer, line, strlen(line));
        url_try(line);
    }
    answer_check(&answer);
    free(text);
    return 0;
}
