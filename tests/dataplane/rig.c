/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "cache/base/sha256.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const uint8_t client_mac[6] = {0x02, 0, 0, 0, 0, 0x99};
static const uint8_t server6[16] = {0xfd, 9, [15] = 1};
static const uint8_t client6[16] = {0xfd, 9, [15] = 2};
static const uint32_t server4 = RTE_IPV4(10, 9, 0, 1);
static const uint32_t client4 = RTE_IPV4(10, 9, 0, 2);

void rig_eal_start(unsigned memory_mib)
{
    char memory[16], prefix[64];
    char *argv[] = {(char[]){"rig"},
                    (char[]){"--no-huge"},
                    (char[]){"--no-shconf"},
                    (char[]){"--no-pci"},
                    (char[]){"--no-telemetry"},
                    (char[]){"--log-level=*:error"},
                    (char[]){"--lcores"},
                    (char[]){"0@0,1@0,2@0"},
                    (char[]){"-m"},
                    memory,
                    prefix};

    snprintf(memory, sizeof(memory), "%u", memory_mib);
    snprintf(prefix, sizeof(prefix), "--file-prefix=rig%d", (int)getpid());
    MUST(rte_eal_init(RTE_DIM(argv), argv) >= 0);
}

static void port_fill(struct aro_port_config *port, unsigned wire)
{
    snprintf(port->name, sizeof(port->name), "rig%u", wire);
    snprintf(port->device, sizeof(port->device), "net_ring_rig%u", wire);
    port->address[0] = (struct aro_address){.family = 4, .prefix_len = 24, .bytes = {10, 9, 0, 1}};
    port->address[1] = (struct aro_address){.family = 6, .prefix_len = 64};
    memcpy(port->address[1].bytes, server6, 16);
    port->addresses = 2;
    port->lcore[0] = wire + 1;
    port->lcores = 1;
    port->mtu = 1500;
}

static void config_fill(struct rig *rig, struct aro_dataplane_config *config)
{
    *config = (struct aro_dataplane_config){
        .cache = rig->cache,
        .region = rig->region,
        .region_bytes = rig->region_bytes,
        .service_port = ARO_WIRE_PORT,
        .idle = ARO_IDLE_POLL,
        .jobs_per_lcore = 256,
        .pending_per_lcore = 64,
        .reads_per_lcore = 16,
        .pending_deadline_us = 2000000,
        .limits = {.challenges_per_s = 1000000, .challenges_net_per_s = 1000000},
        .ports = 1,
        .profiles = 1,
        .profile[0] = {.name = "rig", .driver = "*", .rx_burst = 32},
    };
    config->disks = rig->disks;
    for (unsigned wire = 0; wire < RIG_WIRES; wire++)
        port_fill(&config->port[wire], wire);
    config->ports = rig->store == NULL ? 1 : RIG_WIRES;
}

static void cache_open(struct rig *rig)
{
    struct aro_error error = {0};
    bool huge;

    rig->region = aro_region_create(rig->region_bytes, &huge, &error);
    MUST(rig->region != NULL);
    const struct aro_cache_config config = {.region = rig->region,
                                            .region_bytes = rig->region_bytes,
                                            .readers_max = RIG_WIRES,
                                            .pins_per_reader = 1024,
                                            .seed = 1};
    rig->cache = aro_cache_create(&config, &error);
    MUST(rig->cache != NULL);
}

static void wire_open(struct rig *rig, unsigned wire)
{
    char name[RTE_RING_NAMESIZE];

    snprintf(name, sizeof(name), "rig-rx-%u", wire);
    rig->to_port[wire] = rte_ring_create(name, 1024, SOCKET_ID_ANY, 0);
    snprintf(name, sizeof(name), "rig-tx-%u", wire);
    rig->from_port[wire] = rte_ring_create(name, 4096, SOCKET_ID_ANY, 0);
    snprintf(name, sizeof(name), "rig%u", wire);
    MUST(rig->to_port[wire] != NULL && rig->from_port[wire] != NULL);
    MUST(rte_eth_from_rings(name, &rig->to_port[wire], 1, &rig->from_port[wire], 1, 0) >= 0);
}

static struct aro_store *disk_open(struct rig *rig, const char *name, const char *path)
{
    struct aro_error error = {0};
    const struct aro_store_config config = {.path = path,
                                            .size_bytes = 256 << 20,
                                            .segment_bytes = 16 << 20,
                                            .ring = rig->ring,
                                            .qsbr = aro_cache_qsbr(rig->cache)};
    struct aro_store *store = aro_store_open(&config, NULL, NULL, &error);

    if (store == NULL)
        fprintf(stderr, "rig: %s\n", error.text);
    MUST(store != NULL && aro_disks_add(rig->disks, name, store) == 0);
    return store;
}

static void disks_open(struct rig *rig, unsigned disks)
{
    char path[96];

    snprintf(rig->directory, sizeof(rig->directory), "/var/tmp/aro-rig-XXXXXX");
    MUST(mkdtemp(rig->directory) != NULL);
    rig->ring = aro_uring_create(64);
    rig->disks = aro_disks_create();
    MUST(rig->ring != NULL && rig->disks != NULL);
    rig->store = disk_open(rig, "first", rig->directory);
    snprintf(path, sizeof(path), "%s/second", rig->directory);
    if (disks > 1)
        rig->second = disk_open(rig, "second", path);
}

static void dataplane_open(struct rig *rig, void (*tweak)(struct aro_dataplane_config *config))
{
    struct aro_dataplane_config *config = calloc(1, sizeof(*config));
    struct aro_error error = {0};

    MUST(config != NULL);
    config_fill(rig, config);
    if (tweak != NULL)
        tweak(config);
    rig->dataplane = aro_dataplane_create(config, &error);
    if (rig->dataplane == NULL)
        fprintf(stderr, "rig: %s\n", error.text);
    MUST(rig->dataplane != NULL);
    free(config);
    aro_dataplane_region_present(rig->dataplane);
    for (unsigned i = 0; i < rig->dataplane->ports; i++) {
        MUST(aro_port_start(&rig->dataplane->port[i], &error) == 0);
        aro_lcore_open(rig->dataplane->lcore[i]);
    }
    rig_use(rig, 0);
}

static struct rig *create(unsigned disks, size_t region_bytes,
                          void (*tweak)(struct aro_dataplane_config *config))
{
    struct rig *rig = calloc(1, sizeof(*rig));

    MUST(rig != NULL);
    rig->region_bytes = region_bytes;
    rig->client_port = 40000;
    rig->family = 4;
    cache_open(rig);
    if (disks > 0)
        disks_open(rig, disks);
    for (unsigned wire = 0; wire < RIG_WIRES; wire++)
        wire_open(rig, wire);
    rig->wire = rte_pktmbuf_pool_create("rig-wire", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    MUST(rig->wire != NULL);
    dataplane_open(rig, tweak);
    return rig;
}

struct rig *rig_create(void (*tweak)(struct aro_dataplane_config *config))
{
    return create(0, RIG_REGION_BYTES, tweak);
}

struct rig *rig_create_tiny(void (*tweak)(struct aro_dataplane_config *config))
{
    return create(0, RIG_REGION_TINY_BYTES, tweak);
}

struct rig *rig_create_store(void (*tweak)(struct aro_dataplane_config *config))
{
    return create(1, RIG_REGION_BYTES, tweak);
}

struct rig *rig_create_disks(void (*tweak)(struct aro_dataplane_config *config))
{
    return create(2, RIG_REGION_BYTES, tweak);
}

void rig_use(struct rig *rig, unsigned wire)
{
    MUST(wire < rig->dataplane->lcores);
    rig->at = wire;
    rig->lcore = rig->dataplane->lcore[wire];
    memcpy(rig->mac, rig->dataplane->port[wire].mac.addr_bytes, 6);
}

static void disks_close(struct rig *rig)
{
    char command[96];

    if (rig->store == NULL)
        return;
    aro_disks_destroy(rig->disks);
    aro_uring_destroy(rig->ring);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->directory);
    MUST(system(command) == 0);
}

void rig_destroy(struct rig *rig)
{
    struct rig_frame left;

    for (unsigned i = 0; i < rig->dataplane->lcores; i++) {
        rig_use(rig, i);
        aro_lcore_close(rig->lcore);
        while (rig_take(rig, &left))
            continue;
        aro_port_stop(&rig->dataplane->port[i]);
    }
    aro_dataplane_destroy(rig->dataplane);
    disks_close(rig);
    aro_cache_destroy(rig->cache);
    aro_region_destroy(rig->region, rig->region_bytes);
    for (unsigned wire = 0; wire < RIG_WIRES; wire++) {
        rte_ring_free(rig->to_port[wire]);
        rte_ring_free(rig->from_port[wire]);
    }
    rte_mempool_free(rig->wire);
    free(rig);
}

void rig_chunk_bytes(uint8_t *bytes, uint32_t len_bytes, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

    for (uint32_t i = 0; i < len_bytes; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)x;
    }
}

struct aro_id rig_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed)
{
    struct aro_entry *entry;
    struct aro_id id;

    while (aro_cache_maintain(rig->cache, 64))
        continue;
    MUST(aro_cache_alloc(rig->cache, len_bytes, &entry) == 0);
    rig_chunk_bytes(entry->data, len_bytes, seed);
    id = aro_sha256(entry->data, len_bytes);
    entry->id = id;
    int error = aro_cache_insert(rig->cache, entry);
    MUST(error == 0 || error == -EEXIST);
    return id;
}

struct stored {
    struct aro_store_op op;
    bool done;
};

static void store_done(struct aro_store_op *op, int result)
{
    MUST(result == 0);
    ((struct stored *)(void *)op)->done = true;
}

static void store_wait(struct rig *rig, struct aro_store *store, const struct stored *stored)
{
    while (!stored->done) {
        aro_uring_poll(rig->ring, 64);
        aro_store_poll(store);
    }
}

static struct aro_id store_chunk(struct rig *rig, struct aro_store *store, uint32_t len_bytes,
                                 uint64_t seed)
{
    uint8_t *data = aligned_alloc(4096, RTE_ALIGN(len_bytes, 4096));
    struct stored append = {.op.done = store_done}, sync = {.op.done = store_done};
    uint64_t mark = aro_store_mark(store);
    struct aro_id id;

    MUST(data != NULL);
    rig_chunk_bytes(data, len_bytes, seed);
    id = aro_sha256(data, len_bytes);
    MUST(aro_store_append(store, &append.op, &id, data, len_bytes) == 0);
    store_wait(rig, store, &append);
    MUST(aro_store_sync(store, &sync.op, mark) == 0);
    store_wait(rig, store, &sync);
    free(data);
    return id;
}

struct aro_id rig_stored_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed)
{
    return store_chunk(rig, rig->store, len_bytes, seed);
}

struct aro_id rig_second_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed)
{
    return store_chunk(rig, rig->second, len_bytes, seed);
}

void rig_send_frame(struct rig *rig, const void *frame, uint32_t bytes)
{
    struct rte_mbuf *packet = rte_pktmbuf_alloc(rig->wire);

    MUST(packet != NULL && rte_pktmbuf_tailroom(packet) >= bytes);
    memcpy(rte_pktmbuf_append(packet, (uint16_t)bytes), frame, bytes);
    MUST(rte_ring_enqueue(rig->to_port[rig->at], packet) == 0);
}

static uint32_t network_write(const struct rig *rig, uint8_t *at, uint16_t udp_bytes)
{
    if (rig->family == 4) {
        struct rte_ipv4_hdr *ip = (void *)at;
        *ip = (struct rte_ipv4_hdr){
            .version_ihl = RTE_IPV4_VHL_DEF,
            .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + udp_bytes)),
            .time_to_live = 64,
            .next_proto_id = IPPROTO_UDP,
            .src_addr = rte_cpu_to_be_32(client4),
            .dst_addr = rte_cpu_to_be_32(server4),
        };
        ip->hdr_checksum = rte_ipv4_cksum(ip);
        return sizeof(*ip);
    }
    struct rte_ipv6_hdr *ip = (void *)at;
    *ip = (struct rte_ipv6_hdr){
        .vtc_flow = RTE_BE32(6u << 28),
        .payload_len = rte_cpu_to_be_16(udp_bytes),
        .proto = IPPROTO_UDP,
        .hop_limits = 64,
    };
    memcpy(ip->src_addr, client6, 16);
    memcpy(ip->dst_addr, server6, 16);
    return sizeof(*ip);
}

void rig_send(struct rig *rig, const void *payload, uint32_t payload_bytes)
{
    uint8_t frame[RIG_FRAME_BYTES] = {0};
    struct rte_ether_hdr *ether = (void *)frame;
    uint16_t udp_bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + payload_bytes);
    uint8_t *ip = (uint8_t *)(ether + 1);
    struct rte_udp_hdr *udp = (void *)(ip + network_write(rig, ip, udp_bytes));

    memcpy(ether->dst_addr.addr_bytes, rig->mac, 6);
    memcpy(ether->src_addr.addr_bytes, client_mac, 6);
    ether->ether_type =
        rig->family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
    udp->src_port = rte_cpu_to_be_16(rig->client_port);
    udp->dst_port = rte_cpu_to_be_16(ARO_WIRE_PORT);
    udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
    memcpy(udp + 1, payload, payload_bytes);
    udp->dgram_cksum = rig->family == 4 ? rte_ipv4_udptcp_cksum((void *)ip, udp)
                                        : rte_ipv6_udptcp_cksum((void *)ip, udp);
    rig_send_frame(rig, frame, (uint32_t)((uint8_t *)udp + udp_bytes - frame));
}

void rig_get(struct rig *rig, const struct aro_id *id, uint16_t slice_bytes, uint16_t first,
             uint64_t mask, uint64_t echo)
{
    struct aro_get get = {
        .id = *id, .mask = mask, .echo = echo, .slice_bytes = slice_bytes, .first = first};
    uint8_t message[ARO_GET_BYTES];

    memcpy(get.token, rig->token, sizeof(get.token));
    aro_get_encode(message, &get);
    rig_send(rig, message, sizeof(message));
}

void rig_validate(struct rig *rig)
{
    struct aro_id nothing = {{1}};
    struct aro_token_msg token;
    struct rig_frame frame;

    memset(rig->token, 0, sizeof(rig->token));
    rig_get(rig, &nothing, 1408, 0, 1, 42);
    rig_turn(rig, 1);
    MUST(rig_take(rig, &frame));
    MUST(aro_token_decode(frame.payload, frame.payload_bytes, &token) == 0 && token.echo == 42);
    memcpy(rig->token, token.token, sizeof(rig->token));
    MUST(!rig_take(rig, &frame));
}

void rig_turn(struct rig *rig, unsigned turns)
{
    while (turns-- != 0)
        aro_lcore_turn(rig->lcore);
}

static bool sums_to_ones(const struct rte_udp_hdr *udp, uint16_t pseudo)
{
    uint32_t sum = (uint32_t)pseudo + rte_raw_cksum(udp, rte_be_to_cpu_16(udp->dgram_len));

    return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

/* Finds the UDP payload and checks lengths and checksums on the way. */
static void frame_parse(const struct rig *rig, struct rig_frame *frame)
{
    const struct rte_ether_hdr *ether = (const void *)frame->frame;
    const void *ip = ether + 1;
    const struct rte_udp_hdr *udp;

    frame->payload = NULL;
    if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
        const struct rte_ipv4_hdr *ip4 = ip;
        MUST(rte_raw_cksum(ip4, sizeof(*ip4)) == 0xffff);
        MUST(rte_be_to_cpu_16(ip4->total_length) + sizeof(*ether) == frame->bytes);
        if (ip4->next_proto_id != IPPROTO_UDP || ip4->dst_addr != rte_cpu_to_be_32(client4))
            return;
        udp = (const void *)(ip4 + 1);
        MUST(sums_to_ones(udp, rte_ipv4_phdr_cksum(ip4, 0)));
    } else if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
        const struct rte_ipv6_hdr *ip6 = ip;
        MUST(rte_be_to_cpu_16(ip6->payload_len) + sizeof(*ether) + sizeof(*ip6) == frame->bytes);
        if (ip6->proto != IPPROTO_UDP)
            return;
        udp = (const void *)(ip6 + 1);
        MUST(sums_to_ones(udp, rte_ipv6_phdr_cksum(ip6, 0)));
    } else {
        return;
    }
    MUST(udp->dgram_cksum != 0);
    MUST(rte_be_to_cpu_16(udp->dst_port) == rig->client_port);
    MUST(memcmp(ether->dst_addr.addr_bytes, client_mac, 6) == 0);
    frame->payload = (const uint8_t *)(udp + 1);
    frame->payload_bytes = rte_be_to_cpu_16(udp->dgram_len) - (uint32_t)sizeof(*udp);
}

bool rig_take(struct rig *rig, struct rig_frame *ret)
{
    struct rte_mbuf *packet;
    void *object;
    const void *bytes;

    if (rte_ring_dequeue(rig->from_port[rig->at], &object) != 0)
        return false;
    packet = object;
    rte_mbuf_sanity_check(packet, 1);
    ret->chained = packet->nb_segs > 1;
    ret->bytes = packet->pkt_len;
    MUST(ret->bytes <= RIG_FRAME_BYTES);
    bytes = rte_pktmbuf_read(packet, 0, ret->bytes, ret->frame);
    if (bytes != ret->frame)
        memcpy(ret->frame, bytes, ret->bytes);
    rte_pktmbuf_free(packet);
    frame_parse(rig, ret);
    return true;
}

void rig_check_balance(const struct rig *rig)
{
    const struct aro_counters *c = &rig->lcore->counters;
    uint64_t drops_frame = 0, drops_request = 0;

    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        if (aro_counter_infos[i].layer == 'f')
            drops_frame += aro_counter_read(c, &aro_counter_infos[i]);
        if (aro_counter_infos[i].layer == 'r')
            drops_request += aro_counter_read(c, &aro_counter_infos[i]);
    }
    MUST(c->rx_packets ==
         c->arp_replies + c->nd_replies + c->icmp_replies + drops_frame + c->requests);
    MUST(c->requests == c->answered + c->partial + c->refused + c->challenged + drops_request +
                            rig->lcore->jobs_now + rig->lcore->pending_now);
}
