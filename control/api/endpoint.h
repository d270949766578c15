/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a server listens, as people write it: "127.0.0.1:9501", "[::1]:9501". Numeric addresses
 * only: a listener must not depend on a resolver. Pure functions and one that binds; any thread.
 */
#ifndef ARO_CONTROL_API_ENDPOINT_H
#define ARO_CONTROL_API_ENDPOINT_H

#include <sys/socket.h>

enum { ARO_ENDPOINT_TEXT = 64 };

struct aro_endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

/* 0 or -EINVAL. Port 0: the kernel chooses. */
int aro_endpoint_parse(const char *text, struct aro_endpoint *ret);
/* A TCP socket that listens there (close-on-exec, non-blocking), or -errno. */
int aro_endpoint_listen(const struct aro_endpoint *endpoint, int backlog);

#endif
