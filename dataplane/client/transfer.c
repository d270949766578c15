/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/transfer.h"

void aro_transfer_begin(struct aro_transfer *transfer, const struct aro_id *id, uint32_t len_bytes,
                        uint8_t *bytes)
{
    transfer->id = *id;
    transfer->bytes = bytes;
    transfer->len_bytes = len_bytes;
    transfer->mismatches = 0;
    transfer->postponements = 0;
    transfer->hold_until_us = 0;
    transfer->manifest = false;
    transfer->local = false;
    transfer->absent = transfer->wrong = 0;
    transfer->link = ARO_TRANSFER_NO_LINK;
    aro_transfer_restart(transfer);
}

void aro_transfer_restart(struct aro_transfer *transfer)
{
    uint32_t words = (transfer->slices + 63) / 64;

    memset(transfer->have, 0, words * sizeof(transfer->have[0]));
    memset(transfer->asked, 0, words * sizeof(transfer->asked[0]));
    transfer->state = ARO_TRANSFER_FETCHING;
    transfer->slice_bytes = 0;
    transfer->slices = 0;
    transfer->missing = 1; /* at least: complete only once cut and filled */
    transfer->unasked = 1;
    transfer->lowest_word = 0;
    transfer->disagreements = 0;
    transfer->probe = false;
    transfer->digested = false;
    transfer->generation++;
}

void aro_transfer_cut(struct aro_transfer *transfer, uint32_t slice_bytes)
{
    uint32_t len = transfer->len_bytes;

    transfer->slice_bytes = slice_bytes;
    transfer->slices = len > 0 ? aro_slices(len, slice_bytes) : ARO_SLICES_BLIND;
    transfer->missing = transfer->slices;
    transfer->unasked = transfer->slices;
}

void aro_transfer_learn(struct aro_transfer *transfer, uint32_t len_bytes)
{
    uint32_t slices = aro_slices(len_bytes, transfer->slice_bytes);
    uint64_t within = slices < 64 ? (UINT64_C(1) << slices) - 1 : UINT64_MAX;

    /* all that was asked for blindly lies in the first word, and nothing is here yet */
    transfer->asked[0] &= within;
    transfer->len_bytes = len_bytes;
    transfer->slices = slices;
    transfer->missing = slices;
    transfer->unasked = slices - (uint32_t)__builtin_popcountll(transfer->asked[0]);
    transfer->lowest_word = 0;
}

/* The 64 bits of a bitmap from bit first on. */
static uint64_t bits_at(const uint64_t *words, uint32_t first)
{
    uint32_t word = first / 64;
    uint32_t shift = first % 64;
    uint64_t bits = words[word] >> shift;

    if (shift != 0 && word + 1 < ARO_TRANSFER_WORDS)
        bits |= words[word + 1] << (64 - shift);
    return bits;
}

static void bits_set(uint64_t *words, uint32_t first, uint64_t mask)
{
    uint32_t word = first / 64;
    uint32_t shift = first % 64;

    words[word] |= mask << shift;
    if (shift != 0 && mask >> (64 - shift) != 0)
        words[word + 1] |= mask >> (64 - shift);
}

static void bits_clear(uint64_t *words, uint32_t first, uint64_t mask)
{
    uint32_t word = first / 64;
    uint32_t shift = first % 64;

    words[word] &= ~(mask << shift);
    if (shift != 0 && mask >> (64 - shift) != 0)
        words[word + 1] &= ~(mask >> (64 - shift));
}

/* First slice that is neither here nor asked for; slices when there is none. */
static uint32_t unasked_first(struct aro_transfer *transfer)
{
    uint32_t words = (transfer->slices + 63) / 64;

    for (; transfer->lowest_word < words; transfer->lowest_word++) {
        uint32_t word = transfer->lowest_word;
        uint64_t open = ~(transfer->have[word] | transfer->asked[word]);
        if (open != 0)
            return word * 64 + (uint32_t)__builtin_ctzll(open);
    }
    return transfer->slices;
}

uint32_t aro_transfer_ask(struct aro_transfer *transfer, uint32_t max, uint16_t *ret_first,
                          uint64_t *ret_mask)
{
    uint32_t first = unasked_first(transfer);
    uint64_t open, mask = 0;
    uint32_t count = 0;

    if (first >= transfer->slices)
        return 0;
    open = ~(bits_at(transfer->have, first) | bits_at(transfer->asked, first));
    if (transfer->slices - first < 64)
        open &= (UINT64_C(1) << (transfer->slices - first)) - 1;
    count = (uint32_t)__builtin_popcountll(open);
    if (count <= max) {
        mask = open;
    } else {
        for (count = 0; count < max; count++) {
            mask |= open & -open;
            open &= open - 1;
        }
    }
    bits_set(transfer->asked, first, mask);
    transfer->unasked -= count;
    if (transfer->len_bytes == 0) { /* one question in the dark: more may lie beyond the end */
        transfer->slices = transfer->missing = first + count;
        transfer->unasked = 0;
    }
    *ret_first = (uint16_t)first;
    *ret_mask = mask;
    return count;
}

uint32_t aro_transfer_give_back(struct aro_transfer *transfer, uint16_t first, uint64_t mask)
{
    uint64_t open = mask & ~bits_at(transfer->have, first) & bits_at(transfer->asked, first);
    uint32_t count = (uint32_t)__builtin_popcountll(open);

    bits_clear(transfer->asked, first, open);
    transfer->unasked += count;
    if (first / 64u < transfer->lowest_word)
        transfer->lowest_word = first / 64u;
    return count;
}

bool aro_transfer_place(struct aro_transfer *transfer, const struct aro_data *data)
{
    uint32_t word = data->index / 64u;
    uint64_t bit = UINT64_C(1) << (data->index % 64u);

    if ((transfer->have[word] & bit) != 0)
        return false;
    memcpy(transfer->bytes + (size_t)data->index * data->slice_bytes, data->payload,
           data->payload_bytes);
    transfer->have[word] |= bit;
    if ((transfer->asked[word] & bit) == 0)
        transfer->unasked--; /* late: it had been given back */
    transfer->missing--;
    return true;
}
