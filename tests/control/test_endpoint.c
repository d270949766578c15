/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/endpoint.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

Test(endpoint, addresses_with_ports_are_understood)
{
    struct aro_endpoint endpoint;

    cr_assert_eq(aro_endpoint_parse("127.0.0.1:9501", &endpoint), 0);
    cr_assert_eq(endpoint.address.ss_family, AF_INET);
    cr_assert_eq(ntohs(((struct sockaddr_in *)&endpoint.address)->sin_port), 9501);
    cr_assert_eq(aro_endpoint_parse("[::1]:65535", &endpoint), 0);
    cr_assert_eq(endpoint.address.ss_family, AF_INET6);
    cr_assert_eq(ntohs(((struct sockaddr_in6 *)&endpoint.address)->sin6_port), 65535);
    cr_assert_eq(aro_endpoint_parse("0.0.0.0:0", &endpoint), 0);
}

Test(endpoint, everything_else_is_refused)
{
    static const char *const bad[] = {
        "",
        "9501",
        ":9501",
        "localhost:9501",
        "127.0.0.1",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:9501 ",
        "::1:9501",
        "[::1]",
        "[::1:9501",
        "::1]:9501",
        "[1.2.3.4]:9501",
        "[]:9501",
        "1.2.3:1",
        "1.2.3.4:95a",
        "[fe80::1%lo]:80",
        "1.2.3.4:99999999999999999999",
        "111111111111111111111111111111111111111111111111111111111111111111111111:1"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aro_endpoint endpoint;
        cr_assert_eq(aro_endpoint_parse(bad[i], &endpoint), -EINVAL, "%s", bad[i]);
    }
}

Test(endpoint, a_port_that_is_taken_is_said_to_be)
{
    struct aro_endpoint endpoint;
    socklen_t length = sizeof(endpoint.address);
    int first;

    cr_assert_eq(aro_endpoint_parse("127.0.0.1:0", &endpoint), 0);
    first = aro_endpoint_listen(&endpoint, 4);
    cr_assert_geq(first, 0);
    cr_assert_eq(getsockname(first, (struct sockaddr *)&endpoint.address, &length), 0);
    cr_assert_eq(aro_endpoint_listen(&endpoint, 4), -EADDRINUSE);
    close(first);
}
