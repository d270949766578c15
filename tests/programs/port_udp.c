/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/programs/port_udp.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_arp.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

enum {
    BURST = 64,
    DESCRIPTORS = 1024,
    POOL_PACKETS = 8191,
    POOL_CACHE = 256,
    OUR_PORT = 40000,
};

struct port_udp {
    uint16_t id; /* DPDK's port number */
    uint16_t peer_port_be;
    uint32_t our_address_be, peer_address_be;
    struct rte_ether_addr our_mac, peer_mac;
    bool resolved;
    struct rte_mempool *pool;
    struct port_udp_stats stats;
};

static int port_setup(struct port_udp *port)
{
    const struct rte_eth_conf conf = {0};
    int code = rte_eth_dev_configure(port->id, 1, 1, &conf);

    if (code == 0)
        code = rte_eth_rx_queue_setup(port->id, 0, DESCRIPTORS, 0, NULL, port->pool);
    if (code == 0)
        code = rte_eth_tx_queue_setup(port->id, 0, DESCRIPTORS, 0, NULL);
    if (code == 0)
        code = rte_eth_dev_start(port->id);
    if (code == 0)
        code = rte_eth_macaddr_get(port->id, &port->our_mac);
    return code;
}

struct port_udp *port_udp_create(uint32_t our_address_be, uint32_t peer_address_be,
                                 uint16_t peer_port)
{
    struct port_udp *port = calloc(1, sizeof(*port));
    int code;

    if (port == NULL || rte_eth_dev_count_avail() == 0) {
        fputs("no DPDK port came up\n", stderr);
        free(port);
        return NULL;
    }
    port->our_address_be = our_address_be;
    port->peer_address_be = peer_address_be;
    port->peer_port_be = rte_cpu_to_be_16(peer_port);
    port->pool = rte_pktmbuf_pool_create("packets", POOL_PACKETS, POOL_CACHE, 0,
                                         RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    code = port->pool == NULL ? -rte_errno : port_setup(port);
    if (code != 0) {
        fprintf(stderr, "the DPDK port does not start: %s\n", rte_strerror(-code));
        rte_mempool_free(port->pool);
        free(port);
        return NULL;
    }
    return port;
}

void port_udp_destroy(struct port_udp *port)
{
    if (port == NULL)
        return;
    (void)rte_eth_dev_stop(port->id);
    (void)rte_eth_dev_close(port->id);
    rte_mempool_free(port->pool);
    free(port);
}

const struct port_udp_stats *port_udp_stats(const struct port_udp *port)
{
    return &port->stats;
}

static void packets_send(struct port_udp *port, struct rte_mbuf **packets, uint16_t count)
{
    uint16_t sent = rte_eth_tx_burst(port->id, 0, packets, count);

    port->stats.tx_refused += count - sent;
    rte_pktmbuf_free_bulk(packets + sent, count - sent);
}

/* ---- ARP ---- */

static void arp_ask(struct port_udp *port)
{
    struct rte_mbuf *packet = rte_pktmbuf_alloc(port->pool);
    struct rte_ether_hdr *ether;
    struct rte_arp_hdr *arp;

    if (packet == NULL)
        return;
    packet->data_len = sizeof(*ether) + sizeof(*arp);
    packet->pkt_len = packet->data_len;
    ether = rte_pktmbuf_mtod(packet, struct rte_ether_hdr *);
    arp = (void *)(ether + 1);
    memset(&ether->dst_addr, 0xff, sizeof(ether->dst_addr));
    ether->src_addr = port->our_mac;
    ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
    *arp = (struct rte_arp_hdr){
        .arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
        .arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
        .arp_hlen = RTE_ETHER_ADDR_LEN,
        .arp_plen = sizeof(uint32_t),
        .arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
        .arp_data = {.arp_sha = port->our_mac,
                     .arp_sip = port->our_address_be,
                     .arp_tip = port->peer_address_be},
    };
    packets_send(port, &packet, 1);
}

static void arp_take(struct port_udp *port, const struct rte_mbuf *packet)
{
    const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(packet, const struct rte_ether_hdr *);
    const struct rte_arp_hdr *arp = (const void *)(ether + 1);

    if (packet->data_len < sizeof(*ether) + sizeof(*arp) ||
        ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
        arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY) ||
        arp->arp_data.arp_sip != port->peer_address_be)
        return;
    port->peer_mac = arp->arp_data.arp_sha;
    port->resolved = true;
}

bool port_udp_resolve(struct port_udp *port)
{
    struct rte_mbuf *packets[BURST];
    uint16_t n;

    arp_ask(port);
    n = rte_eth_rx_burst(port->id, 0, packets, BURST);
    port->stats.rx_other += n;
    for (uint16_t i = 0; i < n; i++)
        arp_take(port, packets[i]);
    rte_pktmbuf_free_bulk(packets, n);
    return port->resolved;
}

/* ---- UDP ---- */

static bool udp_checksum_is_good(const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp)
{
    uint32_t sum = rte_ipv4_phdr_cksum(ip, 0);

    sum += rte_raw_cksum(udp, rte_be_to_cpu_16(udp->dgram_len));
    return udp->dgram_cksum != 0 && (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* The payload of a datagram from our peer, or NULL: counted. The packet is one segment. */
static const uint8_t *datagram_check(struct port_udp *port, const struct rte_mbuf *packet,
                                     size_t *ret_len)
{
    const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(packet, const struct rte_ether_hdr *);
    const struct rte_ipv4_hdr *ip = (const void *)(ether + 1);
    const struct rte_udp_hdr *udp = (const void *)(ip + 1);
    size_t ip_bytes;

    if (packet->nb_segs != 1 || packet->data_len < sizeof(*ether) + sizeof(*ip) + sizeof(*udp) ||
        ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
        ip->next_proto_id != IPPROTO_UDP)
        goto other;
    ip_bytes = rte_be_to_cpu_16(ip->total_length);
    if (ip_bytes > packet->data_len - sizeof(*ether) ||
        ip_bytes != sizeof(*ip) + rte_be_to_cpu_16(udp->dgram_len) ||
        ip_bytes < sizeof(*ip) + sizeof(*udp) || ip->src_addr != port->peer_address_be ||
        ip->dst_addr != port->our_address_be || udp->src_port != port->peer_port_be ||
        udp->dst_port != RTE_BE16(OUR_PORT))
        goto other;
    port->stats.rx_packets++;
    if (rte_raw_cksum(ip, sizeof(*ip)) != 0xffff) {
        port->stats.bad_ip_checksum++;
        return NULL;
    }
    if (!udp_checksum_is_good(ip, udp)) {
        port->stats.bad_udp_checksum++;
        return NULL;
    }
    *ret_len = ip_bytes - sizeof(*ip) - sizeof(*udp);
    return (const uint8_t *)(udp + 1);
other:
    port->stats.rx_other++;
    return NULL;
}

unsigned port_udp_receive_burst(struct port_udp *port, port_udp_handler *handler, void *arg)
{
    struct rte_mbuf *packets[BURST];
    uint16_t n = rte_eth_rx_burst(port->id, 0, packets, BURST);

    for (uint16_t i = 0; i < n; i++) {
        size_t len;
        const uint8_t *payload = datagram_check(port, packets[i], &len);
        if (payload != NULL)
            handler(arg, payload, len);
    }
    rte_pktmbuf_free_bulk(packets, n);
    return n;
}

static void datagram_write(const struct port_udp *port, struct rte_mbuf *packet,
                           const uint8_t *payload, uint16_t len)
{
    struct rte_ether_hdr *ether = rte_pktmbuf_mtod(packet, struct rte_ether_hdr *);
    struct rte_ipv4_hdr *ip = (void *)(ether + 1);
    struct rte_udp_hdr *udp = (void *)(ip + 1);
    uint16_t udp_bytes = (uint16_t)(sizeof(*udp) + len);

    *ether = (struct rte_ether_hdr){.dst_addr = port->peer_mac,
                                    .src_addr = port->our_mac,
                                    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
    *ip = (struct rte_ipv4_hdr){
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_bytes)),
        .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
        .time_to_live = 64,
        .next_proto_id = IPPROTO_UDP,
        .src_addr = port->our_address_be,
        .dst_addr = port->peer_address_be,
    };
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    *udp = (struct rte_udp_hdr){.src_port = RTE_BE16(OUR_PORT),
                                .dst_port = port->peer_port_be,
                                .dgram_len = rte_cpu_to_be_16(udp_bytes)};
    memcpy(udp + 1, payload, len);
    udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
    packet->data_len = (uint16_t)(sizeof(*ether) + sizeof(*ip) + udp_bytes);
    packet->pkt_len = packet->data_len;
}

void port_udp_send_burst(struct port_udp *port, const uint8_t *bytes, size_t len, size_t count)
{
    struct rte_mbuf *packets[BURST];
    unsigned n;

    for (; count > 0; count -= n, bytes += n * len) {
        n = (unsigned)RTE_MIN(count, (size_t)BURST);
        if (rte_pktmbuf_alloc_bulk(port->pool, packets, n) != 0) {
            port->stats.tx_refused += n;
            continue;
        }
        for (unsigned i = 0; i < n; i++)
            datagram_write(port, packets[i], bytes + i * len, (uint16_t)len);
        packets_send(port, packets, (uint16_t)n);
    }
}
