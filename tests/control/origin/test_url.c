/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/url.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

Test(url, what_is_let_in_has_one_form)
{
    static const struct {
        const char *text, *form; /* NULL: refused */
    } rows[] = {
        {"http://a.example/x?y=1&z", "http://a.example/x?y=1&z"},
        {"HTTP://A.Example:80", "http://a.example/"},
        {"https://a.example:443?q", "https://a.example/?q"},
        {"http://a.example:443/", "http://a.example:443/"},
        {"http://a.example:0080/", "http://a.example/"},
        {"http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"},
        {"http://[2001:db8::1]/", "http://[2001:db8::1]/"},
        {"http://a.example/Path/%41", "http://a.example/Path/%41"},
        {"http://a.example/a..b/...", "http://a.example/a..b/..."},
        {"http://a.example/x?../..", "http://a.example/x?../.."},
        {"ftp://a.example/", NULL},
        {"file:///etc/passwd", NULL},
        {"//a.example/", NULL},
        {"a.example/x", NULL},
        {"http://", NULL},
        {"http:///x", NULL},
        {"http://me@a.example/", NULL},
        {"http://me:pw@a.example/", NULL},
        {"http://a.example:/", NULL},
        {"http://a.example:0/", NULL},
        {"http://a.example:65536/", NULL},
        {"http://a.example:8o/", NULL},
        {"http://[::1", NULL},
        {"http://[]/", NULL},
        {"http://[::1]x/", NULL},
        {"http://a.example/..", NULL},
        {"http://a.example/x/../y", NULL},
        {"http://a.example/./y", NULL},
        {"http://a.example/x/%2e%2E/y", NULL},
        {"http://a.example/x/.%2e", NULL},
        {"http://a.example/x%2f..%2Fy", NULL},
        {"http://a.example/x%5c..%5Cy", NULL},
        {"http://a.example/x%00", NULL},
        {"http://a.example/x%0ay", NULL},
        {"http://a.example/x%zz", NULL},
        {"http://a.example/x%4", NULL},
        {"http://a.example/x y", NULL},
        {"http://a.example/x\ty", NULL},
        {"http://a.example/x#y", NULL},
        {"http://a.example\\@b.example/", NULL},
        {"http://a.example/\xc3\xa9", NULL},
        {"http://a.ex ample/", NULL},
        {"http://../x", NULL},
        {"http://a..example/", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char form[ARO_URL_BYTES] = "untouched";
        int result = aro_url_parse(rows[i].text, form);
        cr_assert_eq(result == 0, rows[i].form != NULL, "%s -> %s", rows[i].text, form);
        cr_assert_str_eq(form, rows[i].form != NULL ? rows[i].form : "untouched");
        if (result == 0) {
            char again[ARO_URL_BYTES];
            cr_assert_eq(aro_url_parse(form, again), 0);
            cr_assert_str_eq(again, form, "a form is its own form");
        }
    }
}

Test(url, one_that_is_too_long_is_refused)
{
    char text[2 * ARO_URL_BYTES], form[ARO_URL_BYTES];
    int prefix = sprintf(text, "http://a.example/");

    memset(text + prefix, 'x', sizeof(text) - (size_t)prefix);
    text[ARO_URL_BYTES - 1] = '\0';
    cr_assert_eq(aro_url_parse(text, form), 0);
    text[ARO_URL_BYTES - 1] = 'x';
    text[ARO_URL_BYTES] = '\0';
    cr_assert_neq(aro_url_parse(text, form), 0);
}

Test(url, a_location_is_read_against_the_page_it_stands_on)
{
    static const char base[] = "https://a.example:8443/x/y?q=1";
    static const struct {
        const char *location, *form;
    } rows[] = {
        {"http://b.example/z", "http://b.example/z"},
        {"//b.example/z", "https://b.example/z"},
        {"/z", "https://a.example:8443/z"},
        {"z", "https://a.example:8443/x/z"},
        {"?p", "https://a.example:8443/x/y?p"},
        {"", "https://a.example:8443/x/"},
        {"../z", NULL},
        {"javascript:alert(1)", NULL},
        {"/z#part", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char form[ARO_URL_BYTES];
        int result = aro_url_join(base, rows[i].location, form);
        cr_assert_eq(result == 0, rows[i].form != NULL, "%s", rows[i].location);
        if (result == 0)
            cr_assert_str_eq(form, rows[i].form);
    }
}

Test(url, names_are_printable_ascii_of_bounded_length)
{
    char name[ARO_NAME_BYTES + 1];

    cr_assert(aro_name_valid("cdn.example/a%20b?x=\"1\""));
    cr_assert_not(aro_name_valid(""));
    cr_assert_not(aro_name_valid("a b"));
    cr_assert_not(aro_name_valid("a\nb"));
    cr_assert_not(aro_name_valid("\xc3\xa9"));
    memset(name, 'n', sizeof(name));
    name[ARO_NAME_BYTES - 1] = '\0';
    cr_assert(aro_name_valid(name));
    name[ARO_NAME_BYTES - 1] = 'n';
    name[ARO_NAME_BYTES] = '\0';
    cr_assert_not(aro_name_valid(name));
}
