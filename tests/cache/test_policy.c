/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/policy.h"

#include <criterion/criterion.h>

#include <string.h>

enum { N = 100 };

static struct aro_entry entries[N];

/* Capacity 10 units: small 1, main 9. */
static struct aro_policy *policy_make(const char *name)
{
    struct aro_policy_config config = {.entries = entries,
                                       .capacity_bytes = 10000,
                                       .small_bytes = 1000,
                                       .entries_max = N,
                                       .seed = 3};
    struct aro_policy *policy = aro_policy_named(name)->create(&config);

    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < N; i++) {
        entries[i].id.word[0] = i;
        entries[i].len_bytes = 100;
    }
    return policy;
}

static bool admit(struct aro_policy *policy, unsigned i)
{
    bool recalled = policy->ops->recall(policy, &entries[i].id);

    return policy->ops->admit(policy, &entries[i], recalled);
}

static void hit(unsigned i, unsigned times)
{
    while (times-- > 0)
        aro_entry_touch(&entries[i]);
}

static void evicts(struct aro_policy *policy, unsigned i)
{
    struct aro_entry *victim = policy->ops->evict(policy);

    cr_assert_eq(victim, &entries[i], "evicted %ld, not %u", victim ? victim - entries : -1, i);
    cr_assert_eq(victim->policy_queue, 0);
}

Test(policy, names_lead_to_policies_and_s3fifo_is_the_default)
{
    cr_assert_eq(aro_policy_named(NULL), &aro_policy_s3fifo);
    cr_assert_eq(aro_policy_named("s3fifo"), &aro_policy_s3fifo);
    cr_assert_eq(aro_policy_named("fifo"), &aro_policy_fifo);
    cr_assert_eq(aro_policy_named("sieve"), &aro_policy_sieve);
    cr_assert_eq(aro_policy_named("lru"), &aro_policy_lru);
    cr_assert_null(aro_policy_named("arc"));
}

Test(policy, fifo_evicts_in_order_of_admission_whatever_was_hit)
{
    struct aro_policy *policy = policy_make("fifo");

    for (unsigned i = 0; i < 5; i++)
        cr_assert(admit(policy, i));
    hit(0, 3);
    policy->ops->remove(policy, &entries[2]);
    cr_assert_eq(policy->bytes, 400u);
    evicts(policy, 0);
    evicts(policy, 1);
    evicts(policy, 3);
    evicts(policy, 4);
    cr_assert_null(policy->ops->evict(policy));
    cr_assert_eq(policy->bytes, 0u);
    cr_assert_eq(policy->entries, 0u);
    policy->ops->destroy(policy);
}

Test(policy, lru_evicts_what_was_hit_longest_ago)
{
    struct aro_policy *policy = policy_make("lru");

    for (unsigned i = 0; i < 4; i++)
        cr_assert(admit(policy, i));
    policy->ops->hit(policy, &entries[0]);
    policy->ops->hit(policy, &entries[2]);
    policy->ops->hit(policy, &entries[0]);
    policy->ops->remove(policy, &entries[3]);
    evicts(policy, 1);
    evicts(policy, 2);
    evicts(policy, 0);
    cr_assert_null(policy->ops->evict(policy));
    cr_assert_eq(policy->bytes, 0u);
    policy->ops->destroy(policy);
}

Test(policy, lru_gives_what_was_only_touched_another_turn)
{
    struct aro_policy *policy = policy_make("lru");

    for (unsigned i = 0; i < 4; i++)
        cr_assert(admit(policy, i));
    hit(0, 3);
    hit(1, 1);
    evicts(policy, 2);
    evicts(policy, 3);
    hit(0, 1);
    hit(1, 1);
    evicts(policy, 0); /* all are touched: one round, then the oldest */
    evicts(policy, 1);
    policy->ops->destroy(policy);
}

Test(policy, sieve_leaves_what_was_hit_where_it_is_and_its_hand_goes_on)
{
    struct aro_policy *policy = policy_make("sieve");

    for (unsigned i = 0; i < 4; i++)
        cr_assert(admit(policy, i));
    hit(0, 2);
    hit(2, 1);
    evicts(policy, 1); /* the hand passed 0 and stands before 2 */
    cr_assert(admit(policy, 4));
    evicts(policy, 3); /* it passed 2 */
    evicts(policy, 4); /* before 0, which is older but was passed */
    for (unsigned i = 5; i < 8; i++)
        cr_assert(admit(policy, i));
    hit(0, 1);
    evicts(policy, 2);
    policy->ops->remove(policy, &entries[5]); /* where the hand stands */
    evicts(policy, 6);
    evicts(policy, 7);
    evicts(policy, 0);
    cr_assert_null(policy->ops->evict(policy));
    cr_assert_eq(policy->entries, 0u);
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_lets_chunks_hit_less_than_twice_go_first)
{
    struct aro_policy *policy = policy_make("s3fifo");

    for (unsigned i = 0; i < 5; i++)
        cr_assert(admit(policy, i));
    hit(0, 2);
    hit(1, 1);
    evicts(policy, 1); /* 0 moved to main */
    evicts(policy, 2);
    evicts(policy, 3);
    evicts(policy, 4);
    evicts(policy, 0);
    cr_assert_null(policy->ops->evict(policy));
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_puts_a_chunk_that_comes_back_into_main)
{
    struct aro_policy *policy = policy_make("s3fifo");

    admit(policy, 0);
    evicts(policy, 0);
    admit(policy, 0); /* its ghost is remembered */
    admit(policy, 1);
    evicts(policy, 1);
    evicts(policy, 0);
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_main_gives_one_more_turn_per_hit)
{
    struct aro_policy *policy = policy_make("s3fifo");

    for (unsigned i = 0; i < 3; i++) {
        admit(policy, i);
        evicts(policy, i);
        admit(policy, i); /* into main */
    }
    hit(0, 2);
    hit(1, 1);
    evicts(policy, 2);
    evicts(policy, 1);
    evicts(policy, 0);
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_evicts_from_main_while_it_holds_more_than_its_part)
{
    struct aro_policy *policy = policy_make("s3fifo");

    for (unsigned i = 0; i < 91; i++) {
        admit(policy, i);
        evicts(policy, i);
        admit(policy, i);
    }
    admit(policy, 99);
    evicts(policy, 0);  /* main: 9100 of 9000 */
    evicts(policy, 99); /* then small */
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_refuses_what_would_fill_its_small_queue)
{
    struct aro_policy *policy = policy_make("s3fifo");

    entries[0].len_bytes = 1000;
    entries[1].len_bytes = 999;
    cr_assert_not(admit(policy, 0));
    cr_assert_eq(entries[0].policy_queue, 0);
    cr_assert(admit(policy, 1));
    cr_assert_eq(policy->bytes, 999u);
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_counts_withheld_memory_as_mains)
{
    struct aro_policy *policy = policy_make("s3fifo");

    for (unsigned i = 0; i < 50; i++) {
        admit(policy, i);
        evicts(policy, i);
        admit(policy, i); /* main: 5000 of 9000 */
    }
    admit(policy, 99);
    policy->withheld_bytes = 4000;
    evicts(policy, 99);
    admit(policy, 98);
    policy->withheld_bytes = 4100; /* now 9100 */
    evicts(policy, 0);
    policy->ops->destroy(policy);
}

/* ---- who was evicted unread ---- */

/* Evicts n; how many of them nobody had hit. */
static unsigned unread_of(struct aro_policy *policy, unsigned n)
{
    unsigned unread = 0;

    while (n-- > 0) {
        struct aro_entry *victim = policy->ops->evict(policy);
        cr_assert_not_null(victim);
        cr_assert_eq(victim->policy_queue, 0);
        unread += atomic_load(&victim->frequency) == 0;
    }
    return unread;
}

Test(policy, a_hit_counts_although_its_frequency_was_used_up)
{
    static const char *const names[] = {"s3fifo", "lru", "sieve"};

    for (unsigned p = 0; p < 3; p++) {
        struct aro_policy *policy = policy_make(names[p]);
        for (unsigned i = 0; i < 3; i++) {
            admit(policy, i);
            if (p == 0) { /* into main, where hits buy turns */
                evicts(policy, i);
                admit(policy, i);
            }
        }
        hit(0, 1);
        evicts(policy, 1); /* 0 was passed: its frequency is 0 again */
        cr_assert_eq(atomic_load(&entries[0].frequency), 0, "%s", names[p]);
        cr_assert_eq(unread_of(policy, 2), 1u, "%s: 2, not 0", names[p]);
        policy->ops->destroy(policy);
    }
}

Test(policy, one_hit_is_enough_not_to_be_unread)
{
    static const char *const names[] = {"s3fifo", "lru", "sieve", "fifo"};

    for (unsigned p = 0; p < 4; p++) {
        struct aro_policy *policy = policy_make(names[p]);
        for (unsigned i = 0; i < 3; i++)
            admit(policy, i);
        hit(1, 1);
        cr_assert_eq(unread_of(policy, 3), 2u, "%s", names[p]);
        policy->ops->destroy(policy);
    }
}

Test(policy, a_hit_before_the_policy_heard_of_the_chunk_counts)
{
    struct aro_policy *policy = policy_make("s3fifo");

    hit(0, 1);
    admit(policy, 0);
    cr_assert_eq(unread_of(policy, 1), 0u);
    policy->ops->destroy(policy);
}

Test(policy, what_is_taken_out_and_given_back_is_still_known_as_hit)
{
    struct aro_policy *policy = policy_make("s3fifo");

    admit(policy, 0);
    hit(0, 2);
    admit(policy, 1);
    evicts(policy, 1); /* 0 is in main, its hits are used up */
    policy->ops->remove(policy, &entries[0]);
    admit(policy, 0);
    admit(policy, 2);
    cr_assert_eq(unread_of(policy, 2), 1u);
    policy->ops->destroy(policy);
}

Test(policy, s3fifo_says_how_it_holds_its_entries)
{
    struct aro_policy *policy = policy_make("s3fifo");
    struct aro_policy_parts parts;

    for (unsigned i = 0; i < 4; i++)
        admit(policy, i);
    hit(0, 2);
    evicts(policy, 1); /* 0 moves on */
    admit(policy, 1);  /* and 1 comes back behind it */
    evicts(policy, 2);
    policy->ops->parts(policy, &parts);
    cr_assert_eq(parts.small_entries, 1u);
    cr_assert_eq(parts.small_bytes, 100u);
    cr_assert_eq(parts.ghosts, 1u);
    cr_assert_eq(policy->promoted, 1u);
    cr_assert_eq(policy->entries, 3u);
    for (unsigned i = 0; i < 4; i++)
        if (entries[i].policy_queue != 0)
            policy->ops->remove(policy, &entries[i]);
    policy->ops->parts(policy, &parts);
    cr_assert_eq(parts.small_entries, 0u);
    cr_assert_eq(policy->bytes, 0u);
    policy->ops->destroy(policy);
}
