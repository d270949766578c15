/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer of the command cache, as people read it. */
#ifndef ARO_CONTROL_CTL_RENDER_CACHE_H
#define ARO_CONTROL_CTL_RENDER_CACHE_H

#include "control/ctl/render.h"

/* The parts that the answer has. With "per_second" (--watch), hit ratios of that time, too. */
void aro_render_cache(const json_t *result, const struct aro_style *style, FILE *out);
/* For --quiet: the ids of the top chunks. */
void aro_render_cache_ids(const json_t *result, FILE *out);

#endif
