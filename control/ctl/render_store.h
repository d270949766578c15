/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers of store stat, store check and store scrub, as people read them. */
#ifndef ARO_CONTROL_CTL_RENDER_STORE_H
#define ARO_CONTROL_CTL_RENDER_STORE_H

#include "control/ctl/render.h"

void aro_render_store_stat(const json_t *result, const struct aro_style *style, FILE *out);
/* Of check and of scrub. */
void aro_render_store_check(const json_t *result, const struct aro_style *style, FILE *out);
/* One line about what waits for the disk; nothing when all is admitted at once. */
void aro_render_admission(const json_t *admission, FILE *out);

#endif
