/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "cache/disk/reader.h"
#include "cache/sums.h"

enum { STEP_BYTES = 128 }; /* prefix sums stand every so many bytes */

void aro_verify_begin(struct aro_verify *verify, const struct aro_id *id,
                      const struct aro_place *place, const uint8_t *data, uint16_t *sums)
{
    aro_hash_stream_begin(&verify->hash, aro_place_seed(id, place->segment, place->block));
    verify->place = *place;
    verify->data = data;
    verify->sums = sums;
    verify->done_bytes = 0;
    sums[0] = 0;
}

int aro_verify_step(struct aro_verify *verify, uint32_t budget_bytes)
{
    uint32_t rest = verify->place.len_bytes - verify->done_bytes;
    uint32_t piece = budget_bytes < STEP_BYTES ? STEP_BYTES : budget_bytes & ~(STEP_BYTES - 1u);
    const uint8_t *at = verify->data + verify->done_bytes;

    piece = piece < rest ? piece : rest;
    aro_hash_stream_feed(&verify->hash, at, piece);
    aro_sums_extend(verify->sums, verify->done_bytes / STEP_BYTES, at, piece);
    verify->done_bytes += piece;
    if (verify->done_bytes < verify->place.len_bytes)
        return 1;
    return aro_hash_stream_end(&verify->hash) == verify->place.checksum ? 0 : -EBADMSG;
}
