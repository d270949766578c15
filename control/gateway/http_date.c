/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/http_date.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { YEAR_MIN = 1970, YEAR_MAX = 9999 };

/* Each take moves on, or fails and stays failed. */
struct reader {
    const char *at;
    bool failed;
};

static int number_take(struct reader *in, int digits)
{
    int value = 0;

    for (; digits > 0 && !in->failed; digits--, in->at++) {
        in->failed = *in->at < '0' || *in->at > '9';
        value = value * 10 + (*in->at - '0');
    }
    return value;
}

/* asctime pads the day of the month with a space. */
static int padded_day_take(struct reader *in)
{
    if (in->failed || *in->at != ' ')
        return number_take(in, 2);
    in->at++;
    return number_take(in, 1);
}

static void text_take(struct reader *in, const char *text)
{
    size_t len = strlen(text);

    if (in->failed || strncmp(in->at, text, len) != 0)
        in->failed = true;
    else
        in->at += len;
}

static int word_take(struct reader *in, const char words[][4], int count)
{
    for (int i = 0; i < count && !in->failed; i++)
        if (strncmp(in->at, words[i], 3) == 0) {
            in->at += 3;
            return i;
        }
    in->failed = true;
    return 0;
}

static void clock_take(struct reader *in, struct tm *tm)
{
    tm->tm_hour = number_take(in, 2);
    text_take(in, ":");
    tm->tm_min = number_take(in, 2);
    text_take(in, ":");
    tm->tm_sec = number_take(in, 2);
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool fixed_parse(const char *text, struct tm *tm)
{
    struct reader in = {.at = text};

    word_take(&in, days, 7);
    text_take(&in, ", ");
    tm->tm_mday = number_take(&in, 2);
    text_take(&in, " ");
    tm->tm_mon = word_take(&in, months, 12);
    text_take(&in, " ");
    tm->tm_year = number_take(&in, 4) - 1900;
    text_take(&in, " ");
    clock_take(&in, tm);
    text_take(&in, " GMT");
    return !in.failed && *in.at == '\0';
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool rfc850_parse(const char *text, int64_t now_s, struct tm *tm)
{
    struct reader in = {.at = text, .failed = true};
    time_t now = (time_t)now_s;
    struct tm today;

    for (int i = 0; i < 7 && in.failed; i++)
        if (strncmp(text, long_days[i], strlen(long_days[i])) == 0)
            in = (struct reader){.at = text + strlen(long_days[i])};
    text_take(&in, ", ");
    tm->tm_mday = number_take(&in, 2);
    text_take(&in, "-");
    tm->tm_mon = word_take(&in, months, 12);
    text_take(&in, "-");
    tm->tm_year = number_take(&in, 2);
    text_take(&in, " ");
    clock_take(&in, tm);
    text_take(&in, " GMT");
    if (in.failed || *in.at != '\0' || gmtime_r(&now, &today) == NULL)
        return false;
    tm->tm_year += today.tm_year / 100 * 100;
    if (tm->tm_year > today.tm_year + 50)
        tm->tm_year -= 100;
    return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool asctime_parse(const char *text, struct tm *tm)
{
    struct reader in = {.at = text};

    word_take(&in, days, 7);
    text_take(&in, " ");
    tm->tm_mon = word_take(&in, months, 12);
    text_take(&in, " ");
    tm->tm_mday = padded_day_take(&in);
    text_take(&in, " ");
    clock_take(&in, tm);
    text_take(&in, " ");
    tm->tm_year = number_take(&in, 4) - 1900;
    return !in.failed && *in.at == '\0';
}

/* timegm carries 31 February over into March: what comes back must be what went in. */
static int64_t seconds_of(const struct tm *tm)
{
    struct tm normal = *tm;
    time_t seconds;

    if (tm->tm_year < YEAR_MIN - 1900 || tm->tm_year > YEAR_MAX - 1900)
        return -1;
    seconds = timegm(&normal);
    if (normal.tm_mday != tm->tm_mday || normal.tm_mon != tm->tm_mon ||
        normal.tm_hour != tm->tm_hour || normal.tm_min != tm->tm_min || normal.tm_sec != tm->tm_sec)
        return -1;
    return seconds;
}

int64_t aro_http_date_parse(const char *text, int64_t now_s)
{
    struct tm tm = {0};

    if (fixed_parse(text, &tm))
        return seconds_of(&tm);
    tm = (struct tm){0};
    if (rfc850_parse(text, now_s, &tm))
        return seconds_of(&tm);
    tm = (struct tm){0};
    if (asctime_parse(text, &tm))
        return seconds_of(&tm);
    return -1;
}

char *aro_http_date_format(int64_t seconds, char text[ARO_HTTP_DATE_BYTES])
{
    time_t time = (time_t)seconds;
    struct tm tm = {0};

    gmtime_r(&time, &tm);
    snprintf(text, ARO_HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days[(unsigned)tm.tm_wday % 7], (unsigned)tm.tm_mday % 100,
             months[(unsigned)tm.tm_mon % 12], ((unsigned)tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    return text;
}
