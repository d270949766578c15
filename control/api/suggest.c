/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/suggest.h"

#include <string.h>

enum { WORD_MAX = 48 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/* Levenshtein; two swapped neighbours count as one edit. Both words at most WORD_MAX long. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[3][WORD_MAX + 1], *before = row[0], *last = row[1], *now = row[2];
    size_t length_a = strlen(a), length_b = strlen(b);

    for (unsigned j = 0; j <= length_b; j++)
        last[j] = before[j] = j;
    for (unsigned i = 1; i <= length_a; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= length_b; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[length_b];
}

void aro_suggest(struct aro_suggestion *best, const char *asked, const char *candidate)
{
    size_t length = strlen(asked);
    unsigned edits;

    if (length > WORD_MAX || strlen(candidate) > WORD_MAX)
        return;
    edits = distance(asked, candidate);
    if (edits == 0 || edits > 1 + length / 4 || edits >= strlen(candidate))
        return;
    if (best->word == NULL || edits < best->distance)
        *best = (struct aro_suggestion){.word = candidate, .distance = edits};
}
