/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/origins.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

static struct aro_origin list[] = {
    {.name = "media", .url = "http://10.0.0.5:8080/media/", .prefix = "cdn.example/"},
    {.name = "live", .url = "http://10.0.0.6/", .prefix = "cdn.example/live/"},
    {.name = "bare", .url = "HTTPS://Files.Example:443/"},
};
static const struct aro_origins origins = {.list = list, .count = 3};

static void settle(void)
{
    struct aro_error error = {0};

    for (int i = 0; i < 3; i++)
        cr_assert_eq(aro_origin_settle(&list[i], "x.conf", &error), 0, "%s", error.text);
}

TestSuite(origins, .init = settle);

Test(origins, a_name_lies_behind_the_longest_prefix)
{
    static const struct {
        const char *name;
        int origin;
        const char *url;
    } rows[] = {
        {"cdn.example/a/b?c", 0, "http://10.0.0.5:8080/media/a/b?c"},
        {"cdn.example/live/a", 1, "http://10.0.0.6/a"},
        {"cdn.example/live", 0, "http://10.0.0.5:8080/media/live"},
        {"cdn.example/", 0, "http://10.0.0.5:8080/media/"},
        {"files.example/x", 2, "https://files.example/x"},
        {"cdn.example", -ENOENT, NULL},
        {"CDN.example/a", -ENOENT, NULL},
        {"other.example/a", -ENOENT, NULL},
        {"cdn.example/../secret", -EINVAL, NULL},
        {"cdn.example/%2e%2e/secret", -EINVAL, NULL},
        {"cdn.example/a#b", -EINVAL, NULL},
        {"cdn.example/a b", -EINVAL, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char url[ARO_URL_BYTES];
        cr_assert_eq(aro_origins_map(&origins, rows[i].name, url), rows[i].origin, "%s",
                     rows[i].name);
        if (rows[i].url != NULL)
            cr_assert_str_eq(url, rows[i].url);
    }
}

Test(origins, only_what_lies_inside_is_admitted)
{
    static const struct {
        const char *url;
        int origin;
    } rows[] = {
        {"http://10.0.0.5:8080/media/x", 0},
        {"HTTP://10.0.0.5:8080/media/x", 0},
        {"http://10.0.0.6:80/x", 1},
        {"https://FILES.example/x", 2},
        {"http://10.0.0.5:8080/media", -ENOENT},
        {"http://10.0.0.5:8080/mediax/x", -ENOENT},
        {"http://10.0.0.5:8080/x", -ENOENT},
        {"http://10.0.0.5/media/x", -ENOENT},
        {"https://10.0.0.6/x", -ENOENT},
        {"http://10.0.0.6.evil.example/x", -ENOENT},
        {"http://files.example/x", -ENOENT},
        {"http://10.0.0.5:8080/media/../x", -EINVAL},
        {"http://10.0.0.6@evil.example/x", -EINVAL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char url[ARO_URL_BYTES];
        cr_assert_eq(aro_origins_admit(&origins, rows[i].url, url), rows[i].origin, "%s",
                     rows[i].url);
    }
}

Test(origins, a_redirect_leads_into_an_origin_or_nowhere)
{
    char url[ARO_URL_BYTES] = "http://10.0.0.5:8080/media/a";

    cr_assert_eq(aro_origins_follow(&origins, url, "/secret", url), -ENOENT);
    cr_assert_eq(aro_origins_follow(&origins, url, "http://evil.example/", url), -ENOENT);
    cr_assert_str_eq(url, "http://10.0.0.5:8080/media/a", "untouched");
    cr_assert_eq(aro_origins_follow(&origins, url, "b", url), 0);
    cr_assert_str_eq(url, "http://10.0.0.5:8080/media/b");
    cr_assert_eq(aro_origins_follow(&origins, url, "http://10.0.0.6/c", url), 1);
    cr_assert_str_eq(url, "http://10.0.0.6/c");
}

Test(origins, a_url_has_the_name_that_maps_back_to_it)
{
    char name[ARO_NAME_BYTES], url[ARO_URL_BYTES];

    cr_assert_eq(aro_origin_name(&list[0], "http://10.0.0.5:8080/media/a?b", name), 0);
    cr_assert_str_eq(name, "cdn.example/a?b");
    cr_assert_eq(aro_origin_name(&list[2], "https://files.example/x", name), 0);
    cr_assert_str_eq(name, "files.example/x");
    cr_assert_eq(aro_origins_map(&origins, name, url), 2);
    cr_assert_str_eq(url, "https://files.example/x");
}

Test(origins, blocks_that_are_no_folder_are_refused)
{
    static const char *const urls[] = {"http://a.example", "http://a.example/x",
                                       "ftp://a.example/", "http://a.example/?",
                                       "http://me@a/",     "a.example/"};
    struct aro_error error = {0};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct aro_origin origin = {.name = "o"};
        strcpy(origin.url, urls[i]);
        if (i == 0) /* the root folder needs no slash to be meant */
            cr_assert_eq(aro_origin_settle(&origin, "x", &error), 0);
        else
            cr_assert_eq(aro_origin_settle(&origin, "x", &error), -1, "%s", urls[i]);
    }
    cr_assert_eq(error.id, ARO_E_CONFIG_RANGE);
    cr_assert_eq(aro_origin_settle(&(struct aro_origin){.url = "http://a/", .prefix = "no-slash"},
                                   "x", &error),
                 -1);
}
