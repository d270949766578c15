/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/exposition.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 4096, NUMBER_TEXT = 40 };

struct aro_exposition aro_exposition_begin(size_t bytes_max)
{
    return (struct aro_exposition){.bytes_max = bytes_max};
}

/* Room for so many bytes more and a NUL. */
static int grow(struct aro_exposition *to, size_t more)
{
    size_t room = to->room > 0 ? to->room : ROOM_FIRST;
    char *text;

    if (to->failed != 0)
        return to->failed;
    if (more > to->bytes_max - to->length)
        return to->failed = -EMSGSIZE;
    while (room <= to->length + more)
        room *= 2;
    if (room == to->room)
        return 0;
    text = realloc(to->text, room);
    if (text == NULL)
        return to->failed = -ENOMEM;
    to->text = text;
    to->room = room;
    return 0;
}

static void put(struct aro_exposition *to, const char *text, size_t length)
{
    if (grow(to, length) != 0)
        return;
    memcpy(to->text + to->length, text, length);
    to->length += length;
    to->text[to->length] = '\0';
}

static void put_text(struct aro_exposition *to, const char *text)
{
    put(to, text, strlen(text));
}

/* Backslash and newline are escaped everywhere, the quote in label values only. */
static void put_escaped(struct aro_exposition *to, const char *text, const char *special)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, special);
        put(to, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        put_text(to, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
        text++;
    }
}

void aro_exposition_family(struct aro_exposition *to, const char *name, enum aro_family type,
                           const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    put_text(to, "# HELP ");
    put_text(to, name);
    put_text(to, " ");
    put_escaped(to, help, "\\\n");
    put_text(to, "\n# TYPE ");
    put_text(to, name);
    put_text(to, " ");
    put_text(to, types[type]);
    put_text(to, "\n");
}

static void put_label(struct aro_exposition *to, const struct aro_label *label, bool first)
{
    put_text(to, first ? "{" : ",");
    put_text(to, label->name);
    put_text(to, "=\"");
    put_escaped(to, label->value, "\\\n\"");
    put_text(to, "\"");
}

/* name + suffix {labels, last} value; last: one label more, or NULL. */
static void sample(struct aro_exposition *to, const char *name, const char *suffix,
                   const struct aro_label labels[], unsigned n, const struct aro_label *last,
                   const char *value)
{
    put_text(to, name);
    put_text(to, suffix);
    for (unsigned i = 0; i < n; i++)
        put_label(to, &labels[i], i == 0);
    if (last != NULL)
        put_label(to, last, n == 0);
    if (n > 0 || last != NULL)
        put_text(to, "}");
    put_text(to, " ");
    put_text(to, value);
    put_text(to, "\n");
}

/* The shortest of two forms that reads back as the same number. */
static char *real_format(double value, char text[NUMBER_TEXT])
{
    if (isnan(value))
        return strcpy(text, "NaN");
    if (isinf(value))
        return strcpy(text, value > 0 ? "+Inf" : "-Inf");
    snprintf(text, NUMBER_TEXT, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, NUMBER_TEXT, "%.17g", value);
    return text;
}

static char *count_format(uint64_t value, char text[NUMBER_TEXT])
{
    snprintf(text, NUMBER_TEXT, "%llu", (unsigned long long)value);
    return text;
}

void aro_exposition_count(struct aro_exposition *to, const char *name,
                          const struct aro_label labels[], unsigned n, uint64_t value)
{
    char text[NUMBER_TEXT];

    sample(to, name, "", labels, n, NULL, count_format(value, text));
}

void aro_exposition_real(struct aro_exposition *to, const char *name,
                         const struct aro_label labels[], unsigned n, double value)
{
    char text[NUMBER_TEXT];

    sample(to, name, "", labels, n, NULL, real_format(value, text));
}

void aro_exposition_histogram(struct aro_exposition *to, const char *name,
                              const struct aro_label labels[], unsigned n,
                              const struct aro_histogram *value)
{
    char bound[NUMBER_TEXT], text[NUMBER_TEXT];
    uint64_t so_far = 0;

    for (unsigned i = 0; i <= value->buckets; i++) {
        struct aro_label le = {"le", "+Inf"};
        if (i < value->buckets)
            le.value = real_format(value->bound[i], bound);
        so_far += value->count[i];
        sample(to, name, "_bucket", labels, n, &le, count_format(so_far, text));
    }
    sample(to, name, "_sum", labels, n, NULL, real_format(value->sum, text));
    sample(to, name, "_count", labels, n, NULL, count_format(so_far, text));
}

char *aro_exposition_end(struct aro_exposition *from, size_t *ret_length)
{
    char *text = from->text;

    if (from->failed == 0 && grow(from, 0) == 0) {
        text = from->text;
        text[from->length] = '\0';
        *ret_length = from->length;
        from->text = NULL;
        return text;
    }
    free(text);
    from->text = NULL;
    errno = -from->failed;
    return NULL;
}
