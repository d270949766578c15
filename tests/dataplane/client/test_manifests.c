/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/manifests.h"

#include <criterion/criterion.h>

#include "cache/base/sha256.h"

static struct aro_id id_of(unsigned number)
{
    return aro_sha256(&number, sizeof(number));
}

static uint8_t *put(struct aro_manifests *manifests, unsigned number, size_t len)
{
    struct aro_id id = id_of(number);
    uint8_t *bytes = aro_manifest_alloc(2 * len);

    memset(bytes, (int)number, len);
    return aro_manifests_share(manifests, bytes, len, &id);
}

static uint8_t *find(struct aro_manifests *manifests, unsigned number, size_t *ret_len)
{
    struct aro_id id = id_of(number);

    return aro_manifests_find(manifests, &id, ret_len);
}

Test(manifests, what_is_shared_is_found_while_somebody_holds_it)
{
    struct aro_manifests manifests;
    size_t len;

    aro_manifests_init(&manifests, 0);
    uint8_t *bytes = put(&manifests, 7, 100);
    cr_assert_eq(find(&manifests, 7, &len), bytes);
    cr_assert_eq(len, 100);
    cr_assert_eq(bytes[99], 7);
    cr_assert_null(find(&manifests, 8, &len));
    aro_manifest_release(bytes);
    cr_assert_eq(find(&manifests, 7, &len), bytes); /* the second holder's */
    aro_manifest_release(bytes);
    aro_manifest_release(bytes);
    cr_assert_null(find(&manifests, 7, &len)); /* nothing is kept */
    aro_manifests_fini(&manifests);
}

Test(manifests, the_second_of_two_alike_becomes_the_first)
{
    struct aro_manifests manifests;

    aro_manifests_init(&manifests, 0);
    uint8_t *one = put(&manifests, 7, 100), *other = put(&manifests, 7, 100);
    cr_assert_eq(one, other);
    aro_manifest_release(one);
    aro_manifest_release(other);
    aro_manifests_fini(&manifests);
}

Test(manifests, those_that_nobody_holds_are_kept_within_the_bound_and_the_oldest_leaves)
{
    enum { LEN = 1000, FIT = 8 };
    struct aro_manifests manifests;
    size_t len;

    aro_manifests_init(&manifests, FIT * (LEN + 128));
    for (unsigned i = 0; i < 100; i++) {
        aro_manifest_release(put(&manifests, i, LEN));
        cr_assert_leq(manifests.kept_bytes, manifests.kept_bytes_max);
        aro_manifest_release(find(&manifests, 0, &len)); /* used: never the oldest */
    }
    cr_assert_not_null(find(&manifests, 0, &len));
    cr_assert_not_null(find(&manifests, 99, &len));
    cr_assert_null(find(&manifests, 50, &len));
    aro_manifest_release(find(&manifests, 0, &len));
    for (unsigned i = 0; i < 2; i++) { /* what was found twice above is let go */
        aro_manifest_release(find(&manifests, 99 * i, &len));
        uint8_t *held = find(&manifests, 99 * i, &len);
        aro_manifest_release(held);
        aro_manifest_release(held);
    }
    aro_manifests_fini(&manifests);
}

Test(manifests, what_is_forgotten_is_found_no_more_and_stays_with_who_holds_it)
{
    struct aro_manifests manifests;
    size_t len;

    aro_manifests_init(&manifests, 1 << 20);
    uint8_t *held = put(&manifests, 7, 100);
    aro_manifest_release(put(&manifests, 8, 100));
    for (unsigned number = 7; number < 10; number++) {
        struct aro_id id = id_of(number);
        aro_manifests_forget(&manifests, &id);
        cr_assert_null(find(&manifests, number, &len));
    }
    cr_assert_eq(manifests.kept_bytes, 0u);
    uint8_t *again = put(&manifests, 7, 100); /* both are there, one of them known */
    cr_assert_neq(again, held);
    aro_manifest_release(held);
    cr_assert_eq(find(&manifests, 7, &len), again);
    aro_manifest_release(again);
    aro_manifest_release(again);
    aro_manifests_fini(&manifests);
}

Test(manifests, what_was_never_shared_is_simply_freed)
{
    aro_manifest_release(aro_manifest_alloc(10));
    aro_manifest_release(NULL);
}
