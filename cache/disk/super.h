/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The superblock: made, written twice, read from whichever copy is whole. Blocking calls on a
 * descriptor whose byte 0 is the first copy; start only.
 */
#ifndef ARO_CACHE_DISK_SUPER_H
#define ARO_CACHE_DISK_SUPER_H

#include <stdbool.h>

#include "cache/base/error.h"
#include "cache/disk/format.h"

int aro_super_make(struct aro_super *ret);                  /* a new store's; 0 or -errno */
int aro_super_write(int fd, const struct aro_super *super); /* both copies, synced */
/* The first good copy. path is for messages. 0, or -1 with *error. mend: rewrites a broken one. */
int aro_super_read(int fd, const char *path, bool mend, struct aro_super *ret,
                   struct aro_error *error);

#endif
