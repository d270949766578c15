/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/reply.h"

#include "cache/sums.h"
#include "dataplane/extbuf.h"
#include "dataplane/lcore.h"
#include "dataplane/tx.h"

enum {
    IP_AT = RTE_ETHER_HDR_LEN,
    ECT0 = 2, /* RFC 3168: ECN-capable transport */
};

static uint8_t *data_header(struct aro_job *job)
{
    return job->header + job->header_bytes - ARO_DATA_BYTES;
}

static struct rte_udp_hdr *udp_header(uint8_t *header, uint8_t header_bytes)
{
    return (void *)(header + header_bytes - ARO_DATA_BYTES - sizeof(struct rte_udp_hdr));
}

/* IP header towards the requester; lengths and checksum follow when the chunk is known. */
static uint8_t *network_prepare(struct aro_job *job, const struct aro_frame *frame, bool ect)
{
    const void *received = aro_frame_at(frame, IP_AT);

    if (frame->family == 4) {
        const struct rte_ipv4_hdr *from = received;
        struct rte_ipv4_hdr *ip = (void *)(job->header + IP_AT);
        *ip = (struct rte_ipv4_hdr){
            .version_ihl = RTE_IPV4_VHL_DEF,
            .type_of_service = ect ? ECT0 : 0,
            .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
            .time_to_live = 64,
            .next_proto_id = IPPROTO_UDP,
            .src_addr = from->dst_addr,
            .dst_addr = from->src_addr,
        };
        return (uint8_t *)(ip + 1);
    }
    const struct rte_ipv6_hdr *from = received;
    struct rte_ipv6_hdr *ip = (void *)(job->header + IP_AT);
    ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (ect ? (uint32_t)ECT0 << 20 : 0));
    ip->payload_len = 0;
    ip->proto = IPPROTO_UDP;
    ip->hop_limits = 64;
    memcpy(ip->src_addr, from->dst_addr, 16);
    memcpy(ip->dst_addr, from->src_addr, 16);
    return (uint8_t *)(ip + 1);
}

void aro_reply_prepare(struct aro_job *job, const struct aro_frame *frame,
                       const struct aro_get *get)
{
    const struct rte_ether_hdr *from =
        rte_pktmbuf_mtod(frame->packet, const struct rte_ether_hdr *);
    struct rte_ether_hdr *ether = (void *)job->header;
    struct rte_udp_hdr *udp;

    ether->dst_addr = frame->port->reply_via_gateway ? frame->port->gateway_mac : from->src_addr;
    ether->src_addr = frame->port->mac;
    ether->ether_type = from->ether_type;
    udp = (void *)network_prepare(job, frame, (get->flags & ARO_GET_ECT) != 0);
    udp->src_port = frame->peer.destination_port_be;
    udp->dst_port = frame->peer.source_port_be;
    udp->dgram_len = 0;
    udp->dgram_cksum = 0;
    job->header_bytes = (uint8_t)((uint8_t *)(udp + 1) + ARO_DATA_BYTES - job->header);
    job->family = frame->family;
    job->first = get->first;
    job->slice_bytes = get->slice_bytes;
    job->mask = get->mask;
    /* length and residence follow; the echo must be here for a STATUS to a waiting job */
    aro_data_encode(data_header(job), 0, get->slice_bytes, 0, 0, 0, get->echo);
}

void aro_reply_peer(const struct aro_job *job, uint8_t address[16], uint16_t *ret_port)
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    const struct rte_ipv4_hdr *ip4 = (const void *)(job->header + IP_AT);
    const struct rte_ipv6_hdr *ip6 = (const void *)(job->header + IP_AT);
    const struct rte_udp_hdr *udp =
        (const void *)(job->header + job->header_bytes - ARO_DATA_BYTES - sizeof(*udp));

    if (job->family == 4) {
        memcpy(address, v4_mapped, sizeof(v4_mapped));
        memcpy(address + sizeof(v4_mapped), &ip4->dst_addr, 4);
    } else {
        memcpy(address, ip6->dst_addr, 16);
    }
    *ret_port = rte_be_to_cpu_16(udp->dst_port);
}

/* Sets the lengths of the IP and UDP headers and the IPv4 checksum for payload_bytes after UDP. */
static void lengths_write(uint8_t *header, uint8_t header_bytes, uint8_t family,
                          uint16_t payload_bytes)
{
    uint16_t udp_bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + payload_bytes);

    udp_header(header, header_bytes)->dgram_len = rte_cpu_to_be_16(udp_bytes);
    if (family == 4) {
        struct rte_ipv4_hdr *ip = (void *)(header + IP_AT);
        ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_bytes));
        ip->hdr_checksum = 0;
        ip->hdr_checksum = rte_ipv4_cksum(ip);
    } else {
        ((struct rte_ipv6_hdr *)(void *)(header + IP_AT))->payload_len =
            rte_cpu_to_be_16(udp_bytes);
    }
}

void aro_reply_chunk_known(struct aro_job *job)
{
    uint8_t *data = data_header(job);

    data[2] = job->tier;
    aro_store_be32(data + 8, job->entry->len_bytes);
    lengths_write(job->header, job->header_bytes, job->family,
                  (uint16_t)(ARO_DATA_BYTES + job->slice_bytes));
}

/*
 * The one's-complement sum of everything but length, index and payload: pseudo header (addresses,
 * protocol), ports, the rest of the DATA header. The residence changes from turn to turn, so this
 * is done once per turn of a job, not once per packet.
 */
static void turn_begin(struct aro_lcore *lcore, struct aro_job *job)
{
    uint64_t waited_us = (lcore->now_tsc - job->arrival_tsc) / lcore->tsc_per_us;
    uint16_t addresses_at =
        (uint16_t)(IP_AT + (job->family == 4 ? offsetof(struct rte_ipv4_hdr, src_addr)
                                             : offsetof(struct rte_ipv6_hdr, src_addr)));
    uint16_t addresses_bytes = job->family == 4 ? 8 : 32;

    aro_store_be32(data_header(job) + 12,
                   waited_us > UINT32_MAX ? UINT32_MAX : (uint32_t)waited_us);
    job->udp_sum = (uint32_t)rte_raw_cksum(job->header + addresses_at, addresses_bytes) +
                   RTE_BE16(IPPROTO_UDP) +
                   rte_raw_cksum(udp_header(job->header, job->header_bytes), 4) +
                   rte_raw_cksum(data_header(job), ARO_DATA_BYTES);
}

/* Fills UDP's checksum from the job's sum, this packet's length (twice), index and prefix sums. */
static void checksum_by_sums(const struct aro_job *job, struct rte_udp_hdr *udp, uint16_t index,
                             uint16_t payload_sum)
{
    uint32_t sum = job->udp_sum + 2u * udp->dgram_len + rte_cpu_to_be_16(index) + payload_sum;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    udp->dgram_cksum = sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

static void checksum_by_device(const struct aro_job *job, struct rte_mbuf *packet, uint8_t *header,
                               struct rte_udp_hdr *udp)
{
    void *ip = header + IP_AT;

    packet->l2_len = RTE_ETHER_HDR_LEN;
    if (job->family == 4) {
        packet->l3_len = sizeof(struct rte_ipv4_hdr);
        packet->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
        ((struct rte_ipv4_hdr *)ip)->hdr_checksum = 0;
        udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, packet->ol_flags);
    } else {
        packet->l3_len = sizeof(struct rte_ipv6_hdr);
        packet->ol_flags = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
        udp->dgram_cksum = rte_ipv6_phdr_cksum(ip, packet->ol_flags);
    }
}

/* Writes the headers of slice index into packet; returns the slice's offset and length. */
static void slice_header(const struct aro_job *job, struct rte_mbuf *packet, uint16_t index,
                         uint32_t *ret_offset, uint16_t *ret_bytes)
{
    const struct aro_entry *entry = job->entry;
    uint8_t *header = rte_pktmbuf_mtod(packet, uint8_t *);
    struct rte_udp_hdr *udp = udp_header(header, job->header_bytes);
    uint32_t offset = (uint32_t)index * job->slice_bytes;
    uint16_t bytes = (uint16_t)RTE_MIN((uint32_t)job->slice_bytes, entry->len_bytes - offset);
    uint32_t end = offset + bytes;

    memcpy(header, job->header, ARO_HEADER_ROOM);
    aro_store_be16(header + job->header_bytes - ARO_DATA_BYTES + 6, index);
    if (bytes != job->slice_bytes)
        lengths_write(header, job->header_bytes, job->family, (uint16_t)(ARO_DATA_BYTES + bytes));
    if (job->queue->port->checksum_device)
        checksum_by_device(job, packet, header, udp);
    else
        checksum_by_sums(job, udp, index,
                         aro_sums_between(job->sums[offset / ARO_SUM_STEP],
                                          job->sums[(end + ARO_SUM_STEP - 1) / ARO_SUM_STEP]));
    packet->data_len = job->header_bytes;
    packet->pkt_len = job->header_bytes;
    *ret_offset = offset;
    *ret_bytes = bytes;
}

/* Takes the numbers of the next n slices out of the mask. */
static void slices_take(struct aro_job *job, uint16_t index[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        index[i] = (uint16_t)(job->first + __builtin_ctzll(job->mask));
        job->mask &= job->mask - 1;
    }
}

static bool send_by_reference(struct aro_lcore *lcore, struct aro_job *job, unsigned n,
                              uint32_t *ret_bytes)
{
    struct rte_mbuf *packet[ARO_TURN_SLICES_JOB], *slice[ARO_TURN_SLICES_JOB];
    uint16_t index[ARO_TURN_SLICES_JOB];

    if (rte_pktmbuf_alloc_bulk(lcore->headers, packet, n) != 0)
        return false;
    if (aro_extbuf_alloc_burst(lcore->slices, slice, n) != 0) {
        rte_pktmbuf_free_bulk(packet, n);
        return false;
    }
    slices_take(job, index, n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t offset;
        uint16_t bytes;
        slice_header(job, packet[i], index[i], &offset, &bytes);
        aro_extbuf_attach(job, slice[i], offset, bytes);
        packet[i]->next = slice[i];
        packet[i]->nb_segs = 2;
        packet[i]->pkt_len += bytes;
        *ret_bytes += bytes;
        aro_tx_push(job->queue, packet[i]);
    }
    job->handed_out += n;
    lcore->counters.slices_zero_copy += n;
    return true;
}

static bool send_by_copy(struct aro_lcore *lcore, struct aro_job *job, unsigned n,
                         uint32_t *ret_bytes)
{
    struct rte_mbuf *packet[ARO_TURN_SLICES_JOB];
    uint16_t index[ARO_TURN_SLICES_JOB];

    if (rte_pktmbuf_alloc_bulk(lcore->copies, packet, n) != 0)
        return false;
    slices_take(job, index, n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t offset;
        uint16_t bytes;
        slice_header(job, packet[i], index[i], &offset, &bytes);
        memcpy(rte_pktmbuf_append(packet[i], bytes), job->entry->data + offset, bytes);
        *ret_bytes += bytes;
        aro_tx_push(job->queue, packet[i]);
    }
    lcore->counters.slices_copied += n;
    return true;
}

unsigned aro_reply_slices(struct aro_lcore *lcore, struct aro_job *job, unsigned max)
{
    unsigned n = RTE_MIN((unsigned)__builtin_popcountll(job->mask), max);
    uint32_t bytes = 0;
    bool sent;

    turn_begin(lcore, job);
    sent = job->queue->port->zero_copy ? send_by_reference(lcore, job, n, &bytes)
                                       : send_by_copy(lcore, job, n, &bytes);
    if (!sent)
        return 0;
    lcore->counters.slice_bytes += bytes;
    if (job->tier == ARO_TIER_MEMORY)
        lcore->counters.slices_memory += n;
    else
        lcore->counters.slices_disk += n;
    return n;
}

void aro_reply_status(struct aro_frame *frame, const struct aro_status_msg *status)
{
    aro_status_encode(aro_frame_at(frame, frame->payload_at), status);
    aro_udp_turn(frame, ARO_STATUS_BYTES);
}

void aro_reply_token(struct aro_frame *frame, uint64_t echo, const uint8_t token[ARO_TOKEN_BYTES])
{
    struct aro_token_msg message = {.echo = echo, .life_s = ARO_TOKEN_LIFE_MS / 1000};

    memcpy(message.token, token, ARO_TOKEN_BYTES);
    aro_token_encode(aro_frame_at(frame, frame->payload_at), &message);
    aro_udp_turn(frame, ARO_TOKEN_MSG_BYTES);
}

struct rte_mbuf *aro_reply_job_status(struct aro_lcore *lcore, const struct aro_job *job,
                                      struct aro_status_msg *status)
{
    struct rte_mbuf *packet = rte_pktmbuf_alloc(lcore->headers);
    uint16_t before_data = (uint16_t)(job->header_bytes - ARO_DATA_BYTES);
    struct rte_udp_hdr *udp;
    uint8_t *header;
    uint32_t sum;

    if (packet == NULL)
        return NULL;
    header = rte_pktmbuf_mtod(packet, uint8_t *);
    memcpy(header, job->header, ARO_HEADER_ROOM);
    status->echo = aro_load_be64(job->header + before_data + 16);
    aro_status_encode(header + before_data, status);
    lengths_write(header, job->header_bytes, job->family, ARO_STATUS_BYTES);
    udp = udp_header(header, job->header_bytes);
    udp->dgram_cksum = 0;
    sum = job->family == 4 ? rte_ipv4_udptcp_cksum((void *)(header + IP_AT), udp)
                           : rte_ipv6_udptcp_cksum((void *)(header + IP_AT), udp);
    udp->dgram_cksum = (uint16_t)sum;
    packet->data_len = packet->pkt_len = (uint16_t)(before_data + ARO_STATUS_BYTES);
    return packet;
}
