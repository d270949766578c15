/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "Did you mean": the candidate with the smallest edit distance to a word, when it is near enough
 * to be a slip of the fingers. Pure functions, any thread.
 */
#ifndef ARO_CONTROL_API_SUGGEST_H
#define ARO_CONTROL_API_SUGGEST_H

/* Start with {0}; feed candidates; word is the best one so far, or NULL. */
struct aro_suggestion {
    const char *word;
    unsigned distance; /* edits away from the word asked for */
};

void aro_suggest(struct aro_suggestion *best, const char *asked, const char *candidate);

#endif
