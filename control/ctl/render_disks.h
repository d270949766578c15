/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer of disks, and the stores' part of status, as people read them. */
#ifndef ARO_CONTROL_CTL_RENDER_DISKS_H
#define ARO_CONTROL_CTL_RENDER_DISKS_H

#include "control/ctl/render.h"

/* Of disks_out and disks_in: how it is now. */
void aro_render_disk(const json_t *result, const struct aro_style *style, FILE *out);
void aro_render_disks(const json_t *result, const struct aro_style *style, FILE *out);
/* store: the member of status, an object or null. */
void aro_render_store_brief(const json_t *store, FILE *out);

#endif
