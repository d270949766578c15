/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/delayed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "perf/child.h"
#include "perf/fail.h"

enum { TRIES_MAX = 1000, TRY_NS = 10000000 };

/* Whether this is root of the machine: loop devices are no namespace's. */
static bool is_root(void)
{
    unsigned long long inside = 1, outside = 1, count = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool good = map != NULL && fscanf(map, "%llu %llu %llu", &inside, &outside, &count) == 3;

    if (map != NULL)
        fclose(map);
    return geteuid() == 0 && good && inside == 0 && outside == 0;
}

const char *delayed_disk_lacks(void)
{
    if (!is_root())
        return "root is needed for a loop device";
    if (access("/dev/loop-control", R_OK) != 0 || access("/dev/fuse", R_OK) != 0)
        return "/dev/loop-control or /dev/fuse is not there";
    if (!bench_child_exists("nbdkit") || !bench_child_exists("nbdfuse"))
        return "nbdkit or nbdfuse is not installed (Debian: apt install nbdkit libnbd-bin)";
    if (!bench_child_exists("mkfs.ext4"))
        return "mkfs.ext4 is not installed (Debian: apt install e2fsprogs)";
    return NULL;
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = TRY_NS}, NULL);
}

/* Whoever used it may still be on the way out. */
static void unmount(const char *path)
{
    for (unsigned tries = 0; umount2(path, 0) != 0; tries++) {
        if (tries == TRIES_MAX || errno != EBUSY)
            bench_fail(ARO_E_BENCH_RESOURCES, "%s cannot be unmounted: %s", path, strerror(errno));
        pause_briefly();
    }
}

static void folder_make(char *path, const char *folder, const char *name)
{
    snprintf(path, BENCH_FOLDER_BYTES + 16, "%.*s/%s", BENCH_FOLDER_BYTES - 1, folder, name);
    if (mkdir(path, 0700) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s: %s", path, strerror(errno));
}

void delayed_disk_make(struct delayed_disk *disk, const char *folder, uint64_t bytes)
{
    *disk = (struct delayed_disk){.child = 0};
    snprintf(disk->image, sizeof(disk->image), "%s/image", folder);
    snprintf(disk->log, sizeof(disk->log), "%s/nbd.log", folder);
    folder_make(disk->fuse, folder, "nbd");
    folder_make(disk->mount, folder, "disk");
    bench_child_do("truncate -s %llu %s", (unsigned long long)bytes, disk->image);
    bench_child_do("mkfs.ext4 -q -F -m 0 %s", disk->image);
    bench_child_do("mount -o loop,noatime %s %s", disk->image, disk->mount);
}

void delayed_disk_delay(struct delayed_disk *disk, unsigned delay_ms, const cpu_set_t *cpus)
{
    struct bench_words words = {.n = 0};
    char path[sizeof(disk->fuse) + 8];
    struct stat status;

    unmount(disk->mount);
    snprintf(path, sizeof(path), "%s/disk", disk->fuse);
    bench_say_line(&words,
                   "nbdfuse %s --command nbdkit -s --exit-with-parent --filter=delay file %s "
                   "rdelay=%ums",
                   path, disk->image, delay_ms);
    disk->child = bench_child_start(&words, cpus, disk->log);
    for (unsigned tries = 0; stat(path, &status) != 0 || status.st_size == 0; tries++) {
        if (tries == TRIES_MAX)
            bench_fail(ARO_E_BENCH_RESOURCES, "nbdfuse does not serve %s", disk->image);
        pause_briefly();
    }
    bench_child_do("mount -o loop,noatime %s %s", path, disk->mount);
}

void delayed_disk_reads(const struct delayed_disk *disk, struct delayed_reads *ret)
{
    unsigned long long reads, sectors;
    struct stat status;
    char path[64];
    FILE *file;

    if (stat(disk->mount, &status) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s: %s", disk->mount, strerror(errno));
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(status.st_dev),
             minor(status.st_dev));
    file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%llu %*u %llu", &reads, &sectors) != 2)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s does not say what was read", path);
    fclose(file);
    *ret = (struct delayed_reads){reads, sectors};
}

void delayed_disk_free(struct delayed_disk *disk)
{
    unmount(disk->mount);
    if (disk->child == 0)
        return;
    unmount(disk->fuse); /* nbdfuse ends with that */
    bench_child_end(disk->child, 0);
}
