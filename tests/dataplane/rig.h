/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An lcore on a workbench: a real net_ring port, a real cache, no thread.
 *
 * The test is the wire: it builds request frames, lets the lcore turn, and takes what was sent.
 * Time moves only as the TSC does; nothing sleeps. EAL runs without hugepages.
 */
#ifndef ARO_TESTS_DATAPLANE_RIG_H
#define ARO_TESTS_DATAPLANE_RIG_H

#include <stdalign.h>

#include "dataplane/lcore.h"
#include "dataplane/proto/codec.h"
#include "dataplane/state.h"

enum {
    RIG_FRAME_BYTES = 2048,
    RIG_REGION_BYTES = 64 << 20,
    RIG_REGION_TINY_BYTES = 8 << 20,
    RIG_WIRES = 2,
};

struct rig {
    struct aro_dataplane *dataplane;
    struct aro_lcore *lcore; /* the one at hand: rig_use */
    struct aro_cache *cache;
    struct aro_uring *ring;   /* of the store's writer; NULL: memory only */
    struct aro_store *store;  /* of the first disk */
    struct aro_store *second; /* of the second, if there is one */
    struct aro_disks *disks;
    char directory[64];
    void *region;
    size_t region_bytes;
    unsigned at; /* number of the wire, and of its lcore, at hand */
    struct rte_ring *to_port[RIG_WIRES], *from_port[RIG_WIRES];
    struct rte_mempool *wire; /* frames that the test sends */
    uint8_t mac[6];           /* of the port */
    uint16_t client_port;     /* source port of the requests */
    uint8_t family;           /* 4 or 6 */
    uint8_t token[ARO_TOKEN_BYTES];
};

/* One frame that came out of the port, flattened. */
struct rig_frame {
    uint32_t bytes;
    bool chained;                              /* it was a zero-copy slice */
    alignas(8) uint8_t frame[RIG_FRAME_BYTES]; /* headers are read in place */
    const uint8_t *payload;                    /* of UDP; NULL: not UDP to the client */
    uint32_t payload_bytes;
};

/* Once per process. memory_mib: EAL's. */
void rig_eal_start(unsigned memory_mib);

/* tweak may be NULL; it changes the configuration before the data plane is made. */
struct rig *rig_create(void (*tweak)(struct aro_dataplane_config *config));
/* The same with the smallest cache there may be: chunk memory is reused all the time. */
struct rig *rig_create_tiny(void (*tweak)(struct aro_dataplane_config *config));
/* The same with a store in a directory of its own, and two wires with an lcore each. */
struct rig *rig_create_store(void (*tweak)(struct aro_dataplane_config *config));
/* The same with two disks. */
struct rig *rig_create_disks(void (*tweak)(struct aro_dataplane_config *config));
void rig_destroy(struct rig *rig);
/* From here on send, turn and take mean this wire and its lcore. */
void rig_use(struct rig *rig, unsigned wire);

/* Puts a chunk of len bytes, pseudo-random from seed, into the cache; returns its id. */
struct aro_id rig_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed);
/* Puts such a chunk onto the disk only. */
struct aro_id rig_stored_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed);
/* The same onto the second disk. */
struct aro_id rig_second_chunk(struct rig *rig, uint32_t len_bytes, uint64_t seed);
void rig_chunk_bytes(uint8_t *bytes, uint32_t len_bytes, uint64_t seed);

/* Sends a UDP payload to the service port (checksums right), or a whole frame. */
void rig_send(struct rig *rig, const void *payload, uint32_t payload_bytes);
void rig_send_frame(struct rig *rig, const void *frame, uint32_t bytes);
/* Sends a GET with the rig's token. */
void rig_get(struct rig *rig, const struct aro_id *id, uint16_t slice_bytes, uint16_t first,
             uint64_t mask, uint64_t echo);
/* Obtains a token by asking without one. */
void rig_validate(struct rig *rig);

void rig_turn(struct rig *rig, unsigned turns);
/* The next frame that left the port; false: none. Verifies IP and UDP checksums (asserts). */
bool rig_take(struct rig *rig, struct rig_frame *ret);
/* Asserts both sums of counters.def. */
void rig_check_balance(const struct rig *rig);

#endif
