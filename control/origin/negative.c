/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/negative.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/bytes.h"
#include "cache/base/sha256.h"

enum { WAYS = 8, SETS = ARO_NEGATIVE_MAX / WAYS };

/* The digest stands for the URL: the table needs no strings. */
struct place {
    struct aro_id digest;
    struct aro_negative_entry entry;
    uint64_t until_ns; /* 0: free */
};

struct aro_negative {
    struct place place[SETS][WAYS];
};

struct aro_negative *aro_negative_create(void)
{
    return calloc(1, sizeof(struct aro_negative));
}

void aro_negative_destroy(struct aro_negative *negative)
{
    free(negative);
}

static unsigned set_of(const struct aro_id *digest)
{
    return aro_load_le32(digest->word) % SETS;
}

static struct place *place_of(struct aro_negative *negative, const char *url)
{
    struct aro_id digest = aro_sha256(url, strlen(url));
    struct place *set = negative->place[set_of(&digest)];

    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].until_ns != 0 && aro_id_equal(&set[i].digest, &digest))
            return &set[i];
    return NULL;
}

void aro_negative_add(struct aro_negative *negative, const char *url,
                      const struct aro_negative_entry *entry, uint64_t now_ns, uint64_t ttl_ns)
{
    struct aro_id digest = aro_sha256(url, strlen(url));
    struct place *set = negative->place[set_of(&digest)], *to = place_of(negative, url);

    for (unsigned i = 0; to == NULL && i < WAYS; i++)
        if (set[i].until_ns <= now_ns)
            to = &set[i];
    if (to == NULL) {
        to = &set[0];
        for (unsigned i = 1; i < WAYS; i++)
            if (set[i].until_ns < to->until_ns)
                to = &set[i];
    }
    *to = (struct place){.digest = digest, .entry = *entry, .until_ns = now_ns + ttl_ns};
}

int aro_negative_find(const struct aro_negative *negative, const char *url, uint64_t now_ns,
                      struct aro_negative_entry *ret)
{
    const struct place *at = place_of((struct aro_negative *)(uintptr_t)negative, url);

    if (at == NULL || at->until_ns <= now_ns)
        return -ENOENT;
    *ret = at->entry;
    return 0;
}

void aro_negative_forget(struct aro_negative *negative, const char *url)
{
    struct place *at = place_of(negative, url);

    if (at != NULL)
        at->until_ns = 0;
}

void aro_negative_forget_all(struct aro_negative *negative)
{
    memset(negative, 0, sizeof(*negative));
}
