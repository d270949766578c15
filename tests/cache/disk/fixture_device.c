/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of a store on a device under the names that they have in a directory. */
#include "tests/cache/disk/fixture.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/device.h"
#include "cache/disk/super.h"

bool fixture_on_device;

/* A device as it is on disk. */
struct image {
    int fd;
    struct aro_geometry geometry;
    uint64_t uuid_hash;
};

static void image_open(const char *path, struct image *image)
{
    struct aro_super_block super;
    struct aro_error error;

    image->fd = open(path, O_RDWR);
    cr_assert_geq(image->fd, 0, "%s", path);
    cr_assert_eq(aro_super_read(image->fd, path, false, &super, &error), 0);
    cr_assert(aro_geometry_load(&super.layout, UINT64_MAX, &image->geometry));
    image->uuid_hash = aro_super_uuid_hash(&super);
}

static struct aro_place_head head_of(const struct image *image, uint32_t index)
{
    uint8_t pair[ARO_HEAD_PAIR_BYTES];
    struct aro_place_head head = {0};

    cr_assert_eq(pread(image->fd, pair, sizeof(pair), (off_t)aro_head_at(index)),
                 (ssize_t)sizeof(pair));
    (void)aro_head_decode(pair, image->uuid_hash, index, &head);
    return head;
}

static bool slot_of(const struct image *image, uint32_t number, uint32_t *ret)
{
    for (*ret = 0; *ret < image->geometry.slots; (*ret)++)
        if (head_of(image, ARO_DEVICE_LOGS + *ret).number == number)
            return true;
    return false;
}

void fixture_make_device(struct fixture *f)
{
    struct aro_device_make make = {
        .path = f->path, .segment_bytes = f->config.segment_bytes, .file_as_device = true};
    uint64_t slots = f->config.size_bytes / f->config.segment_bytes;
    uint64_t slot_bytes = f->config.segment_bytes + f->config.segment_bytes / 32;
    struct aro_geometry geometry;
    int fd;

    if (access(f->path, F_OK) == 0)
        return;
    fd = open(f->path, O_RDWR | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    slots = slots < ARO_DEVICE_SLOTS_MIN ? ARO_DEVICE_SLOTS_MIN : slots;
    cr_assert_eq(ftruncate(fd, (off_t)((3u << 20) + slots * slot_bytes)), 0);
    close(fd);
    cr_assert_eq(aro_device_make(&make, &geometry, &f->error), 0, "%s", f->error.text);
}

bool fixture_device_find(const struct fixture *f, const char *name, uint64_t *ret_at)
{
    char suffix[8] = "";
    struct image image;
    uint32_t number, slot = 0;
    bool found;

    if (sscanf(name, "seg-%" SCNu32 ".%7s", &number, suffix) != 2)
        return false;
    image_open(f->path, &image);
    found = slot_of(&image, number, &slot);
    close(image.fd);
    if (!found)
        return false;
    *ret_at = aro_slot_at(&image.geometry, slot);
    if (strcmp(suffix, "data") == 0)
        *ret_at += (uint64_t)image.geometry.table_blocks * ARO_BLOCK_BYTES;
    return true;
}

void fixture_device_name(const char *path, uint64_t at, char name[32])
{
    struct image image;
    uint64_t block = at / ARO_BLOCK_BYTES;
    uint32_t slot, slot_blocks;

    image_open(path, &image);
    slot_blocks = aro_slot_blocks(&image.geometry);
    if (block < image.geometry.logs_at) {
        snprintf(name, 32, "heads");
    } else if (block < image.geometry.slots_at) {
        snprintf(name, 32, "objects.log");
    } else {
        slot = (uint32_t)((block - image.geometry.slots_at) / slot_blocks);
        snprintf(name, 32, "seg-%08" PRIu32 "%s", head_of(&image, ARO_DEVICE_LOGS + slot).number,
                 (block - image.geometry.slots_at) % slot_blocks < image.geometry.table_blocks
                     ? ".table"
                     : ".data");
    }
    close(image.fd);
}
