/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/verdict.h"

#define FAIL(id, ...) (aro_error_set(error, ARO_E_##id, __VA_ARGS__), ARO_VERDICT_FAILED)

/* ---- a body begins ---- */

static enum aro_verdict judge_first(const struct aro_facts *facts, const struct aro_answer *answer,
                                    struct aro_error *error)
{
    uint64_t total = aro_answer_total(answer);

    if (answer->status == 206)
        return FAIL(ORIGIN_REFUSED, "a part came (206) where the whole was asked for");
    if (total == UINT64_MAX && !answer->chunked)
        return FAIL(ORIGIN_REFUSED,
                    "neither a length nor chunks: its end could not be told from a break");
    if (total != UINT64_MAX && total > facts->max_object_bytes)
        return FAIL(ORIGIN_TOO_LARGE, "%llu bytes, max_object allows %llu",
                    (unsigned long long)total, (unsigned long long)facts->max_object_bytes);
    return ARO_VERDICT_TAKE;
}

/* The rest after a break: of the same content, from the very byte. */
static enum aro_verdict judge_rest(const struct aro_facts *facts, const struct aro_answer *answer,
                                   struct aro_error *error)
{
    uint64_t total = aro_answer_total(facts->first);

    if (answer->status != 206 || !aro_answer_same_content(facts->first, answer))
        return FAIL(ORIGIN_CHANGED, "it became another one while it was fetched");
    if (!answer->has_range || answer->range_first != facts->received_bytes ||
        answer->range_total != total ||
        (answer->has_length &&
         answer->length_bytes != answer->range_last - answer->range_first + 1))
        return FAIL(ORIGIN_LENGTH, "another part came than bytes %llu to the end of %llu",
                    (unsigned long long)facts->received_bytes, (unsigned long long)total);
    return ARO_VERDICT_TAKE;
}

enum aro_verdict aro_judge_answer(const struct aro_facts *facts, const struct aro_answer *answer,
                                  struct aro_error *error)
{
    if (answer->contradictory)
        return FAIL(ORIGIN_REFUSED, "lengths or codings that contradict each other");
    if (answer->encoded)
        return FAIL(ORIGIN_REFUSED, "a Content-Encoding that nobody asked for");
    return facts->first == NULL ? judge_first(facts, answer, error)
                                : judge_rest(facts, answer, error);
}

/* ---- a transfer is over ---- */

static bool can_resume(const struct aro_answer *first)
{
    return first->accepts_ranges && aro_answer_total(first) != UINT64_MAX &&
           *aro_answer_validator(first) != '\0';
}

/* Ends that a body, or the whole answer, may have besides OK. */
static enum aro_verdict judge_failure(const struct aro_facts *facts,
                                      const struct aro_http_transfer *transfer,
                                      struct aro_error *error)
{
    switch (transfer->end) {
    case ARO_HTTP_UNREACHABLE:
    case ARO_HTTP_TIMEOUT:
    case ARO_HTTP_BROKEN:
        if (facts->first != NULL && can_resume(facts->first))
            return ARO_VERDICT_AGAIN;
        if (transfer->end == ARO_HTTP_BROKEN && facts->taken)
            return FAIL(ORIGIN_LENGTH, "it broke off after %llu bytes: %s",
                        (unsigned long long)facts->received_bytes, transfer->why);
        return FAIL(ORIGIN_DOWN, "%s", transfer->why);
    case ARO_HTTP_TLS:
        return FAIL(ORIGIN_TLS, "%s", transfer->why);
    case ARO_HTTP_LONG:
        return FAIL(ORIGIN_LENGTH, "more bytes came than were promised");
    case ARO_HTTP_TOO_LARGE:
        return FAIL(ORIGIN_TOO_LARGE, "more than %llu bytes came, which max_object allows",
                    (unsigned long long)facts->max_object_bytes);
    case ARO_HTTP_CANCELLED:
        return FAIL(JOB_CANCELLED, "cancelled");
    case ARO_HTTP_LOCAL:
        return FAIL(CONTROL_RESOURCES, "no memory, or no room in the pipe, for a transfer");
    default:
        return FAIL(ORIGIN_REFUSED, "no proper HTTP: %s", transfer->why);
    }
}

static enum aro_verdict judge_body(const struct aro_facts *facts,
                                   const struct aro_http_transfer *transfer,
                                   struct aro_error *error)
{
    uint64_t total = aro_answer_total(facts->first);
    bool broken = transfer->end == ARO_HTTP_BROKEN || transfer->end == ARO_HTTP_TIMEOUT;

    if (facts->received_bytes == total && (broken || transfer->end == ARO_HTTP_OK))
        return ARO_VERDICT_WHOLE;
    if (transfer->end != ARO_HTTP_OK)
        return judge_failure(facts, transfer, error);
    if (total == UINT64_MAX)
        return ARO_VERDICT_WHOLE;
    if (facts->received_bytes < total && can_resume(facts->first))
        return ARO_VERDICT_AGAIN; /* an answer may hold a part of the range */
    return FAIL(ORIGIN_LENGTH, "%llu bytes came of %llu", (unsigned long long)facts->received_bytes,
                (unsigned long long)total);
}

static enum aro_verdict absent(const struct aro_facts *facts, int status, struct aro_error *error)
{
    if (facts->first != NULL)
        return FAIL(ORIGIN_CHANGED, "it vanished (%d) while it was fetched", status);
    aro_error_set(error, ARO_E_ORIGIN_ABSENT, "it answered %d", status);
    return ARO_VERDICT_ABSENT;
}

/* By the status alone: a body, if any, was thrown away. */
static enum aro_verdict judge_status(const struct aro_facts *facts, const struct aro_answer *answer,
                                     struct aro_error *error)
{
    int status = answer->status;

    if (status == 304 && facts->conditional && facts->first == NULL)
        return ARO_VERDICT_RENEWED;
    if (status / 100 == 3 && status != 304 && answer->location[0] != '\0')
        return ARO_VERDICT_REDIRECT;
    if (status == 404 || status == 410)
        return absent(facts, status, error);
    if (status == 416 && facts->first != NULL)
        return FAIL(ORIGIN_CHANGED, "it became shorter while it was fetched");
    if (status / 100 == 5 || status == 408 || status == 429) {
        if (facts->first != NULL && can_resume(facts->first))
            return ARO_VERDICT_AGAIN;
        return FAIL(ORIGIN_DOWN, "it answered %d", status);
    }
    return FAIL(ORIGIN_REFUSED, "it answered %d", status);
}

enum aro_verdict aro_judge_end(const struct aro_facts *facts,
                               const struct aro_http_transfer *transfer, struct aro_error *error)
{
    if (facts->taken)
        return judge_body(facts, transfer, error);
    if (transfer->answer.status < 200 || transfer->end == ARO_HTTP_CANCELLED)
        return judge_failure(facts, transfer, error);
    return judge_status(facts, &transfer->answer, error);
}
