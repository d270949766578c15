/* SPDX-License-Identifier: BSD-3-Clause */
/* arocached --make-store: an empty store on a block device, where nothing else is lost by it. */
#ifndef ARO_CONTROL_MAKE_STORE_H
#define ARO_CONTROL_MAKE_STORE_H

#include <stdio.h>

#include "control/config.h"

/*
 * path: that of the configuration's store, which also gives size and segment. 0, said on out; -1
 * with *error: not in the configuration (5025), something is on the device (5022) unless overwrite,
 * in use (5004, 5023), unfit (5024), or an I/O error. Nothing is written when it refuses.
 */
int aro_make_store_offline(const struct aro_config *config, const char *path, bool overwrite,
                           FILE *out, struct aro_error *error);

#endif
