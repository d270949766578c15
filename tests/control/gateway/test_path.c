/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/path.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#define HEX "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define CID "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

static struct aro_target target;
static struct aro_error error;

static int parse(const char *host, const char *text)
{
    error = (struct aro_error){0};
    return aro_target_parse(host, text, &target, &error);
}

Test(path, ids_are_found_under_their_kind)
{
    static const struct {
        const char *text;
        enum aro_route route;
    } rows[] = {
        {"/o/o-" HEX, ARO_ROUTE_OBJECT},
        {"/o/" HEX, ARO_ROUTE_OBJECT},
        {"/o/o%2D" HEX, ARO_ROUTE_OBJECT},
        {"/%6f/" HEX, ARO_ROUTE_OBJECT},
        {"/o/o-" HEX "?cache=buster", ARO_ROUTE_OBJECT},
        {"/c/c-" HEX, ARO_ROUTE_CHUNK},
        {"/c/" HEX, ARO_ROUTE_CHUNK},
        {"/ipfs/" CID, ARO_ROUTE_IPFS},
        {"/v2/library/alpine/blobs/sha256:" HEX, ARO_ROUTE_BLOB},
        {"http://gate:8080/o/" HEX, ARO_ROUTE_OBJECT},
        {"HTTP://GATE:8080/o/" HEX, ARO_ROUTE_OBJECT},
    };
    struct aro_id id;
    enum aro_kind kind;

    aro_id_parse("o-" HEX, &id, &kind);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(parse("gate:8080", rows[i].text), 0, "%s: %s", rows[i].text, error.text);
        cr_assert_eq((int)target.route, (int)rows[i].route, "%s", rows[i].text);
        cr_assert(aro_id_equal(&target.id, &id), "%s", rows[i].text);
    }
    cr_assert_eq(parse(NULL, "/c/" HEX), 0); /* HTTP/1.0 without a Host */
    cr_assert_eq(parse("gate", "/v2/"), 0);
    cr_assert_eq((int)target.route, (int)ARO_ROUTE_REGISTRY);
    cr_assert_eq(parse("gate", "/v2"), 0);
    cr_assert_eq((int)target.route, (int)ARO_ROUTE_REGISTRY);
}

Test(path, format_raw_is_seen_among_other_fields)
{
    cr_assert_eq(parse("gate", "/ipfs/" CID "?format=raw"), 0);
    cr_assert(target.raw);
    cr_assert_str_eq(target.text, CID);
    cr_assert_eq(parse("gate", "/ipfs/" CID "?a=b&format=raw&c"), 0);
    cr_assert(target.raw);
    cr_assert_eq(parse("gate", "/ipfs/" CID "?format=rawer&xformat=raw"), 0);
    cr_assert_not(target.raw);
}

Test(path, a_name_has_one_form_however_it_is_written)
{
    static const struct {
        const char *host, *text, *name;
    } rows[] = {
        {"example.org", "/film.mp4", "example.org/film.mp4"},
        {"Example.ORG:8080", "/Film.mp4", "example.org:8080/Film.mp4"},
        {"example.org", "/", "example.org/"},
        {"example.org:80", "/x", "example.org/x"},
        {"example.org:8080", "/x", "example.org:8080/x"},
        {"[::1]:80", "/x", "[::1]/x"},
        {"gate", "/n/example.org:80/x", "example.org/x"},
        {"example.org", "/a%2fb", "example.org/a%2Fb"},
        {"example.org", "/%66ilm%2emp4", "example.org/film.mp4"},
        {"example.org", "/a%20b%c3%A9", "example.org/a%20b%C3%A9"},
        {"example.org", "/a|b\"", "example.org/a%7Cb%22"},
        {"example.org", "/a?q=1&r=%2f", "example.org/a?q=1&r=%2F"},
        {"[2001:DB8::1]:81", "/x", "[2001:db8::1]:81/x"},
        {"example.org", "/o", "example.org/o"},
        {"example.org", "/ox/y", "example.org/ox/y"},
        {"example.org", "/v2x", "example.org/v2x"},
        {"example.org", "/...", "example.org/..."},
        {"example.org", "/..a/.b", "example.org/..a/.b"},
        {"example.org", "/a?x=../..", "example.org/a?x=../.."},
        {"gate", "/n/example.org/film.mp4", "example.org/film.mp4"},
        {"gate", "/n/Example.org:81/a?q=1", "example.org:81/a?q=1"},
        {"gate", "/n/example.org", "example.org/"},
        {"gate", "/n/example.org%2Fa%20b", "example.org/a%20b"},
        {"gate", "/n/example.org/a%2520b", "example.org/a%20b"},
        {"gate", "/n/example.org/a%3Fq=1", "example.org/a?q=1"},
        {"gate", "/n/example.org%3A81%2Fa", "example.org:81/a"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(parse(rows[i].host, rows[i].text), 0, "%s: %s", rows[i].text, error.text);
        cr_assert_eq((int)target.route, (int)ARO_ROUTE_NAME, "%s", rows[i].text);
        cr_assert_str_eq(target.text, rows[i].name);
    }
}

Test(path, nothing_walks_however_it_is_written)
{
    static const char *const texts[] = {
        "/..",           "/../etc/passwd", "/a/../b",           "/a/..",         "/./a",
        "/a/.",          "/%2e%2e/a",      "/%2E./a",           "/.%2e",         "/a/..%2fb",
        "/a%2f..%2fb",   "/a%2F..",        "/a/..%5cb",         "/a%5C..%5Cb",   "/a/..\\b",
        "/o/../c/x",     "/n/h/../x",      "/n/h/%252e%252e/x", "/n/h/..%252fx", "/n/..",
        "/n/h%2f..%2fx", "/a/..?q",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_eq(parse("h", texts[i]), -1, "%s became %s", texts[i], target.text);
        cr_assert_eq((int)error.id, (int)ARO_E_HTTP_TARGET, "%s", texts[i]);
    }
}

Test(path, what_makes_no_sense_has_its_error)
{
    static const struct {
        const char *host, *text;
        enum aro_error_id id;
    } rows[] = {
        {"h", "/o/", ARO_E_HTTP_TARGET},
        {"h", "/o/xyz", ARO_E_HTTP_TARGET},
        {"h", "/o/" HEX "0", ARO_E_HTTP_TARGET},
        {"h", "/o/" HEX "/x", ARO_E_HTTP_TARGET},
        {"h", "/o/c-" HEX, ARO_E_HTTP_TARGET},
        {"h", "/c/o-" HEX, ARO_E_HTTP_TARGET},
        {"h", "/c/sha256:" HEX, ARO_E_HTTP_TARGET},
        {"h", "/v2/x/blobs/sha512:" HEX, ARO_E_HTTP_TARGET},
        {"h", "/v2/x/blobs/o-" HEX, ARO_E_HTTP_TARGET},
        {"h", "/v2/x/manifests/latest", ARO_E_HTTP_NOTHING},
        {"h", "/v2/blobs/sha256:" HEX, ARO_E_HTTP_NOTHING},
        {"h", "/ipfs/" CID "/index.html", ARO_E_HTTP_CID},
        {"h", "/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", ARO_E_HTTP_CID},
        {"h", "/ipfs/", ARO_E_HTTP_CID},
        {"h", "*", ARO_E_HTTP_TARGET},
        {"h", "", ARO_E_HTTP_TARGET},
        {"h", "o/x", ARO_E_HTTP_TARGET},
        {"h", "http://evil/o/" HEX, ARO_E_HTTP_TARGET},
        {"h", "http://h@evil/x", ARO_E_HTTP_TARGET},
        {"h", "http://hh/x", ARO_E_HTTP_TARGET},
        {"h", "http://h", ARO_E_HTTP_TARGET},
        {"h", "ftp://h/x", ARO_E_HTTP_TARGET},
        {"h", "/a%00b", ARO_E_HTTP_TARGET},
        {"h", "/a%0d%0aX:", ARO_E_HTTP_TARGET},
        {"h", "/a%7F", ARO_E_HTTP_TARGET},
        {"h", "/a%", ARO_E_HTTP_TARGET},
        {"h", "/a%2", ARO_E_HTTP_TARGET},
        {"h", "/a%zz", ARO_E_HTTP_TARGET},
        {"h", "/a b", ARO_E_HTTP_TARGET},
        {"h", "/a\tb", ARO_E_HTTP_TARGET},
        {"h", "/a\xc3\xa9", ARO_E_HTTP_TARGET},
        {"h", "/a#b", ARO_E_HTTP_TARGET},
        {"h", "/a?%0a", ARO_E_HTTP_TARGET},
        {"h", "/n/", ARO_E_HTTP_TARGET},
        {"h", "/n/http://h/x", ARO_E_HTTP_TARGET},
        {"h", "/n/user@h/x", ARO_E_HTTP_TARGET},
        {"h", "/n/h/a%2500", ARO_E_HTTP_TARGET},
        {"h", "/n/h/a%25z", ARO_E_HTTP_TARGET},
        {NULL, "/film.mp4", ARO_E_HTTP_TARGET},
        {"", "/film.mp4", ARO_E_HTTP_HOST},
        {"a b", "/x", ARO_E_HTTP_HOST},
        {"a/b", "/x", ARO_E_HTTP_HOST},
        {"h:", "/x", ARO_E_HTTP_HOST},
        {"h:x", "/x", ARO_E_HTTP_HOST},
        {"h:123456", "/x", ARO_E_HTTP_HOST},
        {"u@h", "/x", ARO_E_HTTP_HOST},
        {"a..b", "/x", ARO_E_HTTP_HOST},
        {"[::1", "/x", ARO_E_HTTP_HOST},
        {"[x]", "/x", ARO_E_HTTP_HOST},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(parse(rows[i].host, rows[i].text), -1, "%s became %s", rows[i].text,
                     target.text);
        cr_assert_eq((int)error.id, (int)rows[i].id, "%s: %s", rows[i].text, error.text);
    }
}

Test(path, long_targets_and_names_are_refused_at_their_limit)
{
    char text[ARO_TARGET_BYTES_MAX + 100] = "/";

    memset(text + 1, 'a', ARO_GATE_NAME_BYTES_MAX - 2); /* "h" and the path fill it */
    cr_assert_eq(parse("h", text), 0, "%s", error.text);
    cr_assert_eq(strlen(target.text), (size_t)ARO_GATE_NAME_BYTES_MAX);
    text[ARO_GATE_NAME_BYTES_MAX - 1] = 'a';
    cr_assert_eq(parse("h", text), -1);
    cr_assert_eq((int)error.id, (int)ARO_E_HTTP_TARGET_LONG);
    memset(text + 1, '|', ARO_GATE_NAME_BYTES_MAX / 2); /* three bytes each in its one form */
    text[1 + ARO_GATE_NAME_BYTES_MAX / 2] = '\0';
    cr_assert_eq(parse("h", text), -1);
    cr_assert_eq((int)error.id, (int)ARO_E_HTTP_TARGET_LONG);
    memset(text + 1, 'a', ARO_TARGET_BYTES_MAX);
    text[1 + ARO_TARGET_BYTES_MAX] = '\0';
    cr_assert_eq(parse("h", text), -1);
    cr_assert_eq((int)error.id, (int)ARO_E_HTTP_TARGET_LONG);
}

Test(path, clients_of_a_registry_are_known_even_when_they_ask_wrong)
{
    parse("h", "/v2/x/manifests/latest");
    cr_assert_eq((int)target.route, (int)ARO_ROUTE_BLOB);
    parse("h", "/v2/x/blobs/nonsense");
    cr_assert_eq((int)target.route, (int)ARO_ROUTE_BLOB);
}
