/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: one DPDK device, configured by what it advertises and what its profile says.
 *
 * Fields are constant while lcores run; they are written by the control thread at start only.
 */
#ifndef ARO_DATAPLANE_PORT_H
#define ARO_DATAPLANE_PORT_H

#include <rte_ethdev.h>

#include "dataplane/dataplane.h"

enum { ARO_PORT_ADDRESSES_MAX = ARO_ADDRESSES_MAX + 1 /* the link-local one */ };

struct aro_port {
    /* packet path */
    uint16_t id; /* DPDK's port number */
    uint16_t mtu;
    uint16_t service_port_be;
    uint16_t rx_burst;
    bool zero_copy;           /* slices go out as external buffers */
    bool checksum_device;     /* the device fills IPv4 and UDP checksums on transmit */
    bool rx_checksum_device;  /* the device reports receive checksums */
    bool rx_partial_checksum; /* see struct aro_profile */
    bool reply_via_gateway;
    struct rte_ether_addr mac;
    struct rte_ether_addr gateway_mac;
    uint8_t addresses4, addresses6;
    uint32_t address4_be[ARO_PORT_ADDRESSES_MAX];
    uint8_t address6[ARO_PORT_ADDRESSES_MAX][16];

    /* rest */
    uint16_t rx_descriptors, tx_descriptors;
    uint16_t queues;
    struct aro_profile profile;
    struct aro_port_config config;
    char driver[32];
    char zero_copy_why[128];
    char checksum_why[128];
};

/*
 * Finds the device of config among EAL's ports, decides what to use, sets up nothing yet.
 * profiles: to match by driver name. 0, or -1 with *error (3xxx).
 */
int aro_port_probe(struct aro_port *port, const struct aro_port_config *config,
                   const struct aro_profile *profiles, unsigned profiles_count,
                   uint16_t service_port, struct aro_error *error);
/* Makes chunk memory readable for the device where that takes a mapping. Failing means: copy. */
void aro_port_map(struct aro_port *port, void *region, size_t region_bytes);
/* Configures queues: pool[q] feeds queue q. 0, or -1 with *error. */
int aro_port_configure(struct aro_port *port, struct rte_mempool *const pool[],
                       struct aro_error *error);
int aro_port_start(struct aro_port *port, struct aro_error *error);
void aro_port_stop(struct aro_port *port);
void aro_port_info(const struct aro_port *port, struct aro_port_info *ret);

/* Bytes of the largest Ethernet frame of this port. */
static inline uint32_t aro_port_frame_bytes(const struct aro_port *port)
{
    return (uint32_t)port->mtu + RTE_ETHER_HDR_LEN;
}

#endif
