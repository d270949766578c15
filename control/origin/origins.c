/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/origins.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool ends_in_slash(const char *text)
{
    return *text != '\0' && text[strlen(text) - 1] == '/';
}

int aro_origin_settle(struct aro_origin *origin, const char *where, struct aro_error *error)
{
    char url[ARO_URL_BYTES];

    if (aro_url_parse(origin->url, url) != 0 || strlen(url) >= sizeof(origin->url) ||
        !ends_in_slash(url) || strchr(url, '?') != NULL)
        return aro_error_set(error, ARO_E_CONFIG_RANGE,
                             "%s: origin \"%s\": url = '%.200s' is no folder like "
                             "http://192.0.2.7:8080/media/ (without user, query, dot segments)",
                             where, origin->name, origin->url);
    strcpy(origin->url, url);
    if (origin->prefix[0] == '\0')
        strcpy(origin->prefix, aro_url_bare(origin->url));
    if (!aro_name_valid(origin->prefix) || !ends_in_slash(origin->prefix))
        return aro_error_set(error, ARO_E_CONFIG_RANGE,
                             "%s: origin \"%s\": prefix = '%.200s' is not like cdn.example/media/",
                             where, origin->name, origin->prefix);
    return 0;
}

int aro_origins_map(const struct aro_origins *origins, const char *name,
                    char ret_url[ARO_URL_BYTES])
{
    char text[ARO_URL_BYTES + ARO_ORIGIN_TEXT_BYTES];
    size_t longest = 0;
    int which = -ENOENT;

    if (!aro_name_valid(name))
        return -EINVAL;
    for (unsigned i = 0; i < origins->count; i++) {
        size_t length = strlen(origins->list[i].prefix);
        if (length > longest && strncmp(name, origins->list[i].prefix, length) == 0) {
            longest = length;
            which = (int)i;
        }
    }
    if (which < 0)
        return which;
    snprintf(text, sizeof(text), "%s%s", origins->list[which].url, name + longest);
    return aro_url_parse(text, ret_url) == 0 ? which : -EINVAL;
}

int aro_origins_admit(const struct aro_origins *origins, const char *url,
                      char ret_url[ARO_URL_BYTES])
{
    char form[ARO_URL_BYTES];
    size_t longest = 0;
    int which = -ENOENT;

    if (aro_url_parse(url, form) != 0)
        return -EINVAL;
    for (unsigned i = 0; i < origins->count; i++) {
        size_t length = strlen(origins->list[i].url);
        if (length > longest && aro_url_inside(form, origins->list[i].url)) {
            longest = length;
            which = (int)i;
        }
    }
    if (which >= 0)
        strcpy(ret_url, form);
    return which;
}

int aro_origins_follow(const struct aro_origins *origins, const char *at, const char *location,
                       char ret_url[ARO_URL_BYTES])
{
    char url[ARO_URL_BYTES];

    if (aro_url_join(at, location, url) != 0)
        return -EINVAL;
    return aro_origins_admit(origins, url, ret_url);
}

int aro_origin_name(const struct aro_origin *origin, const char *url, char ret[ARO_NAME_BYTES])
{
    char name[ARO_NAME_BYTES];
    int length = snprintf(name, sizeof(name), "%s%s", origin->prefix, url + strlen(origin->url));

    if (length < 0 || (size_t)length >= sizeof(name))
        return -EINVAL;
    strcpy(ret, name);
    return 0;
}
