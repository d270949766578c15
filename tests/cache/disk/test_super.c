/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/disk/format.h"
#include "tests/cache/disk/fixture.h"

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(super, .init = begin, .fini = end);

static void refused(enum aro_error_id id)
{
    cr_assert_not(fixture_open(&f));
    cr_assert_eq((int)f.error.id, (int)id, "%d: %s", (int)f.error.id, f.error.text);
    cr_assert_not_null(strstr(f.error.text, f.dir), "%s", f.error.text);
}

Test(super, a_directory_that_does_not_exist_is_created)
{
    cr_assert_eq(rmdir(f.dir), 0);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

Test(super, a_missing_parent_is_an_error_of_its_own)
{
    char dir[sizeof(f.dir)];

    memcpy(dir, f.dir, sizeof(dir));
    snprintf(f.dir + strlen(f.dir), 16, "/a/b");
    refused(ARO_E_STORE_CREATE);
    memcpy(f.dir, dir, sizeof(dir));
}

Test(super, a_file_instead_of_a_directory_is_refused)
{
    char dir[sizeof(f.dir)];

    fixture_write_file(&f, "file", "x", 1, 0);
    memcpy(dir, f.dir, sizeof(dir));
    snprintf(f.dir + strlen(f.dir), 16, "/file");
    refused(ARO_E_STORE_CREATE);
    memcpy(f.dir, dir, sizeof(dir));
}

Test(super, a_foreign_directory_is_refused_and_left_alone)
{
    char path[512];

    fixture_write_file(&f, "holiday.jpg", "x", 1, 0);
    refused(ARO_E_STORE_FOREIGN);
    cr_assert_not_null(strstr(f.error.text, "holiday.jpg"));
    snprintf(path, sizeof(path), "%s/LOCK", f.dir);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(super, a_superblock_of_somebody_else_is_refused)
{
    uint8_t page[8192] = "not ours";

    fixture_write_file(&f, "STORE", page, sizeof(page), 0);
    refused(ARO_E_STORE_FOREIGN);
}

Test(super, a_newer_version_is_refused_and_named)
{
    struct aro_super super = {0};

    memcpy(super.magic, ARO_SUPER_MAGIC, sizeof(super.magic));
    aro_store_le32(super.version, ARO_STORE_VERSION + 1);
    aro_store_le64(super.check, aro_hash_bytes(&super, offsetof(struct aro_super, check), 0));
    fixture_write_file(&f, "STORE", &super, sizeof(super), 0);
    refused(ARO_E_STORE_NEWER);
    cr_assert_not_null(strstr(f.error.text, "version 3"));
}

Test(super, one_damaged_superblock_copy_is_mended_from_the_other)
{
    for (uint64_t copy = 0; copy < ARO_SUPER_COPIES; copy++) {
        cr_assert(fixture_open(&f), "%s", f.error.text);
        cr_assert_eq(fixture_append(&f, (uint32_t)copy, 5000), 0);
        fixture_close(&f);
        fixture_flip_bit(&f, "STORE", copy * ARO_SUPER_STEP_BYTES * 8 + 200);
    }
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_check(&f, 0, 5000), 1);
    cr_assert_eq(fixture_check(&f, 1, 5000), 1);
}

Test(super, the_second_copy_is_mended_before_the_first_is_damaged)
{
    for (uint64_t left = ARO_SUPER_COPIES; left > 0; left--) {
        cr_assert(fixture_open(&f), "%s", f.error.text);
        fixture_close(&f);
        fixture_flip_bit(&f, "STORE", (left - 1) * ARO_SUPER_STEP_BYTES * 8 + 200);
    }
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

Test(super, both_copies_damaged_is_an_error_and_nothing_is_created)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    fixture_close(&f);
    for (uint64_t copy = 0; copy < ARO_SUPER_COPIES; copy++)
        fixture_flip_bit(&f, "STORE", copy * ARO_SUPER_STEP_BYTES * 8 + 200);
    refused(ARO_E_STORE_DAMAGED);
}

Test(super, chunks_without_a_superblock_are_damage_not_a_new_store)
{
    char path[512];

    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_append(&f, 1, 5000), 0);
    fixture_close(&f);
    snprintf(path, sizeof(path), "%s/STORE", f.dir);
    cr_assert_eq(unlink(path), 0);
    refused(ARO_E_STORE_DAMAGED);
}

Test(super, a_second_opener_is_told_who_has_it)
{
    struct aro_store_config config;
    struct aro_error error = {0};
    char pid[24];

    cr_assert(fixture_open(&f), "%s", f.error.text);
    config = f.config;
    cr_assert_null(aro_store_open(&config, NULL, NULL, &error));
    cr_assert_eq((int)error.id, (int)ARO_E_STORE_LOCKED);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    cr_assert_not_null(strstr(error.text, pid), "%s", error.text);
    fixture_reopen(&f);
}

Test(super, a_directory_that_we_may_not_use_is_a_matter_of_permission)
{
    int status;
    pid_t child;

    if (getuid() != 0) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("needs to start as root to become nobody");
    }
    cr_assert_eq(chmod(f.dir, 0700), 0);
    child = fork();
    if (child == 0) {
        if (setuid(65534) != 0)
            _exit(2);
        _exit(fixture_open(&f) ? 1 : f.error.id == ARO_E_STORE_PERMISSION ? 0 : 3);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* In a mount namespace of its own: 0 when opening says what it must, else where it went wrong. */
static int open_read_only(bool new_one)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount(f.dir, f.dir, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, f.dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
        return 2;
    if (fixture_open(&f) || f.error.id != ARO_E_STORE_READ_ONLY)
        return 3;
    f.config.read_only = true; /* looking is possible, if there is something */
    if (fixture_open(&f) != !new_one)
        return 4;
    return 0;
}

Test(super, a_read_only_mount_is_an_error_of_its_own)
{
    int status;
    pid_t child;

    if (getuid() != 0) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("needs root to mount");
    }
    for (int round = 0; round < 2; round++) {
        child = fork();
        if (child == 0)
            _exit(open_read_only(round == 0));
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(status, 0, "round %d: %d", round, WEXITSTATUS(status));
        cr_assert(fixture_open(&f), "%s", f.error.text);
        fixture_close(&f);
    }
}

Test(super, a_crash_while_creating_leaves_a_directory_that_can_be_used)
{
    fixture_write_file(&f, "STORE.new", "half", 4, 0);
    fixture_write_file(&f, "LOCK", "", 0, 0);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}
