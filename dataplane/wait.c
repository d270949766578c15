/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/wait.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

enum { DESCRIPTORS_MAX = 65536 };

/* interface 0: any. An AF_XDP socket does not tell its own. */
static bool is_socket(int fd, int wanted, unsigned interface)
{
    struct sockaddr_ll bound = {0};
    socklen_t len = sizeof(bound);
    int domain = 0;
    socklen_t domain_len = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) != 0 || domain != wanted)
        return false;
    return interface == 0 || (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 &&
                              bound.sll_ifindex == (int)interface);
}

/*
 * These drivers have no receive interrupt and show their sockets to nobody. They are among this
 * process's descriptors, one per queue pair, opened in the order of the queues. When the count is
 * not what the driver opens, something else has such sockets too: then nothing is certain.
 */
static int driver_socket(const struct aro_port *port, uint16_t queue, int domain)
{
    struct rte_eth_dev_info info;
    int found = 0;
    int wanted = -1;

    if (rte_eth_dev_info_get(port->id, &info) != 0 || info.if_index == 0)
        return -1;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) { /* at start only, some milliseconds */
        if (!is_socket(fd, domain, domain == AF_PACKET ? info.if_index : 0))
            continue;
        if (found++ == queue)
            wanted = fd;
    }
    return found == info.max_rx_queues ? wanted : -1;
}

int aro_wait_fd(const struct aro_port *port, uint16_t queue)
{
    switch (port->profile.idle_wait) {
    case ARO_WAIT_DESCRIPTOR:
        return rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, queue);
    case ARO_WAIT_PACKET_SOCKET:
        return driver_socket(port, queue, AF_PACKET);
    case ARO_WAIT_XDP_SOCKET:
        return driver_socket(port, queue, AF_XDP);
    default:
        return -1;
    }
}
