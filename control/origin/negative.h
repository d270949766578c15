/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The negative cache: what the origin did not have, or why it could not be asked, for a short time.
 * A fixed table (4096 URLs, 8 places each may go to); when all 8 are taken the one that ends first
 * gives way. In memory only. Control thread.
 */
#ifndef ARO_CONTROL_ORIGIN_NEGATIVE_H
#define ARO_CONTROL_ORIGIN_NEGATIVE_H

#include <stdint.h>

#include "cache/base/error.h"

enum { ARO_NEGATIVE_MAX = 4096 };

struct aro_negative;

struct aro_negative_entry {
    enum aro_error_id id; /* what to answer */
    int http_status;      /* 0: there was no answer */
};

struct aro_negative *aro_negative_create(void); /* NULL: no memory */
void aro_negative_destroy(struct aro_negative *negative);

void aro_negative_add(struct aro_negative *negative, const char *url,
                      const struct aro_negative_entry *entry, uint64_t now_ns, uint64_t ttl_ns);
/* 0, or -ENOENT: nothing bad is known of url. */
int aro_negative_find(const struct aro_negative *negative, const char *url, uint64_t now_ns,
                      struct aro_negative_entry *ret);
void aro_negative_forget(struct aro_negative *negative, const char *url);
void aro_negative_forget_all(struct aro_negative *negative);

#endif
