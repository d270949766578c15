/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/cid.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/sha256.h"

/* sha2-256 of "hello world", as public tools print its CID */
#define HELLO   "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
#define HELLO16 "f01551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define HELLO58 "zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDXn"

static struct aro_id hello(void)
{
    return aro_sha256("hello world", 11);
}

Test(cid, the_same_block_is_named_in_every_base)
{
    static const char *const texts[] = {HELLO, HELLO16, HELLO58};
    struct aro_id id, expected = hello();

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_eq(aro_cid_parse(texts[i], &id), ARO_CID_OK, "%s", texts[i]);
        cr_assert(aro_id_equal(&id, &expected), "%s", texts[i]);
    }
}

Test(cid, upper_case_bases_are_read_and_mixed_ones_are_not)
{
    struct aro_id id, expected = hello();
    char upper[ARO_CID_BASE32_BYTES] = HELLO;

    for (char *at = upper; *at != '\0'; at++)
        if (*at >= 'a')
            *at = (char)(*at - 'a' + 'A');
    cr_assert_eq(aro_cid_parse(upper, &id), ARO_CID_OK);
    cr_assert(aro_id_equal(&id, &expected));
    upper[9] = 'q';
    cr_assert_eq(aro_cid_parse(upper, &id), ARO_CID_TEXT);
}

Test(cid, what_is_no_raw_sha256_block_has_its_reason)
{
    static const struct {
        const char *text;
        enum aro_cid_verdict verdict;
    } rows[] = {
        {"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", ARO_CID_VERSION_0},
        {"Qm", ARO_CID_BASE},
        {"", ARO_CID_BASE},
        {"mAVUSIA", ARO_CID_BASE},
        {"o-5555", ARO_CID_BASE},
        {"b", ARO_CID_TEXT},
        {"z", ARO_CID_TEXT},
        {"bafkrei", ARO_CID_TEXT},
        {"bafkrei!zjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", ARO_CID_TEXT},
        {"zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDX0", ARO_CID_TEXT},
        {"f0155122", ARO_CID_TEXT},
        {"f02551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
         ARO_CID_VERSION},
        {"f01701220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
         ARO_CID_CODEC},
        {"f01551320b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9", ARO_CID_HASH},
        {"f0155a0e40220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
         ARO_CID_HASH}, /* blake2b-256 */
        {"f0155121fb94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
         ARO_CID_LENGTH},
        {"f01551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcd", ARO_CID_LENGTH},
        {"f01551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde900",
         ARO_CID_LENGTH},
        {"f8100551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
         ARO_CID_TEXT}, /* a varint that is longer than it needs to be */
        {"fffffffffffffffffffffff", ARO_CID_TEXT},
    };
    struct aro_id id;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq((int)aro_cid_parse(rows[i].text, &id), (int)rows[i].verdict, "%s: %d",
                     rows[i].text, (int)aro_cid_parse(rows[i].text, &id));
        cr_assert_gt(strlen(aro_cid_verdict_text(rows[i].verdict)), 10u);
    }
}

Test(cid, every_flipped_character_is_another_block_or_none)
{
    char text[ARO_CID_BASE32_BYTES] = HELLO;
    struct aro_id id, expected = hello();

    for (size_t i = 1; i < sizeof(text) - 1; i++) {
        char kept = text[i];
        text[i] = kept == 'a' ? 'b' : 'a';
        if (aro_cid_parse(text, &id) == ARO_CID_OK)
            cr_assert_not(aro_id_equal(&id, &expected), "%s", text);
        text[i] = kept;
    }
}

Test(cid, what_is_written_reads_back)
{
    char text[ARO_CID_BASE32_BYTES];
    struct aro_id id, again;

    id = hello();
    cr_assert_str_eq(aro_cid_format(&id, text), HELLO);
    for (int i = 0; i < 1000; i++) {
        id = aro_sha256(&i, sizeof(i));
        cr_assert_eq(aro_cid_parse(aro_cid_format(&id, text), &again), ARO_CID_OK);
        cr_assert(aro_id_equal(&id, &again));
    }
}

Test(cid, a_long_text_is_refused_in_every_base)
{
    char text[4 * ARO_CID_TEXT_MAX];
    struct aro_id id;

    for (const char *base = "bBfFz"; *base != '\0'; base++)
        for (size_t len = 1; len < sizeof(text); len++) {
            memset(text, '2', len);
            text[0] = *base;
            text[len] = '\0';
            cr_assert_neq(aro_cid_parse(text, &id), ARO_CID_OK);
        }
}
