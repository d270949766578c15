/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/super.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/disk/store.h"
#include "cache/disk/volume.h"

uint64_t aro_super_uuid_hash(const struct aro_super_block *block)
{
    return aro_hash_bytes(block->super.uuid, sizeof(block->super.uuid), 0);
}

enum aro_layout_kind aro_super_kind(const struct aro_super_block *block)
{
    return (enum aro_layout_kind)aro_load_le32(block->super.layout);
}

static uint64_t super_check(const struct aro_super_block *block)
{
    return aro_hash_bytes(&block->super, offsetof(struct aro_super, check), 0);
}

static uint64_t layout_check(const struct aro_super_block *block)
{
    return aro_hash_bytes(&block->layout, offsetof(struct aro_layout, check),
                          aro_super_uuid_hash(block));
}

static bool sealed(const struct aro_super_block *block)
{
    if (aro_load_le64(block->super.check) != super_check(block))
        return false;
    return aro_super_kind(block) != ARO_LAYOUT_DEVICE ||
           aro_load_le64(block->layout.check) == layout_check(block);
}

int aro_super_make(enum aro_layout_kind kind, const struct aro_layout *layout,
                   struct aro_super_block *ret)
{
    struct aro_super *super = &ret->super;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memset(ret, 0, sizeof(*ret));
    memcpy(super->magic, ARO_SUPER_MAGIC, sizeof(super->magic));
    aro_store_le32(super->version, ARO_STORE_VERSION);
    aro_store_le32(super->block_bytes, ARO_BLOCK_BYTES);
    aro_store_le64(super->created_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    aro_store_le32(super->layout, kind);
    if (getrandom(super->uuid, sizeof(super->uuid), 0) != (ssize_t)sizeof(super->uuid))
        return -EIO;
    aro_store_le64(super->check, super_check(ret));
    if (layout != NULL) {
        ret->layout = *layout;
        aro_store_le64(ret->layout.check, layout_check(ret));
    }
    return 0;
}

int aro_super_write(int fd, const struct aro_super_block *block)
{
    size_t bytes = aro_super_kind(block) == ARO_LAYOUT_DEVICE ? sizeof(*block) : ARO_SUPER_BYTES;

    for (int i = 0; i < ARO_SUPER_COPIES; i++)
        if (pwrite(fd, block, bytes, (off_t)i * ARO_SUPER_STEP_BYTES) != (ssize_t)bytes)
            return errno != 0 ? -errno : -EIO;
    return fsync(fd) != 0 ? -errno : 0;
}

/* Judges one copy: 0 good, 1 unreadable, -1 with *error: it says that we must not go on. */
static int judge(const struct aro_super_block *block, const char *path, struct aro_error *error)
{
    uint32_t version = aro_load_le32(block->super.version);

    if (memcmp(block->super.magic, ARO_SUPER_MAGIC, sizeof(block->super.magic)) != 0)
        return 1;
    if (!sealed(block))
        return 1;
    if (version > ARO_STORE_VERSION)
        return aro_error_set(error, ARO_E_STORE_NEWER,
                             "the store %s has format version %u, this program knows up to %u",
                             path, version, (unsigned)ARO_STORE_VERSION);
    return 0;
}

/*
 * What an older program left is right as it is. What we write into it is not for that program any
 * more: it would take no heed of what we count on.
 */
static int raise_version(int fd, const char *path, struct aro_super_block *block,
                         struct aro_error *error)
{
    int result;

    aro_store_le32(block->super.version, ARO_STORE_VERSION);
    aro_store_le64(block->super.check, super_check(block));
    result = aro_super_write(fd, block);
    return result == 0 ? 0 : aro_volume_fail(error, path, -result, "raise the version of");
}

int aro_super_read(int fd, const char *path, bool mend, struct aro_super_block *ret,
                   struct aro_error *error)
{
    struct aro_super_block copy[ARO_SUPER_COPIES] = {0};
    int good = -1, damaged = 0, older = 0;
    bool ours = false;

    for (int i = 0; i < ARO_SUPER_COPIES; i++) {
        int verdict;
        if (pread(fd, &copy[i], sizeof(copy[i]), (off_t)i * ARO_SUPER_STEP_BYTES) < 0)
            return aro_volume_fail(error, path, errno, "read");
        verdict = judge(&copy[i], path, error);
        if (verdict < 0)
            return -1;
        if (verdict == 0 && good < 0)
            good = i;
        damaged += verdict != 0;
        older += verdict == 0 && aro_load_le32(copy[i].super.version) < ARO_STORE_VERSION;
        ours |= memcmp(copy[i].super.magic, ARO_SUPER_MAGIC, sizeof(copy[i].super.magic)) == 0;
    }
    if (good >= 0) {
        *ret = copy[good];
        if (older > 0 && mend)
            return raise_version(fd, path, ret, error);
        if (damaged > 0 && mend) /* while there is one to mend from */
            (void)!aro_super_write(fd, ret);
        return 0;
    }
    if (!ours)
        return aro_error_set(error, ARO_E_STORE_FOREIGN, "the superblock of %s is not ours", path);
    return aro_error_set(error, ARO_E_STORE_DAMAGED, "both superblock copies of %s are damaged",
                         path);
}
