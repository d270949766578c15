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

static void seal(struct aro_super *super)
{
    aro_store_le64(super->check, aro_hash_bytes(super, offsetof(struct aro_super, check), 0));
}

static bool sealed(const struct aro_super *super)
{
    return aro_load_le64(super->check) ==
           aro_hash_bytes(super, offsetof(struct aro_super, check), 0);
}

int aro_super_make(struct aro_super *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->magic, ARO_SUPER_MAGIC, sizeof(ret->magic));
    aro_store_le32(ret->version, ARO_STORE_VERSION);
    aro_store_le32(ret->block_bytes, ARO_BLOCK_BYTES);
    aro_store_le64(ret->created_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    if (getrandom(ret->uuid, sizeof(ret->uuid), 0) != (ssize_t)sizeof(ret->uuid))
        return -EIO;
    seal(ret);
    return 0;
}

int aro_super_write(int fd, const struct aro_super *super)
{
    for (int i = 0; i < ARO_SUPER_COPIES; i++)
        if (pwrite(fd, super, sizeof(*super), (off_t)i * ARO_SUPER_STEP_BYTES) !=
            (ssize_t)sizeof(*super))
            return errno != 0 ? -errno : -EIO;
    return fsync(fd) != 0 ? -errno : 0;
}

/* Judges one copy: 0 good, 1 unreadable, -1 with *error: it says that we must not go on. */
static int judge(const struct aro_super *super, const char *path, struct aro_error *error)
{
    uint32_t version = aro_load_le32(super->version);

    if (memcmp(super->magic, ARO_SUPER_MAGIC, sizeof(super->magic)) != 0)
        return 1;
    if (!sealed(super))
        return 1;
    if (version > ARO_STORE_VERSION)
        return aro_error_set(error, ARO_E_STORE_NEWER,
                             "the store %s has format version %u, this program knows up to %u",
                             path, version, (unsigned)ARO_STORE_VERSION);
    return 0;
}

int aro_super_read(int fd, const char *path, bool mend, struct aro_super *ret,
                   struct aro_error *error)
{
    struct aro_super copy[ARO_SUPER_COPIES] = {0};
    int good = -1, damaged = 0;
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
        ours |= memcmp(copy[i].magic, ARO_SUPER_MAGIC, sizeof(copy[i].magic)) == 0;
    }
    if (good >= 0) {
        *ret = copy[good];
        if (damaged > 0 && mend) /* while there is one to mend from */
            (void)!aro_super_write(fd, ret);
        return 0;
    }
    if (!ours)
        return aro_error_set(error, ARO_E_STORE_FOREIGN, "the superblock of %s is not ours", path);
    return aro_error_set(error, ARO_E_STORE_DAMAGED, "both superblock copies of %s are damaged",
                         path);
}
