/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests of chunks that are here: with the whole content's in one pass where that is wanted, else
 * two chunks at a time.
 */
#include "cache/base/sha256.h"
#include "cache/base/sha256_pair.h"
#include "dataplane/client/engine_state.h"

/* The content chunk behind this one when it can be digested with it, or NULL. */
static struct aro_transfer *digest_mate(struct aro_download *download,
                                        const struct aro_transfer *transfer)
{
    struct aro_transfer *next;

    if (transfer->manifest || transfer != engine_transfer(download, download->take) ||
        download->take + 1 >= download->tail)
        return NULL;
    next = engine_transfer(download, download->take + 1);
    return next->state == ARO_TRANSFER_COMPLETE && next->len_bytes == transfer->len_bytes ? next
                                                                                          : NULL;
}

/* Its own digest. Two chunks at once cost little more than one. */
static struct aro_id digest_of(struct aro_download *download, struct aro_transfer *transfer)
{
    struct aro_transfer *mate;

    if (transfer->digested)
        return transfer->digest;
    mate = digest_mate(download, transfer);
    if (mate == NULL)
        return aro_sha256(transfer->bytes, transfer->len_bytes);
    aro_sha256_two(transfer->bytes, mate->bytes, transfer->len_bytes, &transfer->digest,
                   &mate->digest);
    mate->digested = true;
    return transfer->digest;
}

bool download_digest_agrees(struct aro_download *download, struct aro_transfer *transfer)
{
    struct aro_id id;

    if (download->hash == NULL || transfer->manifest) {
        id = digest_of(download, transfer);
    } else {
        aro_sha256_pair_begin(download->hash);
        aro_sha256_pair_update(download->hash, transfer->bytes, transfer->len_bytes);
        id = aro_sha256_pair_part(download->hash);
    }
    return aro_id_equal(&id, &transfer->id);
}
