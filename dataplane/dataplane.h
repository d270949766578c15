/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path as the control thread sees it: make ports, make lcores, start, watch, stop.
 *
 * Order: EAL is up -> aro_region_create -> cache (over the region) -> store ->
 * aro_dataplane_create -> aro_dataplane_start -> ... aro_dataplane_poll ... -> aro_dataplane_stop
 * -> aro_dataplane_destroy -> store, cache, region.
 *
 * Everything here is for the control thread. While lcores run it only reads their counters and
 * exchanges messages through rings; it can stall without harming a packet.
 */
#ifndef ARO_DATAPLANE_DATAPLANE_H
#define ARO_DATAPLANE_DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/base/error.h"
#include "cache/top.h"
#include "dataplane/counters.h"
#include "dataplane/profile.h"

struct aro_cache;
struct aro_disks;
struct aro_disk_reader_stats;
struct aro_dataplane;

enum {
    ARO_PORTS_MAX = 8,
    ARO_LCORES_MAX = 32, /* of the data plane */
    ARO_ADDRESSES_MAX = 8,
    ARO_PROFILES_MAX = 32,
};

/* An address of a port, as configured: "10.9.0.1/24", "fd09::1/64". */
struct aro_address {
    uint8_t family;     /* 4 or 6 */
    uint8_t prefix_len; /* bits */
    uint8_t bytes[16];  /* network order; IPv4 in the first four */
};

struct aro_port_config {
    char name[32];    /* title of the block */
    char device[256]; /* "0000:3b:00.0", "net_tap0,iface=aro0", "net_af_packet0,iface=va" */
    struct aro_address address[ARO_ADDRESSES_MAX];
    unsigned addresses;
    unsigned lcore[ARO_LCORES_MAX]; /* EAL lcore ids that poll it, one queue each */
    unsigned lcores;
    uint16_t mtu;           /* 1280..9000 */
    bool reply_via_gateway; /* answers go to gateway_mac, not to the requester's source */
    uint8_t gateway_mac[6];
};

struct aro_limits {
    uint64_t ceiling_bytes_per_s;     /* per source address (/32, /64); 0: none */
    uint64_t ceiling_net_bytes_per_s; /* per /24 and /56; 0: none */
    uint32_t challenges_per_s;        /* TOKEN answers to unvalidated sources, whole node */
    uint32_t challenges_net_per_s;    /* the same per /24 and /56 */
};

enum aro_idle {
    ARO_IDLE_ADAPTIVE = 0, /* poll, then pause, then micro-sleep */
    ARO_IDLE_POLL = 1,
};

struct aro_dataplane_config {
    struct aro_cache *cache;
    struct aro_disks *disks; /* NULL: memory only */
    void *region;            /* of the cache */
    size_t region_bytes;
    uint16_t service_port; /* host order */
    enum aro_idle idle;
    uint32_t jobs_per_lcore;      /* answers under way, 64..65536 */
    uint32_t pending_per_lcore;   /* requests that wait for a read, 64..65536 */
    uint32_t reads_per_lcore;     /* disk reads in flight per disk, power of two 8..1024 */
    uint32_t pending_deadline_us; /* longest wait for a read */
    uint32_t poll_disks;          /* a bit for each disk whose device allows it */
    struct aro_limits limits;
    uint32_t sample_every; /* one of so many requests leaves a sample; 0: none */
    struct aro_port_config port[ARO_PORTS_MAX];
    unsigned ports;
    struct aro_profile profile[ARO_PROFILES_MAX];
    unsigned profiles;
};

/* Pin slots each reader of the cache needs for this configuration. */
uint32_t aro_dataplane_pins(const struct aro_dataplane_config *config);

/*
 * Chunk memory that a NIC can read: hugepages when there are enough, else ordinary pages. NULL with
 * *error (4xxx). Zeroed.
 */
void *aro_region_create(size_t bytes, bool *ret_huge, struct aro_error *error);
/*
 * Brings in the pages of a part, at a multiple of the page size. 0 or -errno (EINVAL: this kernel
 * cannot; they come as they are touched).
 */
int aro_region_populate(void *region, size_t at, size_t bytes);
void aro_region_destroy(void *region, size_t bytes);

/* Probes and configures the devices, makes the per-lcore state. NULL with *error (3xxx, 4xxx). */
struct aro_dataplane *aro_dataplane_create(const struct aro_dataplane_config *config,
                                           struct aro_error *error);
/* Starts the ports and launches the lcores; returns when every one runs. 0 or -1 with *error. */
int aro_dataplane_start(struct aro_dataplane *dataplane, struct aro_error *error);
/* All pages of the region are there: the lcores register it for their reads. */
void aro_dataplane_region_present(struct aro_dataplane *dataplane);
/* Stops the lcores (what is under way is given up and counted partial) and the ports. */
void aro_dataplane_stop(struct aro_dataplane *dataplane);
void aro_dataplane_destroy(struct aro_dataplane *dataplane); /* takes NULL */

/* Readable when the lcores want something (memory, a quarantine): then call poll. */
int aro_dataplane_fd(const struct aro_dataplane *dataplane);
/* Takes the lcores' messages, draws new token keys when due. Call at least once a second. */
void aro_dataplane_poll(struct aro_dataplane *dataplane);

/* ---- watching ---- */

struct aro_port_info {
    const char *name;
    const char *device;
    const char *driver;  /* "net_tap" */
    const char *profile; /* name of the profile in use */
    const char *note;    /* of the profile */
    uint8_t mac[6];
    uint16_t mtu;
    uint16_t queues;
    bool link_up;
    uint32_t link_mbps; /* 0: unknown */
    bool zero_copy;
    const char *zero_copy_why;
    bool checksum_device;
    const char *checksum_why;
    /* the device's own counters */
    uint64_t rx_packets, rx_bytes, rx_missed, rx_errors;
    uint64_t tx_packets, tx_bytes, tx_errors;
};

struct aro_lcore_info {
    unsigned lcore; /* EAL id */
    unsigned cpu;
    bool running;
    uint32_t jobs_now;     /* answers under way */
    uint32_t draining_now; /* sent, but the port still holds packets */
    uint32_t pending_now;  /* requests that wait */
    uint32_t reads_now;    /* disk reads in flight */
    uint64_t loops;        /* advances while the lcore is alive */
    const struct aro_counters *counters;
    bool read_fixed_buffers;
    bool read_fixed_files;
    bool has_disk_ring;
};

unsigned aro_dataplane_ports(const struct aro_dataplane *dataplane);
/* port < ports. Asks the driver: not for a hot path. */
void aro_dataplane_port_info(struct aro_dataplane *dataplane, unsigned port,
                             struct aro_port_info *ret);
unsigned aro_dataplane_lcores(const struct aro_dataplane *dataplane);
void aro_dataplane_lcore_info(const struct aro_dataplane *dataplane, unsigned lcore,
                              struct aro_lcore_info *ret);
/* What the lcores read from one disk: their sum, added to *ret; and what is in flight now. */
void aro_dataplane_disk_stats(const struct aro_dataplane *dataplane, unsigned disk,
                              struct aro_disk_reader_stats *ret, uint64_t *ret_reads_now);
/* Sum over the lcores. */
void aro_dataplane_counters(const struct aro_dataplane *dataplane, struct aro_counters *ret);

enum aro_outcome {
    ARO_OUTCOME_HIT = 0,     /* from memory */
    ARO_OUTCOME_MISS = 1,    /* after a disk read */
    ARO_OUTCOME_ABSENT = 2,  /* STATUS NOT_FOUND */
    ARO_OUTCOME_REFUSED = 3, /* another STATUS */
};

/* One request of a validated source, for the sampled request log. */
struct aro_request_sample {
    uint64_t age_us;       /* how long ago it was settled */
    uint8_t id[8];         /* the first bytes of the chunk's id */
    uint8_t source[16];    /* IPv4 addresses are v4-mapped */
    uint16_t source_port;  /* host order */
    uint8_t slices;        /* sent */
    uint8_t status;        /* enum aro_status; 0: answered with slices */
    uint32_t residence_us; /* from its arrival to its last slice or STATUS */
    enum aro_outcome outcome;
    unsigned lcore;
};

/* Takes up to max samples that wait; returns how many. */
unsigned aro_dataplane_samples(struct aro_dataplane *dataplane, struct aro_request_sample ret[],
                               unsigned max);

/*
 * The chunks asked for most of late, at most max of them, most first: how many, and in *ret_window
 * how many samples all shares are of (0: no request yet). Of the requests that came as far as a
 * look into the cache one in ARO_TOP_EVERY is a sample.
 */
unsigned aro_dataplane_top(const struct aro_dataplane *dataplane, struct aro_top_item ret[],
                           unsigned max, uint64_t *ret_window);

/* Of the TSC: what counters ending in _cycles count. */
double aro_dataplane_cycles_per_s(const struct aro_dataplane *dataplane);

/* A memory pool, for `aroctl status` and the documentation: who uses it, how large it is. */
struct aro_pool_info {
    const char *name;
    const char *purpose;
    uint64_t bytes;
    uint32_t items, items_free_now;
};
unsigned aro_dataplane_pools(const struct aro_dataplane *dataplane);
void aro_dataplane_pool_info(const struct aro_dataplane *dataplane, unsigned pool,
                             struct aro_pool_info *ret);

#endif
