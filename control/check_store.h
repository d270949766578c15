/* SPDX-License-Identifier: BSD-3-Clause */
/* arocached --check-store: is the store sound? Looks, changes nothing, serves nobody. */
#ifndef ARO_CONTROL_CHECK_STORE_H
#define ARO_CONTROL_CHECK_STORE_H

#include <stdio.h>

#include "control/config.h"

enum { ARO_EXIT_DAMAGED = 6 };

/*
 * Says on out what is wrong and what the next start would put right. 0: sound; ARO_EXIT_DAMAGED;
 * -1 with *error: no store, in use by a daemon (5004), or it cannot be opened.
 */
int aro_check_store_offline(const struct aro_config *config, FILE *out, struct aro_error *error);

#endif
