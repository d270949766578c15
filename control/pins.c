/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/pins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/limits.h"

struct aro_pins {
    struct aro_cache *cache;
    struct aro_claims *claims; /* chunk -> how many pins want it */
    uint64_t bytes, bytes_max;
    struct aro_pin *pin[ARO_PINNED_MAX]; /* [:count], in no order */
    unsigned count;
};

struct aro_pins *aro_pins_create(struct aro_cache *cache, uint64_t bytes_max, uint64_t seed)
{
    struct aro_pins *pins = calloc(1, sizeof(*pins));

    if (pins == NULL)
        return NULL;
    pins->cache = cache;
    pins->bytes_max = bytes_max;
    pins->claims = aro_claims_create(seed);
    if (pins->claims == NULL) {
        free(pins);
        return NULL;
    }
    return pins;
}

static void pin_free(struct aro_pin *pin)
{
    free(pin->claim);
    free(pin);
}

void aro_pins_destroy(struct aro_pins *pins)
{
    if (pins == NULL)
        return;
    for (unsigned i = 0; i < pins->count; i++) {
        for (uint64_t k = 0; k < pins->pin[i]->claims; k++)
            aro_claims_release(pins->claims, pins->pin[i]->claim[k], 0);
        pin_free(pins->pin[i]);
    }
    aro_claims_destroy(pins->claims);
    free(pins);
}

struct aro_pin *aro_pins_find(struct aro_pins *pins, const struct aro_id *id, enum aro_kind kind)
{
    for (unsigned i = 0; i < pins->count; i++)
        if (pins->pin[i]->kind == kind && aro_id_equal(&pins->pin[i]->id, id))
            return pins->pin[i];
    return NULL;
}

struct aro_pin *aro_pin_begin(struct aro_pins *pins, const struct aro_id *id, enum aro_kind kind,
                              struct aro_error *error)
{
    const struct aro_pin *old = aro_pins_find(pins, id, kind);
    struct aro_pin *pin;

    if (old != NULL) {
        aro_error_set(error, ARO_E_PINNED, "it is %s",
                      old->complete ? "pinned" : "being pinned or unpinned now");
        return NULL;
    }
    if (pins->count == ARO_PINNED_MAX) {
        aro_error_set(error, ARO_E_PIN_LIMIT, "%d objects and chunks are pinned", ARO_PINNED_MAX);
        return NULL;
    }
    pin = calloc(1, sizeof(*pin));
    if (pin == NULL) {
        aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a pin");
        return NULL;
    }
    pin->id = *id;
    pin->kind = kind;
    pins->pin[pins->count++] = pin;
    return pin;
}

/* As the cache hands memory out. */
static uint64_t cost(uint32_t len_bytes)
{
    return (len_bytes + UINT64_C(1) * ARO_CHUNK_ALIGN - 1) / ARO_CHUNK_ALIGN * ARO_CHUNK_ALIGN;
}

static int grow(struct aro_pin *pin)
{
    uint64_t room = pin->room > 0 ? 2 * pin->room : 64;
    struct aro_claim **grown = reallocarray(pin->claim, room, sizeof(*grown));

    if (grown == NULL)
        return -ENOMEM;
    pin->claim = grown;
    pin->room = room;
    return 0;
}

int aro_pin_want(struct aro_pins *pins, struct aro_pin *pin, const struct aro_id *id,
                 uint32_t len_bytes, struct aro_error *error)
{
    struct aro_claim *claim = aro_claims_find(pins->claims, id);
    uint64_t more = claim == NULL ? cost(len_bytes) : 0;

    if (pins->bytes + more > pins->bytes_max)
        return aro_error_set(
            error, ARO_E_PIN_LIMIT,
            "of %llu bytes that may be pinned (cache.pin_max) %llu are, and this needs more than "
            "the rest",
            (unsigned long long)pins->bytes_max, (unsigned long long)(pins->bytes - pin->bytes));
    if (pin->claims == pin->room && grow(pin) != 0)
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a pin");
    claim = aro_claims_take(pins->claims, id);
    if (claim == NULL)
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a pin: %s",
                             strerror(errno));
    if (claim->users == 1)
        claim->len_bytes = len_bytes;
    pins->bytes += more;
    pin->bytes += more;
    pin->claim[pin->claims++] = claim;
    return 0;
}

bool aro_pin_release(struct aro_pins *pins, struct aro_pin *pin, unsigned work_max)
{
    pin->complete = false;
    while (pin->claims > 0 && work_max-- > 0) {
        struct aro_claim *claim = pin->claim[--pin->claims];
        if (claim->users == 1) {
            pins->bytes -= cost(claim->len_bytes);
            (void)aro_cache_unkeep(pins->cache, &claim->id); /* it may have gone by force */
        }
        aro_claims_release(pins->claims, claim, 0);
    }
    if (pin->claims > 0)
        return true;
    for (unsigned i = 0; i < pins->count; i++)
        if (pins->pin[i] == pin)
            pins->pin[i] = pins->pin[--pins->count];
    pin_free(pin);
    return false;
}

bool aro_pins_want(const struct aro_pins *pins, const struct aro_id *chunk)
{
    return aro_claims_find(pins->claims, chunk) != NULL;
}

uint64_t aro_pins_bytes(const struct aro_pins *pins)
{
    return pins->bytes;
}

uint64_t aro_pins_bytes_max(const struct aro_pins *pins)
{
    return pins->bytes_max;
}
