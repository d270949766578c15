/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_memory.h>

enum {
    CHAIN_SEGMENTS = 2, /* a zero-copy slice: header, payload */
    RING_DEFAULT = 512,
};

/* "net_tap0,iface=x" -> "net_tap0": the name EAL gave the device. */
static void device_name(const char *device, char name[RTE_ETH_NAME_MAX_LEN])
{
    size_t len = strcspn(device, ",");

    snprintf(name, RTE_ETH_NAME_MAX_LEN, "%.*s", (int)len, device);
}

static const struct aro_profile *profile_find(const struct aro_profile *profiles, unsigned count,
                                              const char *driver)
{
    const struct aro_profile *fallback = NULL;

    for (unsigned i = 0; i < count; i++) {
        if (strcmp(profiles[i].driver, driver) == 0)
            return &profiles[i];
        if (strcmp(profiles[i].driver, "*") == 0)
            fallback = &profiles[i];
    }
    return fallback;
}

/* fe80::/64 with the interface id made from the MAC (RFC 4291 appendix A). */
static void link_local(const struct rte_ether_addr *mac, uint8_t address[16])
{
    const uint8_t *m = mac->addr_bytes;
    const uint8_t made[16] = {
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5],
    };

    memcpy(address, made, sizeof(made));
}

static void addresses_take(struct aro_port *port)
{
    for (unsigned i = 0; i < port->config.addresses; i++) {
        const struct aro_address *address = &port->config.address[i];
        if (address->family == 4)
            memcpy(&port->address4_be[port->addresses4++], address->bytes, 4);
        else
            memcpy(port->address6[port->addresses6++], address->bytes, 16);
    }
    link_local(&port->mac, port->address6[port->addresses6++]);
}

static void checksum_decide(struct aro_port *port, const struct rte_eth_dev_info *info)
{
    const uint64_t needed = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    bool can = (info->tx_offload_capa & needed) == needed;

    port->checksum_device = can && port->profile.checksum != ARO_CHOICE_OFF;
    port->rx_checksum_device = (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0;
    snprintf(port->checksum_why, sizeof(port->checksum_why), "%s",
             port->checksum_device ? "the device fills IPv4 and UDP checksums"
             : can                 ? "prefix sums: the profile turns the driver's off"
                                   : "prefix sums: the device fills no UDP checksums");
}

static void zero_copy_decide(struct aro_port *port, const struct rte_eth_dev_info *info)
{
    bool chains = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    bool enough =
        info->tx_desc_lim.nb_mtu_seg_max == 0 || info->tx_desc_lim.nb_mtu_seg_max >= CHAIN_SEGMENTS;
    bool allowed = port->profile.zero_copy != ARO_CHOICE_OFF;

    port->zero_copy = chains && enough && allowed;
    snprintf(port->zero_copy_why, sizeof(port->zero_copy_why), "%s",
             !chains    ? "copy: the device does not take packets of several segments"
             : !enough  ? "copy: the device takes too few segments per packet"
             : !allowed ? "copy: the profile says so"
                        : "external buffers: the device takes packets of several segments");
}

static int device_open(struct aro_port *port, struct rte_eth_dev_info *info,
                       struct aro_error *error)
{
    char name[RTE_ETH_NAME_MAX_LEN];

    device_name(port->config.device, name);
    if (rte_eth_dev_get_port_by_name(name, &port->id) != 0)
        return aro_error_set(error, ARO_E_DEVICE_MISSING,
                             "port \"%s\": DPDK has no device \"%s\" after start-up",
                             port->config.name, port->config.device);
    if (rte_eth_dev_info_get(port->id, info) != 0 || rte_eth_macaddr_get(port->id, &port->mac) != 0)
        return aro_error_set(error, ARO_E_DEVICE_SETUP,
                             "port \"%s\": the driver of \"%s\" gives no information",
                             port->config.name, port->config.device);
    snprintf(port->driver, sizeof(port->driver), "%s", info->driver_name);
    return 0;
}

static int queues_decide(struct aro_port *port, const struct rte_eth_dev_info *info,
                         struct aro_error *error)
{
    uint16_t most = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

    if (port->profile.queues_max != 0)
        most = RTE_MIN(most, port->profile.queues_max);
    if (port->config.lcores > most)
        return aro_error_set(error, ARO_E_DEVICE_QUEUES,
                             "port \"%s\": %u lcores are configured, but %s has %u queue pairs",
                             port->config.name, port->config.lcores, port->driver, most);
    port->queues = (uint16_t)port->config.lcores;
    return 0;
}

int aro_port_probe(struct aro_port *port, const struct aro_port_config *config,
                   const struct aro_profile *profiles, unsigned profiles_count,
                   uint16_t service_port, struct aro_error *error)
{
    const struct aro_profile *profile;
    struct rte_eth_dev_info info;

    memset(port, 0, sizeof(*port));
    port->config = *config;
    port->mtu = config->mtu;
    port->service_port_be = rte_cpu_to_be_16(service_port);
    if (device_open(port, &info, error) != 0)
        return -1;
    profile = profile_find(profiles, profiles_count, port->driver);
    if (profile == NULL)
        return aro_error_set(error, ARO_E_DEVICE_PROFILE,
                             "port \"%s\": no profile in pmd-config matches driver %s",
                             config->name, port->driver);
    port->profile = *profile;
    port->rx_burst = RTE_MIN(profile->rx_burst == 0 ? 32 : profile->rx_burst, 64);
    port->rx_descriptors = profile->rx_descriptors == 0 ? RING_DEFAULT : profile->rx_descriptors;
    port->tx_descriptors = profile->tx_descriptors == 0 ? RING_DEFAULT : profile->tx_descriptors;
    port->rx_partial_checksum = profile->rx_partial_checksum;
    port->reply_via_gateway = config->reply_via_gateway;
    memcpy(port->gateway_mac.addr_bytes, config->gateway_mac, RTE_ETHER_ADDR_LEN);
    if (queues_decide(port, &info, error) != 0)
        return -1;
    checksum_decide(port, &info);
    zero_copy_decide(port, &info);
    addresses_take(port);
    return 0;
}

/* Only a device that masters the bus itself needs a mapping; virtual ones read through the CPU. */
static bool is_physical(const struct rte_eth_dev_info *info)
{
    return info->device != NULL && rte_dev_bus(info->device) != NULL &&
           strcmp(rte_bus_name(rte_dev_bus(info->device)), "pci") == 0;
}

void aro_port_map(struct aro_port *port, void *region, size_t region_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct rte_eth_dev_info info;
    int error;

    if (!port->zero_copy || rte_eth_dev_info_get(port->id, &info) != 0 || !is_physical(&info))
        return;
    if (rte_eal_iova_mode() != RTE_IOVA_VA)
        error = -ENOTSUP;
    else if (rte_extmem_register(region, region_bytes, NULL, 0, page_bytes) != 0 &&
             rte_errno != EEXIST)
        error = -rte_errno;
    else
        error = rte_dev_dma_map(info.device, region, (uintptr_t)region, region_bytes);
    if (error == 0)
        return;
    port->zero_copy = false;
    snprintf(port->zero_copy_why, sizeof(port->zero_copy_why),
             "copy: chunk memory cannot be mapped for the device (%s)",
             error == -ENOTSUP ? "bus addresses are physical" : rte_strerror(rte_errno));
}

static int setup_failed(const struct aro_port *port, const char *what, int code,
                        struct aro_error *error)
{
    return aro_error_set(error, ARO_E_DEVICE_SETUP, "port \"%s\": %s on %s: %s", port->config.name,
                         what, port->driver, rte_strerror(-code));
}

static uint64_t tx_offloads(const struct aro_port *port)
{
    uint64_t offloads = 0;

    if (port->zero_copy)
        offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (port->checksum_device)
        offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    return offloads;
}

/* A question about the kernel interface below a device: 0, or -errno. */
static int interface_ask(unsigned interface, unsigned long what, struct ifreq *ret)
{
    int fd, code;

    memset(ret, 0, sizeof(*ret));
    if (if_indextoname(interface, ret->ifr_name) == NULL)
        return -errno;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    code = ioctl(fd, what, ret) == 0 ? 0 : -errno;
    close(fd);
    return code;
}

/*
 * The interface's own MTU is only read: it belongs to the operator. A driver that claims less than
 * the interface carries is passed over (profile: mtu_of_interface).
 */
static int mtu_of_interface(struct aro_port *port, unsigned interface, struct aro_error *error)
{
    struct ifreq request;
    int code = interface_ask(interface, SIOCGIFMTU, &request);

    if (code != 0)
        return setup_failed(port, "reading the interface's MTU failed", code, error);
    if (request.ifr_mtu < port->mtu)
        return aro_error_set(error, ARO_E_DEVICE_SETUP,
                             "port \"%s\": mtu = %u, but %s has %d: 'ip link set %s mtu %u' first",
                             port->config.name, port->mtu, request.ifr_name, request.ifr_mtu,
                             request.ifr_name, port->mtu);
    return 0;
}

static int mtu_set(struct aro_port *port, const struct rte_eth_dev_info *info,
                   struct aro_error *error)
{
    int code;

    if (port->profile.mtu_of_interface && info->max_rx_pktlen < aro_port_frame_bytes(port))
        return mtu_of_interface(port, info->if_index, error);
    code = rte_eth_dev_set_mtu(port->id, port->mtu);
    return code == 0 || code == -ENOTSUP
               ? 0
               : setup_failed(port, "setting the MTU failed", code, error);
}

static int device_configure(struct aro_port *port, struct aro_error *error)
{
    struct rte_eth_conf conf = {.txmode.offloads = tx_offloads(port)};
    struct rte_eth_dev_info info;
    int code = rte_eth_dev_info_get(port->id, &info);

    if (code != 0)
        return setup_failed(port, "no information", code, error);
    if (port->rx_checksum_device)
        conf.rxmode.offloads =
            info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
    conf.intr_conf.rxq = port->profile.idle_wait == ARO_WAIT_DESCRIPTOR;
    if (port->queues > 1) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
        if (conf.rx_adv_conf.rss_conf.rss_hf == 0)
            conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE; /* the device spreads by itself, or not */
    }
    code = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
    if (code != 0)
        return setup_failed(port, "configuring queues failed", code, error);
    if (mtu_set(port, &info, error) != 0)
        return -1;
    code = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &port->rx_descriptors, &port->tx_descriptors);
    if (code != 0)
        return setup_failed(port, "no ring size fits", code, error);
    return 0;
}

int aro_port_configure(struct aro_port *port, struct rte_mempool *const pool[],
                       struct aro_error *error)
{
    unsigned socket = (unsigned)RTE_MAX(rte_eth_dev_socket_id(port->id), 0);

    if (device_configure(port, error) != 0)
        return -1;
    for (uint16_t q = 0; q < port->queues; q++) {
        int code = rte_eth_rx_queue_setup(port->id, q, port->rx_descriptors, socket, NULL, pool[q]);
        if (code == 0)
            code = rte_eth_tx_queue_setup(port->id, q, port->tx_descriptors, socket, NULL);
        if (code != 0)
            return setup_failed(port, "setting up a queue failed", code, error);
    }
    return 0;
}

int aro_port_start(struct aro_port *port, struct aro_error *error)
{
    int code = rte_eth_dev_start(port->id);

    if (code != 0)
        return setup_failed(port, "starting the device failed", code, error);
    (void)rte_eth_allmulticast_enable(port->id); /* neighbour discovery; virtual devices hear all */
    return 0;
}

void aro_port_stop(struct aro_port *port)
{
    (void)rte_eth_dev_stop(port->id);
}

/* Drivers on a kernel interface often say "up" whatever happens below: both must be. */
static bool link_is_up(const struct aro_port *port, const struct rte_eth_link *link)
{
    struct rte_eth_dev_info info;
    struct ifreq request;

    if (link->link_status != RTE_ETH_LINK_UP)
        return false;
    if (rte_eth_dev_info_get(port->id, &info) != 0 || info.if_index == 0)
        return true;
    return interface_ask(info.if_index, SIOCGIFFLAGS, &request) != 0 ||
           (request.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
}

void aro_port_info(const struct aro_port *port, struct aro_port_info *ret)
{
    struct rte_eth_stats stats = {0};
    struct rte_eth_link link = {0};

    (void)rte_eth_stats_get(port->id, &stats);
    (void)rte_eth_link_get_nowait(port->id, &link);
    *ret = (struct aro_port_info){
        .name = port->config.name,
        .device = port->config.device,
        .driver = port->driver,
        .profile = port->profile.name,
        .note = port->profile.note,
        .mtu = port->mtu,
        .queues = port->queues,
        .link_up = link_is_up(port, &link),
        .link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed,
        .zero_copy = port->zero_copy,
        .zero_copy_why = port->zero_copy_why,
        .checksum_device = port->checksum_device,
        .checksum_why = port->checksum_why,
        .rx_packets = stats.ipackets,
        .rx_bytes = stats.ibytes,
        .rx_missed = stats.imissed + stats.rx_nombuf,
        .rx_errors = stats.ierrors,
        .tx_packets = stats.opackets,
        .tx_bytes = stats.obytes,
        .tx_errors = stats.oerrors,
    };
    memcpy(ret->mac, port->mac.addr_bytes, sizeof(ret->mac));
}
