/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/readers.h"

#include <errno.h>
#include <stdlib.h>

struct aro_disk_readers {
    unsigned count;
    unsigned first; /* to be reaped */
    struct aro_disk_reader *reader[ARO_DISKS_MAX];
};

struct aro_disk_readers *aro_disk_readers_create(const struct aro_disk_readers_config *config)
{
    struct aro_disk_readers *readers = calloc(1, sizeof(*readers));
    struct aro_disk_reader_config one = {.depth = config->depth,
                                         .region = config->region,
                                         .region_bytes = config->region_bytes,
                                         .files = config->files};

    if (readers == NULL)
        return NULL;
    for (; readers->count < aro_disks_count(config->disks); readers->count++) {
        one.store = aro_disks_store(config->disks, readers->count);
        one.poll = (config->poll_disks & UINT32_C(1) << readers->count) != 0;
        readers->reader[readers->count] = aro_disk_reader_create(&one);
        if (readers->reader[readers->count] == NULL) {
            int error = errno;
            aro_disk_readers_destroy(readers);
            errno = error;
            return NULL;
        }
    }
    return readers;
}

void aro_disk_readers_register(struct aro_disk_readers *readers, void *region, size_t region_bytes)
{
    for (unsigned i = 0; i < readers->count; i++)
        aro_disk_reader_register(readers->reader[i], region, region_bytes);
}

void aro_disk_readers_destroy(struct aro_disk_readers *readers)
{
    if (readers == NULL)
        return;
    for (unsigned i = 0; i < readers->count; i++)
        aro_disk_reader_destroy(readers->reader[i]);
    free(readers);
}

int aro_disk_readers_read(struct aro_disk_readers *readers, const struct aro_place *place,
                          void *buffer, uint64_t cookie)
{
    return aro_disk_read(readers->reader[place->disk], place, buffer, cookie);
}

void aro_disk_readers_submit(struct aro_disk_readers *readers)
{
    for (unsigned i = 0; i < readers->count; i++)
        aro_disk_submit(readers->reader[i]);
}

unsigned aro_disk_readers_reap_burst(struct aro_disk_readers *readers, struct aro_disk_done done[],
                                     unsigned max)
{
    unsigned n = 0, at = readers->first;

    readers->first = at + 1 < readers->count ? at + 1 : 0;
    for (unsigned i = 0; i < readers->count && n < max; i++) {
        n += aro_disk_reap_burst(readers->reader[at], done + n, max - n);
        at = at + 1 < readers->count ? at + 1 : 0;
    }
    return n;
}

void aro_disk_readers_stats(const struct aro_disk_readers *readers, unsigned disk,
                            struct aro_disk_reader_stats *ret)
{
    aro_disk_reader_stats(readers->reader[disk], ret);
}

void aro_disk_readers_stats_add(const struct aro_disk_readers *readers, unsigned disk,
                                struct aro_disk_reader_stats *sum)
{
    struct aro_disk_reader_stats one;

    aro_disk_readers_stats(readers, disk, &one);
    sum->reads += one.reads;
    sum->read_bytes += one.read_bytes;
    sum->failures += one.failures;
    sum->enters += one.enters;
}

unsigned aro_disk_readers_in_flight(const struct aro_disk_readers *readers, unsigned disk)
{
    return aro_disk_in_flight(readers->reader[disk]);
}
