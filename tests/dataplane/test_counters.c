/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/counters.h"

#include <criterion/criterion.h>

#include <ctype.h>
#include <stddef.h>

Test(counters, every_counter_has_a_place_of_its_own_in_order)
{
    cr_assert_eq(sizeof(struct aro_counters), ARO_COUNTERS * sizeof(uint64_t));
    for (uint32_t i = 0; i < ARO_COUNTERS; i++)
        cr_assert_eq(aro_counter_infos[i].offset, i * sizeof(uint64_t), "%s",
                     aro_counter_infos[i].name);
}

Test(counters, names_are_unique)
{
    for (unsigned i = 0; i < ARO_COUNTERS; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(strcmp(aro_counter_infos[i].name, aro_counter_infos[j].name), 0, "%s",
                          aro_counter_infos[i].name);
}

/* They become JSON keys and metric names. */
Test(counters, names_are_lower_case_words)
{
    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        const char *name = aro_counter_infos[i].name;
        cr_assert(islower((unsigned char)name[0]), "%s", name);
        cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name), "%s",
                     name);
    }
}

Test(counters, every_counter_has_a_sentence_without_a_full_stop)
{
    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        const char *sentence = aro_counter_infos[i].sentence;
        size_t len = strlen(sentence);
        cr_assert_gt(len, 8, "%s", aro_counter_infos[i].name);
        cr_assert_neq(sentence[len - 1], '.', "%s", aro_counter_infos[i].name);
        cr_assert_null(strchr(sentence, '\n'));
    }
}

Test(counters, drops_and_only_drops_carry_the_prefix_and_a_layer)
{
    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        const struct aro_counter_info *info = &aro_counter_infos[i];
        bool is_drop = info->offset >= offsetof(struct aro_counters, drop);
        cr_assert_eq(strncmp(info->name, "drop_", 5) == 0, is_drop, "%s", info->name);
        cr_assert_eq(info->layer == 'c', !is_drop, "%s", info->name);
        cr_assert(strchr("cfr", info->layer) != NULL, "%s", info->name);
    }
}

/* net/ returns reasons below ARO_DROPS as verdicts; those before a request come first. */
Test(counters, frame_drops_come_before_request_drops)
{
    const struct aro_counter_info *drops = &aro_counter_infos[ARO_COUNTERS - ARO_DROPS];
    bool request = false;

    for (unsigned i = 0; i < ARO_DROPS; i++) {
        request = request || drops[i].layer == 'r';
        cr_assert_eq(drops[i].layer, request ? 'r' : 'f', "%s", drops[i].name);
    }
    cr_assert_eq(drops[ARO_DROP_source_port].layer, 'r');
    cr_assert_eq(drops[ARO_DROP_reply_no_memory].layer, 'f');
}

Test(counters, a_counter_is_read_from_its_field)
{
    struct aro_counters counters = {.rx_packets = 11, .sleeps = 12};
    unsigned seen = 0;

    counters.drop[ARO_DROP_ip4_fragment] = 13;
    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        const struct aro_counter_info *info = &aro_counter_infos[i];
        uint64_t expected = strcmp(info->name, "rx_packets") == 0          ? 11
                            : strcmp(info->name, "sleeps") == 0            ? 12
                            : strcmp(info->name, "drop_ip4_fragment") == 0 ? 13
                                                                           : 0;
        cr_assert_eq(aro_counter_read(&counters, info), expected, "%s", info->name);
        seen += expected != 0;
    }
    cr_assert_eq(seen, 3);
}
