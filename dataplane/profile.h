/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is particular about a family of devices: one file of pmd-config/ each, read at start and
 * matched by DPDK driver name. Plain data.
 */
#ifndef ARO_DATAPLANE_PROFILE_H
#define ARO_DATAPLANE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

enum aro_choice {
    ARO_CHOICE_AUTO = 0, /* what the device advertises */
    ARO_CHOICE_ON = 1,
    ARO_CHOICE_OFF = 2,
};

/* What an idle lcore waits for, besides time. */
enum aro_wait {
    ARO_WAIT_SLEEP = 0,         /* nothing: micro-sleeps */
    ARO_WAIT_DESCRIPTOR = 1,    /* the queue's, where it is the device itself (tap) */
    ARO_WAIT_PACKET_SOCKET = 2, /* the driver's AF_PACKET socket */
    ARO_WAIT_XDP_SOCKET = 3,    /* the driver's AF_XDP socket; one such port per process */
};

struct aro_profile {
    char name[32];           /* of the profile: "tap" */
    char driver[32];         /* DPDK driver name it matches: "net_tap"; "*" is the fallback */
    uint16_t rx_descriptors; /* wished ring sizes; the device's limits win */
    uint16_t tx_descriptors;
    uint16_t rx_burst;         /* packets per receive call, 1..64 */
    uint16_t queues_max;       /* queue pairs to use at most */
    enum aro_choice checksum;  /* UDP/IPv4 transmit checksum by the device */
    enum aro_choice zero_copy; /* external buffers */
    /*
     * Accept UDP whose checksum field holds only the pseudo-header sum: a local sender's kernel
     * left it to a device that was never passed (af_packet on veth). Such a packet never crossed a
     * real wire.
     */
    bool rx_partial_checksum;
    bool mtu_of_interface; /* the kernel interface below has the say, not the driver */
    enum aro_wait idle_wait;
    uint32_t idle_sleep_us_max; /* longest micro-sleep with this device, 0..1000 */
    char note[160];             /* why: shown by `aroctl ports` */
};

#endif
