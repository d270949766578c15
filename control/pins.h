/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What operators pinned: objects and chunks whose chunks the cache keeps in memory.
 *
 * Two pinned objects may share chunks, so each chunk has a count of the pins that want it
 * (control/claims.h); the cache keeps it while there is one. Memory is counted once per chunk, as
 * the cache hands it out, and bounded. Pins live in this process only.
 *
 * Control thread only. About 72 bytes per chunk.
 */
#ifndef ARO_CONTROL_PINS_H
#define ARO_CONTROL_PINS_H

#include "cache/base/error.h"
#include "cache/cache.h"
#include "control/claims.h"

struct aro_pins;

/* One pinned object or chunk. */
struct aro_pin {
    struct aro_id id;
    enum aro_kind kind;
    bool complete; /* every chunk is kept; until then it is being pinned, or being unpinned */
    struct aro_claim **claim;
    uint64_t claims, room;
    uint64_t bytes; /* counted for it: of its chunks that no pin wanted before */
};

struct aro_pins *aro_pins_create(struct aro_cache *cache, uint64_t bytes_max, uint64_t seed);
/* The cache may be gone already: it is not told. Takes NULL. */
void aro_pins_destroy(struct aro_pins *pins);

/* A new one without chunks yet. NULL with *error: pinned already (6042), too many (6041). */
struct aro_pin *aro_pin_begin(struct aro_pins *pins, const struct aro_id *id, enum aro_kind kind,
                              struct aro_error *error);
/*
 * The pin wants this chunk too: counts its memory. 0, or -1 with *error (6041). The chunk is kept
 * by aro_pin_keep, once it is in memory.
 */
int aro_pin_want(struct aro_pins *pins, struct aro_pin *pin, const struct aro_id *id,
                 uint32_t len_bytes, struct aro_error *error);
/* Lets at most work_max of its chunks go; true: more are left. After the last the pin is gone. */
bool aro_pin_release(struct aro_pins *pins, struct aro_pin *pin, unsigned work_max);

/* NULL: neither pinned nor about to be. */
struct aro_pin *aro_pins_find(struct aro_pins *pins, const struct aro_id *id, enum aro_kind kind);
/* Some pin wants this chunk. */
bool aro_pins_want(const struct aro_pins *pins, const struct aro_id *chunk);

uint64_t aro_pins_bytes(const struct aro_pins *pins);
uint64_t aro_pins_bytes_max(const struct aro_pins *pins);

#endif
