/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunk memory gets its pages after the start, beside what control does otherwise; then the lcores
 * register it with their rings. Were they to register it as they start, the kernel would bring in
 * all of it meanwhile: 256 MiB took from 0.06 to 0.9 s, and more memory takes longer. Control only.
 */
#ifndef ARO_CONTROL_REGION_PAGES_H
#define ARO_CONTROL_REGION_PAGES_H

#include <stdbool.h>

struct aro_node;

/* A piece, once the index of the node's store is whole. Whether another turn is wanted at once. */
bool aro_region_pages_turn(struct aro_node *node);

#endif
