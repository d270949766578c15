/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device is opened when a store is on it, and made into one only when somebody says so
 * (aro_device_make): nothing is ever written on what is not ours.
 */
#include "cache/disk/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/disk/state.h"
#include "cache/disk/super.h"

enum {
    LOG_RECORDS_FIRST = 1024,
    LOCK_TRIES = 10,
    LOCK_PAUSE_NS = 100000000,
};

/* ---- the device ---- */

static int measure(int fd, const char *path, bool file_as_device, uint64_t *ret_bytes,
                   struct aro_error *error)
{
    struct stat status;
    int block_bytes = 0;

    if (fstat(fd, &status) != 0)
        return aro_volume_fail(error, path, errno, "look at");
    *ret_bytes = (uint64_t)status.st_size;
    if (S_ISREG(status.st_mode) && file_as_device)
        return 0;
    if (!S_ISBLK(status.st_mode))
        return aro_error_set(error, ARO_E_STORE_CREATE, "%s is no block device", path);
    if (ioctl(fd, BLKSSZGET, &block_bytes) != 0 || ioctl(fd, BLKGETSIZE64, ret_bytes) != 0)
        return aro_volume_fail(error, path, errno, "measure");
    if (block_bytes > ARO_BLOCK_BYTES)
        return aro_error_set(error, ARO_E_STORE_DEVICE_UNFIT,
                             "%s has blocks of %d bytes, a store wants %d at most", path,
                             block_bytes, ARO_BLOCK_BYTES);
    return 0;
}

/*
 * O_EXCL on a block device is the kernel's own lock: refused while it is mounted, part of a RAID or
 * claimed by another program. flock tells daemons from those that only look, and udev to keep off.
 */
int aro_device_claim(const char *path, bool read_only, bool file_as_device, uint64_t *ret_bytes,
                     struct aro_error *error)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR | O_EXCL) | O_CLOEXEC), locked = -1;

    if (fd < 0 && errno == EBUSY)
        return aro_error_set(error, ARO_E_STORE_DEVICE_BUSY,
                             "%s is mounted or in use by another program", path);
    if (fd < 0)
        return aro_volume_fail(error, path, errno, "open");
    for (int i = 0; i < LOCK_TRIES && locked != 0; i++) { /* udev has it for moments */
        if (i > 0)
            nanosleep(&pause, NULL);
        locked = flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB);
    }
    if (locked != 0)
        aro_error_set(error, ARO_E_STORE_LOCKED, "the store %s is in use by another process", path);
    else if (measure(fd, path, file_as_device, ret_bytes, error) == 0) {
        aro_volume_drop_cached(fd);
        return fd;
    }
    close(fd);
    return -1;
}

/* ---- open ---- */

/* A copy that cannot be read is one that is damaged. */
static void read_pair(int fd, uint32_t head, uint8_t pair[ARO_HEAD_PAIR_BYTES])
{
    uint64_t at = aro_head_at(head);

    if (pread(fd, pair, ARO_HEAD_PAIR_BYTES, (off_t)at) == ARO_HEAD_PAIR_BYTES)
        return;
    for (int copy = 0; copy < ARO_HEAD_COPIES; copy++)
        if (pread(fd, pair + copy * ARO_BLOCK_BYTES, ARO_BLOCK_BYTES,
                  (off_t)at + copy * ARO_BLOCK_BYTES) != ARO_BLOCK_BYTES)
            memset(pair + copy * ARO_BLOCK_BYTES, 0xff, ARO_BLOCK_BYTES);
}

/* 0: *ret, and a damaged copy is mended; -EBADMSG: both are damaged. */
static int load_head(struct aro_store *store, uint32_t index, struct aro_place_head *ret)
{
    uint8_t pair[ARO_HEAD_PAIR_BYTES], right[ARO_HEAD_PAIR_BYTES] = {0};
    int error;

    read_pair(store->volume_fd, index, pair);
    error = aro_head_decode(pair, store->uuid_hash, index, ret);
    if (error != 0 || store->read_only)
        return error;
    if (ret->number != 0)
        aro_head_encode(ret, store->uuid_hash, index, right);
    if (memcmp(pair, right, sizeof(right)) != 0)
        (void)!pwrite(store->volume_fd, right, sizeof(right), (off_t)aro_head_at(index));
    return 0;
}

static void load_heads(struct aro_store *store)
{
    struct aro_device *device = store->device;

    for (uint32_t i = 0; i < ARO_DEVICE_LOGS; i++)
        device->log_damaged |= load_head(store, i, &device->log_head[i]) != 0;
    for (uint32_t i = 0; i < device->geometry.slots; i++) {
        struct aro_slot *slot = &device->slot[i];
        slot->taken = load_head(store, ARO_DEVICE_LOGS + i, &slot->head) != 0;
        slot->taken |= slot->head.number != 0;
        device->taken += slot->taken;
    }
}

/* What of the device the configured size allows. */
static void size_up(struct aro_store *store, const struct aro_store_config *config)
{
    struct aro_device *device = store->device;
    const struct aro_geometry *geometry = &device->geometry;
    uint64_t bytes = geometry->blocks * ARO_BLOCK_BYTES;
    uint64_t fixed = geometry->slots_at * ARO_BLOCK_BYTES;

    if (store->size_bytes > bytes)
        store->size_bytes = bytes;
    if (config->chunks_max == 0)
        store->chunks_max = store->size_bytes / ARO_BYTES_PER_INDEX_SLOT;
    store->segment_bytes = (uint64_t)geometry->data_blocks * ARO_BLOCK_BYTES;
    device->usable =
        store->size_bytes <= fixed
            ? 0
            : (uint32_t)((store->size_bytes - fixed) / ARO_BLOCK_BYTES / aro_slot_blocks(geometry));
    if (device->usable > geometry->slots)
        device->usable = geometry->slots;
}

static int load_super(struct aro_store *store, const char *path, uint64_t bytes,
                      struct aro_error *error)
{
    struct aro_super_block super;

    if (aro_super_read(store->volume_fd, path, !store->read_only, &super, error) != 0) {
        if (error->id == ARO_E_STORE_FOREIGN)
            aro_error_set(error, ARO_E_STORE_UNMADE, "there is no store on %s", path);
        return -1;
    }
    if (aro_super_kind(&super) != ARO_LAYOUT_DEVICE ||
        !aro_geometry_load(&super.layout, bytes, &store->device->geometry))
        return aro_error_set(error, ARO_E_STORE_DAMAGED,
                             "the store on %s does not fit the device: is it a copy from a "
                             "larger one?",
                             path);
    store->uuid_hash = aro_super_uuid_hash(&super);
    return 0;
}

int aro_device_open(struct aro_store *store, const struct aro_store_config *config,
                    struct aro_error *error)
{
    struct aro_device *device = calloc(1, sizeof(*device));
    uint64_t bytes;

    store->volume = &aro_device_volume;
    store->device = device;
    store->volume_fd =
        aro_device_claim(config->path, store->read_only, config->file_as_device, &bytes, error);
    if (store->volume_fd < 0)
        return -1;
    if (device == NULL ||
        (device->log_pair = aligned_alloc(ARO_BLOCK_BYTES, ARO_HEAD_PAIR_BYTES)) == NULL)
        goto no_memory;
    if (load_super(store, config->path, bytes, error) != 0)
        return -1;
    device->slot = calloc(device->geometry.slots, sizeof(*device->slot));
    if (device->slot == NULL)
        goto no_memory;
    size_up(store, config);
    load_heads(store);
    return 0;
no_memory:
    return aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to open the store %s", config->path);
}

/* ---- make ---- */

/* Whose is it? 0: nobody's, or whoever asks does not mind. */
static int look_first(const struct aro_device_make *make, int fd, struct aro_error *error)
{
    struct aro_super super[ARO_SUPER_COPIES] = {0};
    char name[64] = "";
    int found = 0;

    for (int i = 0; i < ARO_SUPER_COPIES; i++)
        if (pread(fd, &super[i], sizeof(super[i]), (off_t)i * ARO_SUPER_STEP_BYTES) < 0)
            return aro_volume_fail(error, make->path, errno, "read");
        else if (memcmp(super[i].magic, ARO_SUPER_MAGIC, sizeof(super[i].magic)) == 0)
            strcpy(name, "an arocache store");
    if (name[0] == '\0' && make->probe != NULL)
        found = make->probe(fd, false, name);
    if (found < 0)
        return aro_volume_fail(error, make->path, -found, "look for what is on");
    if (name[0] == '\0' || make->overwrite)
        return 0;
    return aro_error_set(error, ARO_E_STORE_DEVICE_USED, "%s holds something: %s", make->path,
                         name);
}

static int wipe(const struct aro_device_make *make, int fd, const struct aro_geometry *geometry)
{
    static const uint8_t zeros[64 * ARO_HEAD_PAIR_BYTES];
    uint64_t end = aro_head_at(ARO_DEVICE_LOGS + geometry->slots);
    char name[64];
    int error = 0;

    if (make->overwrite && make->probe != NULL)
        error = make->probe(fd, true, name);
    if (error < 0)
        return error;
    for (uint64_t at = 0; at < end; at += sizeof(zeros)) {
        size_t n = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);
        if (pwrite(fd, zeros, n, (off_t)at) != (ssize_t)n)
            return errno != 0 ? -errno : -EIO;
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* The superblock comes last: until then there is no store. */
static int make_on(const struct aro_device_make *make, int fd, const struct aro_geometry *geometry)
{
    uint8_t pair[ARO_HEAD_PAIR_BYTES];
    struct aro_place_head log = {.number = 1, .records_max = LOG_RECORDS_FIRST};
    struct aro_super_block super;
    struct aro_layout layout;
    int error = wipe(make, fd, geometry);

    if (error != 0)
        return error;
    aro_geometry_save(geometry, &layout);
    error = aro_super_make(ARO_LAYOUT_DEVICE, &layout, &super);
    if (error != 0 || getrandom(&log.salt, sizeof(log.salt), 0) != sizeof(log.salt))
        return -EIO;
    aro_head_encode(&log, aro_super_uuid_hash(&super), 0, pair);
    if (pwrite(fd, pair, sizeof(pair), (off_t)aro_head_at(0)) != sizeof(pair) || fsync(fd) != 0)
        return errno != 0 ? -errno : -EIO;
    return aro_super_write(fd, &super);
}

int aro_device_make(const struct aro_device_make *make, struct aro_geometry *ret,
                    struct aro_error *error)
{
    uint64_t bytes;
    int fd = aro_device_claim(make->path, false, make->file_as_device, &bytes, error);
    int result = -1;

    if (fd < 0)
        return -1;
    bytes = make->size_bytes != 0 && make->size_bytes < bytes ? make->size_bytes : bytes;
    if (!aro_geometry_plan(bytes, make->segment_bytes, ret)) {
        aro_error_set(error, ARO_E_STORE_DEVICE_UNFIT, "%s is too small for a store: %llu bytes",
                      make->path, (unsigned long long)bytes);
    } else if (look_first(make, fd, error) == 0) {
        result = make_on(make, fd, ret);
        if (result != 0)
            aro_volume_fail(error, make->path, -result, "make");
    }
    close(fd);
    return result == 0 ? 0 : -1;
}
