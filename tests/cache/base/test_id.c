/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/id.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "cache/base/sha256.h"

#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Test(id, text_form_carries_the_kind)
{
    struct aro_id id = aro_sha256("", 0);
    char text[ARO_ID_TEXT_MAX];

    cr_assert_str_eq(aro_id_format(&id, ARO_KIND_CHUNK, text), "c-" EMPTY_HEX);
    cr_assert_str_eq(aro_id_format(&id, ARO_KIND_OBJECT, text), "o-" EMPTY_HEX);
    cr_assert_str_eq(aro_id_format(&id, ARO_KIND_DIGEST, text), "sha256:" EMPTY_HEX);
}

Test(id, parse_returns_what_format_wrote)
{
    const enum aro_kind kinds[] = {ARO_KIND_CHUNK, ARO_KIND_OBJECT, ARO_KIND_DIGEST};
    struct aro_id id = aro_sha256("abc", 3);

    for (size_t i = 0; i < 3; i++) {
        char text[ARO_ID_TEXT_MAX];
        struct aro_id parsed;
        enum aro_kind kind;
        cr_assert_eq(aro_id_parse(aro_id_format(&id, kinds[i], text), &parsed, &kind), 0);
        cr_assert(aro_id_equal(&id, &parsed));
        cr_assert_eq(kind, kinds[i]);
    }
}

Test(id, parse_refuses_and_leaves_outputs_alone)
{
    const char *bad[] = {"",
                         "c-",
                         "x-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                         "c-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
                         "c-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
                         "o-g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aro_id id = {{1, 2, 3, 4}};
        enum aro_kind kind = ARO_KIND_OBJECT;
        cr_assert_eq(aro_id_parse(bad[i], &id, &kind), -EINVAL, "%s", bad[i]);
        cr_assert_eq(id.word[0], 1);
        cr_assert_eq(kind, ARO_KIND_OBJECT);
    }
}

Test(id, parse_accepts_upper_case_hex)
{
    struct aro_id id;
    enum aro_kind kind;
    const char *upper = "c-E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

    cr_assert_eq(aro_id_parse(upper, &id, &kind), 0);
    struct aro_id empty = aro_sha256("", 0);
    cr_assert(aro_id_equal(&id, &empty));
}
