/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of configuration keys. Constant data.
 */
#ifndef ARO_CONTROL_CONFIG_KEYS_H
#define ARO_CONTROL_CONFIG_KEYS_H

#include "control/config_values.h"

extern const struct aro_key aro_config_keys[];
extern const size_t aro_config_keys_count;

#endif
