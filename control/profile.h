/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the device profiles of pmd-config/: one file *.conf each, matched by DPDK driver name, "*"
 * being the fallback. Start-up only; one thread.
 */
#ifndef ARO_CONTROL_PROFILE_H
#define ARO_CONTROL_PROFILE_H

#include "cache/base/error.h"
#include "dataplane/profile.h"

/* One file. 0, or -1 with *error (2001..2003, 2006, 2007). */
int aro_profile_read(const char *path, struct aro_profile *ret, struct aro_error *error);

/*
 * Every *.conf of a directory in the order of their names, at most max. Returns how many, or -1
 * with *error: unreadable, none at all, two for one driver, no fallback "*".
 */
int aro_profiles_read(const char *dir, struct aro_profile ret[], unsigned max,
                      struct aro_error *error);

/* The directory to use: configured if not empty, $AROCACHE_PROFILE_DIR, installed, build tree. */
const char *aro_profiles_dir(const char *configured);

#endif
