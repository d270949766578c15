/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store's directory: there or to be made, writable, on a file system that takes O_DIRECT, with
 * room for what is configured. Or its block device: ours to use, large enough, and a store on it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "control/api/units.h"
#include "control/doctor/checks.h"

#define MIB 1048576ull

enum { STORE_MIB_MIN = 64, PATH_BYTES = ARO_CONFIG_PATH_BYTES + 64 };

struct place {
    const struct aro_disk_config *disk;
    char holder[PATH_BYTES];  /* path itself, or the directory in which it will be made */
    bool exists;              /* path does */
    uint64_t store_bytes;     /* that lie there already */
    uint64_t available_bytes; /* to this user on that file system, the store's own included */
    char mount[PATH_BYTES];   /* of the file system */
    char type[32];
    bool read_only;
};

static void parent_of(const char *path, char parent[PATH_BYTES])
{
    char *slash;

    snprintf(parent, PATH_BYTES, "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        strcpy(parent, ".");
    else
        slash[slash == parent] = '\0';
}

/* The mount point with the longest common path. */
static void mount_find(struct place *place)
{
    FILE *table = setmntent("/proc/self/mounts", "re");
    size_t longest = 0;
    struct mntent *one;

    while (table != NULL && (one = getmntent(table)) != NULL) {
        size_t length = strlen(one->mnt_dir);
        bool below = length == 1 || place->holder[length] == '/' || place->holder[length] == '\0';
        if (length < longest || strncmp(place->holder, one->mnt_dir, length) != 0 || !below)
            continue;
        longest = length;
        snprintf(place->mount, sizeof(place->mount), "%s", one->mnt_dir);
        snprintf(place->type, sizeof(place->type), "%s", one->mnt_type);
    }
    if (table != NULL)
        endmntent(table);
}

static uint64_t bytes_in(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    struct stat file;
    uint64_t sum = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (fstatat(dirfd(directory), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(file.st_mode))
            sum += (uint64_t)file.st_blocks * 512;
    if (directory != NULL)
        closedir(directory);
    return sum;
}

static void place_look(struct place *place, const struct aro_disk_config *disk)
{
    const char *path = disk->path;
    struct statvfs system;
    struct stat status;

    *place = (struct place){.disk = disk};
    place->exists = stat(path, &status) == 0;
    if (place->exists)
        snprintf(place->holder, sizeof(place->holder), "%s", path);
    else
        parent_of(path, place->holder);
    mount_find(place);
    place->store_bytes = bytes_in(path);
    if (statvfs(place->holder, &system) == 0) {
        place->available_bytes = place->store_bytes + (uint64_t)system.f_bavail * system.f_frsize;
        place->read_only = (system.f_flag & ST_RDONLY) != 0;
    }
}

/* ---- the directory ---- */

/* False: the rest makes no sense. */
static bool check_directory(struct aro_doctor *doctor, const struct place *place)
{
    struct aro_finding *finding;
    struct stat status;

    if (stat(place->holder, &status) != 0 || !S_ISDIR(status.st_mode)) {
        finding = aro_doctor_say(doctor, ARO_FAIL, "store", "%s: %s", place->holder,
                                 errno == ENOENT || errno == EACCES ? strerror(errno)
                                                                    : "is no directory");
        aro_finding_mend(finding, "install -d -o %s '%s'", aro_doctor_user(), place->holder);
        return false;
    }
    if (place->read_only) {
        finding = aro_doctor_say(doctor, ARO_FAIL, "store", "%s is mounted read-only (%s)",
                                 place->mount, place->type);
        aro_finding_mend(finding, "mount -o remount,rw '%s'", place->mount);
        return false;
    }
    if (!aro_doctor_may_write(place->holder)) {
        bool me = access(place->holder, W_OK | X_OK) == 0; /* by hand it works, as a service not */
        finding = aro_doctor_say(doctor, me ? ARO_WARN : ARO_FAIL, "store",
                                 "%s may not be written by user %s", place->holder,
                                 me ? ARO_SERVICE_USER ", whom the unit runs as" : "you are");
        if (place->exists)
            aro_finding_mend(finding, "chown -R %s '%s'", aro_doctor_user(), place->disk->path);
        else
            aro_finding_mend(finding, "install -d -o %s '%s'", aro_doctor_user(),
                             place->disk->path);
        return me;
    }
    aro_doctor_say(doctor, ARO_PASS, "store", "%s %s (%s at %s)", place->disk->path,
                   place->exists ? "is writable" : "will be made", place->type, place->mount);
    return true;
}

static void check_direct(struct aro_doctor *doctor, const struct place *place)
{
    int fd = open(place->holder, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    struct aro_finding *finding;

    if (fd >= 0) {
        close(fd);
        aro_doctor_say(doctor, ARO_PASS, "store direct", "%s takes O_DIRECT", place->type);
        return;
    }
    finding = aro_doctor_say(doctor, ARO_WARN, "store direct",
                             "%s does not take O_DIRECT (%s): reads and writes go through the page "
                             "cache",
                             place->type, strerror(errno));
    aro_finding_mend(finding, "df -T -t ext4 -t xfs   # then move store { path } to one of these");
}

/* ---- space ---- */

/* The disk's file system with most room for this user, other than `not`. False: none. */
static bool roomiest(const char * not, char mount[PATH_BYTES], uint64_t *ret_bytes)
{
    FILE *table = setmntent("/proc/self/mounts", "re");
    struct mntent *one;

    *ret_bytes = 0;
    while (table != NULL && (one = getmntent(table)) != NULL) {
        struct statvfs system;
        uint64_t bytes;
        if (strncmp(one->mnt_fsname, "/dev/", 5) != 0 || strcmp(one->mnt_dir, not ) == 0 ||
            statvfs(one->mnt_dir, &system) != 0 || (system.f_flag & ST_RDONLY) != 0)
            continue;
        bytes = (uint64_t)system.f_bavail * system.f_frsize;
        if (bytes > *ret_bytes)
            snprintf(mount, PATH_BYTES, "%s", one->mnt_dir);
        if (bytes > *ret_bytes)
            *ret_bytes = bytes;
    }
    if (table != NULL)
        endmntent(table);
    return *ret_bytes > 0;
}

/* Size, and with it the segment, down to what fits. */
static void mend_size(const struct aro_doctor *doctor, struct aro_finding *finding,
                      const struct aro_disk_config *disk, uint64_t fits_mib)
{
    char value[32];

    snprintf(value, sizeof(value), "%lluMiB", (unsigned long long)fits_mib);
    aro_finding_set(doctor, finding, "store", disk->name, "size", value);
    if (disk->segment_bytes > fits_mib * MIB / 4)
        aro_finding_set(doctor, finding, "store", disk->name, "segment", "16MiB");
}

/* A full disk: the store goes elsewhere while it holds nothing; else somebody must make room. */
static void mend_place(const struct aro_doctor *doctor, struct aro_finding *finding,
                       const struct place *place)
{
    char mount[PATH_BYTES], path[PATH_BYTES + 32];
    uint64_t bytes;

    if (place->store_bytes > 0 || !roomiest(place->mount, mount, &bytes) ||
        bytes / MIB < 2 * STORE_MIB_MIN) {
        aro_finding_mend(finding, "du -xh --max-depth=2 '%s' | sort -h | tail   # make room",
                         place->mount);
        return;
    }
    snprintf(path, sizeof(path), "%s", strcmp(mount, "/") == 0 ? "/var/lib/arocache" : mount);
    aro_finding_mend(finding, "mkdir -p '%s'", path);
    strcat(path, "/store");
    aro_finding_set(doctor, finding, "store", place->disk->name, "path", path);
    if (place->disk->size_bytes > bytes / 10 * 9)
        mend_size(doctor, finding, place->disk, bytes / 10 * 9 / MIB);
}

static void check_space(struct aro_doctor *doctor, const struct place *place)
{
    const struct aro_disk_config *disk = place->disk;
    char have[ARO_UNITS_TEXT], size[ARO_UNITS_TEXT], segment[ARO_UNITS_TEXT];
    uint64_t fits_mib = place->available_bytes / 10 * 9 / MIB;
    struct aro_finding *finding;

    aro_bytes_human(place->available_bytes, have);
    aro_bytes_human(disk->size_bytes, size);
    if (place->available_bytes >= disk->size_bytes) {
        aro_doctor_say(doctor, ARO_PASS, "store space", "%s available at %s for a size of %s", have,
                       place->mount, size);
        return;
    }
    if (place->available_bytes >= disk->segment_bytes)
        finding =
            aro_doctor_say(doctor, ARO_WARN, "store space",
                           "%s available at %s (statvfs), size is %s: puts will fail before it "
                           "is full",
                           have, place->mount, size);
    else
        finding = aro_doctor_say(doctor, ARO_FAIL, "store space",
                                 "%s available at %s (statvfs), not even one segment of %s", have,
                                 place->mount, aro_bytes_human(disk->segment_bytes, segment));
    if (fits_mib >= STORE_MIB_MIN)
        mend_size(doctor, finding, place->disk, fits_mib);
    else
        mend_place(doctor, finding, place);
}

/* ---- the device ---- */

#define STORE_MAGIC "AROSTORE" /* docs/disk-format.md */

static void check_made(struct aro_doctor *doctor, const char *path, int fd)
{
    struct aro_finding *finding;
    char head[8] = "";

    if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
        memcmp(head, STORE_MAGIC, sizeof(head)) == 0) {
        aro_doctor_say(doctor, ARO_PASS, "store", "%s is a block device with a store on it", path);
        return;
    }
    finding = aro_doctor_say(doctor, ARO_FAIL, "store",
                             "%s is a block device without a store: all that is on it will be lost "
                             "when one is made",
                             path);
    aro_finding_mend(finding, "lsblk -f '%s' && arocached -c '%s' --make-store '%s'", path,
                     doctor->config_path, path);
}

static void check_device(struct aro_doctor *doctor, const struct aro_disk_config *disk)
{
    const char *path = disk->path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char have[ARO_UNITS_TEXT], size[ARO_UNITS_TEXT];
    struct aro_finding *finding;
    uint64_t bytes = 0;

    if (fd < 0 || !aro_doctor_may(path, R_OK | W_OK)) {
        finding =
            aro_doctor_say(doctor, ARO_FAIL, "store", "%s may not be read and written by user %s",
                           path, aro_doctor_user());
        aro_finding_mend(finding,
                         "chown %s '%s'   # until the next boot; for good: the udev rule of "
                         "block-store.rules",
                         aro_doctor_user(), path);
    } else {
        check_made(doctor, path, fd);
    }
    if (fd < 0)
        return;
    if (ioctl(fd, BLKGETSIZE64, &bytes) == 0) {
        aro_bytes_human(bytes, have);
        aro_bytes_human(disk->size_bytes, size);
        aro_doctor_say(doctor, bytes >= disk->size_bytes ? ARO_PASS : ARO_WARN, "store space",
                       "%s on the device for a size of %s: the smaller one counts", have, size);
    }
    close(fd);
}

static void check_disk(struct aro_doctor *doctor, const struct aro_disk_config *disk)
{
    struct stat status;
    struct place place;

    if (stat(disk->path, &status) == 0 && S_ISBLK(status.st_mode)) {
        check_device(doctor, disk);
        return;
    }
    place_look(&place, disk);
    if (!check_directory(doctor, &place))
        return;
    check_direct(doctor, &place);
    check_space(doctor, &place);
}

void aro_check_store(struct aro_doctor *doctor)
{
    if (doctor->config.disks == 0)
        aro_doctor_say(doctor, ARO_PASS, "store", "none: memory only");
    for (unsigned i = 0; i < doctor->config.disks; i++)
        check_disk(doctor, &doctor->config.disk[i]);
}
