/* SPDX-License-Identifier: BSD-3-Clause */
/* What else a device may hold is libblkid's to know; no other file of ours asks it. */
#include "control/make_store.h"

#include <errno.h>
#include <string.h>

#include <blkid/blkid.h>

#include "cache/disk/device.h"
#include "control/api/units.h"

enum { FOUND = 0, NOTHING = 1 }; /* of blkid_do_probe */

static void name_of(blkid_probe probe, char ret[64])
{
    const char *type = NULL;

    if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
        snprintf(ret, 64, "%s", type);
    else if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0)
        snprintf(ret, 64, "a partition table (%s)", type);
    else
        snprintf(ret, 64, "something");
}

static int probe_all(blkid_probe probe, bool wipe, char ret_name[64])
{
    int verdict = blkid_do_probe(probe);

    if (verdict == FOUND)
        name_of(probe, ret_name);
    if (verdict == FOUND && !wipe)
        return 1;
    while (verdict == FOUND) { /* one signature after the other */
        if (blkid_do_wipe(probe, 0) != 0)
            return errno != 0 ? -errno : -EIO;
        verdict = blkid_do_probe(probe);
    }
    if (verdict == NOTHING)
        return 0;
    return errno != 0 ? -errno : -EIO;
}

/* struct aro_device_make's: file systems, RAID members, encrypted volumes, partition tables. */
static int probe_device(int fd, bool wipe, char ret_name[64])
{
    blkid_probe probe = blkid_new_probe();
    int result = -ENOMEM;

    if (probe == NULL)
        return result;
    errno = 0;
    if (blkid_probe_set_device(probe, fd, 0, 0) != 0) {
        result = errno != 0 ? -errno : -EIO;
    } else {
        blkid_probe_enable_superblocks(probe, 1);
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC);
        blkid_probe_enable_partitions(probe, 1);
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
        result = probe_all(probe, wipe, ret_name);
    }
    blkid_free_probe(probe);
    return result;
}

static const struct aro_disk_config *disk_at(const struct aro_config *config, const char *path)
{
    for (unsigned i = 0; i < config->disks; i++)
        if (strcmp(config->disk[i].path, path) == 0)
            return &config->disk[i];
    return NULL;
}

int aro_make_store_offline(const struct aro_config *config, const char *path, bool overwrite,
                           FILE *out, struct aro_error *error)
{
    const struct aro_disk_config *disk = disk_at(config, path);
    struct aro_device_make make = {.path = path, .overwrite = overwrite, .probe = probe_device};
    char size[ARO_UNITS_TEXT], segment[ARO_UNITS_TEXT];
    struct aro_geometry geometry;

    if (disk == NULL)
        return aro_error_set(error, ARO_E_STORE_ELSEWHERE,
                             "the configuration has no store with path = \"%s\"", path);
    make.size_bytes = disk->size_bytes;
    make.segment_bytes = disk->segment_bytes;
    if (aro_device_make(&make, &geometry, error) != 0)
        return -1;
    fprintf(out, "%s: an empty store of %s, %u segments of %s\n", path,
            aro_bytes_human(geometry.blocks * ARO_BLOCK_BYTES, size), geometry.slots,
            aro_bytes_human((uint64_t)geometry.data_blocks * ARO_BLOCK_BYTES, segment));
    return 0;
}
