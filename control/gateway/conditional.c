/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/conditional.h"

#include <stddef.h>
#include <string.h>

#include "control/gateway/http_date.h"

/* One entity tag as it stands in a field: opaque includes its quotes. */
struct tag {
    const char *opaque;
    size_t len;
    bool weak;
};

static bool is_etag_char(char c)
{
    return (unsigned char)c > ' ' && c != '"' && (unsigned char)c != 0x7f;
}

/* Reads one tag; returns what follows it, or NULL. */
static const char *tag_parse(const char *at, struct tag *ret)
{
    ret->weak = at[0] == 'W' && at[1] == '/';
    if (ret->weak)
        at += 2;
    ret->opaque = at;
    if (*at++ != '"')
        return NULL;
    while (is_etag_char(*at))
        at++;
    if (*at++ != '"')
        return NULL;
    ret->len = (size_t)(at - ret->opaque);
    return at;
}

static bool tags_equal(const struct tag *a, const struct tag *b, bool strong)
{
    if (strong && (a->weak || b->weak))
        return false;
    return a->len == b->len && memcmp(a->opaque, b->opaque, a->len) == 0;
}

bool aro_etag_valid(const char *text)
{
    struct tag tag;
    const char *end = tag_parse(text, &tag);

    return end != NULL && *end == '\0';
}

/* A list of tags, or "*". A list that breaks off matches what was readable of it. */
static bool list_matches(const char *list, const char *etag, bool strong)
{
    struct tag ours = {0}, theirs;

    while (*list == ' ' || *list == '\t')
        list++;
    if (list[0] == '*')
        return list[strspn(list + 1, " \t") + 1] == '\0';
    if (etag == NULL || tag_parse(etag, &ours) == NULL)
        return false;
    for (;;) {
        list += strspn(list, " \t,"); /* empty members are allowed */
        if (*list == '\0' || (list = tag_parse(list, &theirs)) == NULL)
            return false;
        if (tags_equal(&ours, &theirs, strong))
            return true;
        list += strspn(list, " \t");
        if (*list != ',' && *list != '\0')
            return false;
    }
}

/* Whether a date field is to be evaluated at all: it parses, and we have a date to compare. */
static bool dates_known(const char *field, int64_t modified_s, int64_t now_s, int64_t *ret_s)
{
    if (field == NULL || modified_s < 0)
        return false;
    *ret_s = aro_http_date_parse(field, now_s);
    return *ret_s >= 0;
}

enum aro_condition_verdict aro_conditions_check(const struct aro_conditions *conditions,
                                                const struct aro_validators *validators,
                                                int64_t now_s)
{
    int64_t since_s;

    if (conditions->if_match != NULL) {
        if (!list_matches(conditions->if_match, validators->etag, true))
            return ARO_CONDITION_FAILED;
    } else if (dates_known(conditions->if_unmodified_since, validators->modified_s, now_s,
                           &since_s)) {
        if (validators->modified_s > since_s)
            return ARO_CONDITION_FAILED;
    }
    if (conditions->if_none_match != NULL) {
        if (list_matches(conditions->if_none_match, validators->etag, false))
            return ARO_CONDITION_NOT_MODIFIED;
    } else if (dates_known(conditions->if_modified_since, validators->modified_s, now_s,
                           &since_s)) {
        if (validators->modified_s <= since_s)
            return ARO_CONDITION_NOT_MODIFIED;
    }
    return ARO_CONDITION_GO_ON;
}

/*
 * An entity tag compares strongly; a date must be exactly ours. (A date is a strong validator only
 * when it was a second old when it was given out; content here never changes within its second,
 * it gets another object.)
 */
bool aro_if_range_holds(const struct aro_conditions *conditions,
                        const struct aro_validators *validators, int64_t now_s)
{
    const char *field = conditions->if_range;
    struct tag ours, theirs;
    int64_t date_s;

    if (field == NULL)
        return true;
    if (field[0] == '"' || (field[0] == 'W' && field[1] == '/')) {
        const char *end = tag_parse(field, &theirs);
        return end != NULL && *end == '\0' && validators->etag != NULL &&
               tag_parse(validators->etag, &ours) != NULL && tags_equal(&ours, &theirs, true);
    }
    return dates_known(field, validators->modified_s, now_s, &date_s) &&
           date_s == validators->modified_s;
}
