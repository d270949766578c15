/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/claims.h"

#include <criterion/criterion.h>

#include <stdlib.h>

static struct aro_id id_of(uint64_t n)
{
    return (struct aro_id){{n, n ^ 7, 1, 2}};
}

Test(claims, a_fresh_chunk_is_nobodys_when_its_last_put_fails)
{
    struct aro_claims *claims = aro_claims_create(1);
    struct aro_id id = id_of(5);
    struct aro_claim *a = aro_claims_take(claims, &id), *b = aro_claims_take(claims, &id);

    cr_assert_eq(a, b);
    a->fresh = true;
    cr_assert_not(aro_claims_release(claims, a, false), "the other put still counts on it");
    cr_assert(aro_claims_release(claims, b, false));
    cr_assert_eq(aro_claims_now(claims), 0);
    cr_assert_null(aro_claims_find(claims, &id));
    aro_claims_destroy(claims);
}

Test(claims, a_chunk_stays_when_one_of_its_puts_succeeds)
{
    for (int kept_first = 0; kept_first < 2; kept_first++) {
        struct aro_claims *claims = aro_claims_create(1);
        struct aro_id id = id_of(5);
        struct aro_claim *claim = aro_claims_take(claims, &id);
        aro_claims_take(claims, &id);
        claim->fresh = true;
        cr_assert_not(aro_claims_release(claims, claim, kept_first));
        cr_assert_not(aro_claims_release(claims, claim, !kept_first));
        aro_claims_destroy(claims);
    }
}

Test(claims, a_chunk_that_was_there_before_stays_when_a_put_fails)
{
    struct aro_claims *claims = aro_claims_create(1);
    struct aro_id id = id_of(5);

    cr_assert_not(aro_claims_release(claims, aro_claims_take(claims, &id), false));
    aro_claims_destroy(claims);
}

Test(claims, many_claims_are_found_while_the_table_grows)
{
    enum { N = 20000 };
    struct aro_claims *claims = aro_claims_create(42);

    for (uint64_t i = 0; i < N; i++) {
        struct aro_id id = id_of(i);
        cr_assert_not_null(aro_claims_take(claims, &id));
    }
    cr_assert_eq(aro_claims_now(claims), N);
    for (uint64_t i = 0; i < N; i++) {
        struct aro_id id = id_of(i);
        struct aro_claim *claim = aro_claims_find(claims, &id);
        cr_assert_not_null(claim);
        aro_claims_release(claims, claim, false);
    }
    cr_assert_eq(aro_claims_now(claims), 0);
    aro_claims_destroy(claims);
}
