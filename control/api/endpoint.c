/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "control/api/units.h"

/* The address without its brackets; false: too long, or brackets where they do not belong. */
static int host_of(const char *text, const char *colon, char host[ARO_ENDPOINT_TEXT])
{
    size_t length = (size_t)(colon - text);
    int bracketed = text[0] == '[';

    if (length < 2 || length >= ARO_ENDPOINT_TEXT || bracketed != (colon[-1] == ']'))
        return -EINVAL;
    memcpy(host, text + bracketed, length - 2 * (size_t)bracketed);
    host[length - 2 * (size_t)bracketed] = '\0';
    return bracketed ? AF_INET6 : AF_INET;
}

int aro_endpoint_parse(const char *text, struct aro_endpoint *ret)
{
    const char *colon = strrchr(text, ':');
    struct aro_endpoint endpoint = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&endpoint.address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&endpoint.address;
    char host[ARO_ENDPOINT_TEXT];
    uint64_t port;
    int family;

    if (colon == NULL || aro_count_parse(colon + 1, &port) != 0 || port > 65535)
        return -EINVAL;
    family = host_of(text, colon, host);
    if (family < 0)
        return family;
    endpoint.address.ss_family = (sa_family_t)family;
    endpoint.length = family == AF_INET ? sizeof(*in) : sizeof(*in6);
    if (family == AF_INET)
        in->sin_port = htons((uint16_t)port);
    else
        in6->sin6_port = htons((uint16_t)port);
    if (inet_pton(family, host,
                  family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr) != 1)
        return -EINVAL;
    *ret = endpoint;
    return 0;
}

int aro_endpoint_listen(const struct aro_endpoint *endpoint, int backlog)
{
    int family = endpoint->address.ss_family, on = 1, error;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->length) == 0 &&
        listen(fd, backlog) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}
