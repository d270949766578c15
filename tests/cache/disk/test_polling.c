/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/polling.h"

#include <criterion/criterion.h>

#include <sys/statfs.h>

#include <linux/magic.h>

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

TestSuite(polling, .init = begin, .fini = end, .timeout = 60);

Test(polling, what_is_no_block_device_is_refused)
{
    struct statfs status;
    const char *why;

    if (statfs("/dev/shm", &status) != 0 || status.f_type != TMPFS_MAGIC)
        cr_skip_test("no tmpfs on /dev/shm");
    why = aro_polling_refused("/dev/shm");
    cr_assert_not_null(why);
    cr_assert_not_null(strstr(why, "no block device"), "%s", why);
}

Test(polling, what_is_not_there_is_refused)
{
    cr_assert_not_null(aro_polling_refused("/nowhere/at/all"));
    cr_assert_not_null(aro_polling_try("/nowhere/at/all"));
}

/* A tmpfs has nothing to ask: the kernel fails the read, which is what a trial is for. */
Test(polling, a_trial_ends_and_finds_what_cannot_be_polled)
{
    const char *why = aro_polling_try("/dev/shm");

    cr_assert_not_null(why);
}

Test(polling, the_device_is_asked_before_the_trial)
{
    const char *why = aro_polling_refused(f.dir);

    if (why == NULL)
        cr_skip_test("this device can be polled");
    cr_assert(strstr(why, "io_poll") != NULL || strstr(why, "block device") != NULL, "%s", why);
}
