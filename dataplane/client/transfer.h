/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One chunk on its way in: which slices are here, which are asked for, and the bytes themselves,
 * written straight to their place.
 *
 * The slice size is fixed when the first slice is asked for. The length may be unknown at first (a
 * root, a lone chunk): then the first slices are asked for blindly and the first DATA tells it.
 * One owner, no heap, no clock.
 */
#ifndef ARO_DATAPLANE_CLIENT_TRANSFER_H
#define ARO_DATAPLANE_CLIENT_TRANSFER_H

#include "dataplane/client/congestion.h"
#include "dataplane/proto/codec.h"

enum {
    ARO_TRANSFER_WORDS = ARO_SLICES_MAX / 64,
    ARO_SLICES_BLIND = ARO_MASK_SLICES, /* at most asked for while the length is unknown */
};

enum { ARO_TRANSFER_NO_LINK = 0xff };

enum aro_transfer_state {
    ARO_TRANSFER_FREE,
    ARO_TRANSFER_FETCHING,
    ARO_TRANSFER_COMPLETE, /* all slices are here */
    ARO_TRANSFER_VERIFIED, /* a manifest, and the walk has it */
    ARO_TRANSFER_TAKEN,    /* the caller reads its bytes */
};

struct aro_transfer {
    struct aro_id id;
    uint8_t *bytes;       /* room for len_bytes, or for a whole chunk while that is unknown */
    uint32_t len_bytes;   /* 0: unknown */
    uint32_t slice_bytes; /* 0: nothing asked for yet */
    uint32_t slices;
    uint32_t missing;       /* slices not here */
    uint32_t unasked;       /* slices neither here nor asked for */
    uint32_t lowest_word;   /* no unasked slice lies in a word below */
    uint32_t generation;    /* requests of another one are history */
    uint32_t disagreements; /* DATA that gave another chunk length */
    uint32_t mismatches;    /* times that the whole had the wrong digest */
    uint32_t postponements; /* RETRY_LATER in a row */
    uint32_t absent;        /* sources, as bits, that do not have it */
    uint32_t wrong;         /* sources, as bits, that gave other bytes */
    uint8_t link;           /* number of the source that it is asked of, or ARO_TRANSFER_NO_LINK */
    uint64_t hold_until_us; /* ask for nothing before */
    uint64_t content_at;    /* of a content chunk: offset in the object */
    enum aro_transfer_state state;
    bool manifest; /* bytes belong to the walk once verified */
    bool local;    /* the caller had it */
    bool probe;    /* tries out a larger slice size */
    bool digested; /* digest is that of bytes, all of which are here */
    struct aro_id digest;
    uint64_t have[ARO_TRANSFER_WORDS];
    uint64_t asked[ARO_TRANSFER_WORDS];
};

/* Takes the slot for a chunk. bytes stay the caller's. */
void aro_transfer_begin(struct aro_transfer *transfer, const struct aro_id *id, uint32_t len_bytes,
                        uint8_t *bytes);
/* Forgets all slices: the next request may use another slice size. */
void aro_transfer_restart(struct aro_transfer *transfer);
/* Fixes the slice size; nothing may be asked for before. */
void aro_transfer_cut(struct aro_transfer *transfer, uint32_t slice_bytes);
/* The length that the first DATA told. */
void aro_transfer_learn(struct aro_transfer *transfer, uint32_t len_bytes);

/*
 * Picks up to max unasked slices that one mask can name and marks them asked. Returns how many
 * (0: none left) with *ret_first and *ret_mask.
 */
uint32_t aro_transfer_ask(struct aro_transfer *transfer, uint32_t max, uint16_t *ret_first,
                          uint64_t *ret_mask);
/* What was asked for as (first, mask) did not come: it is unasked again. Returns how many are. */
uint32_t aro_transfer_give_back(struct aro_transfer *transfer, uint16_t first, uint64_t mask);
/* Copies a slice to its place. False: it was here already. data fits: length and slice size agree.
 */
bool aro_transfer_place(struct aro_transfer *transfer, const struct aro_data *data);

#endif
