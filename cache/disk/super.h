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

/* One copy. */
struct aro_super_block {
    struct aro_super super;
    struct aro_layout layout; /* of a device; a directory has none on disk */
};

/* A new store's, of that kind; layout: NULL, or filled in but for its check. 0 or -errno. */
int aro_super_make(enum aro_layout_kind kind, const struct aro_layout *layout,
                   struct aro_super_block *ret);
int aro_super_write(int fd, const struct aro_super_block *block); /* both copies, synced */
/* The first good copy. path is for messages. 0, or -1 with *error. mend: rewrites a
 * broken one, and raises an older version. */
int aro_super_read(int fd, const char *path, bool mend, struct aro_super_block *ret,
                   struct aro_error *error);
enum aro_layout_kind aro_super_kind(const struct aro_super_block *block);
/* XXH3 of the store's uuid. */
uint64_t aro_super_uuid_hash(const struct aro_super_block *block);

#endif
