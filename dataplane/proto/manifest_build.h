/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds the canonical manifest tree of a stream of chunks, bottom-up, in bounded memory.
 *
 * Add each content chunk in order; a manifest is emitted when it is known to be no root (the next
 * chunk did not fit any more), the upper levels and at last the root by finish. Every emitted
 * manifest is a chunk that the caller stores under the id given.
 *
 * One thread at a time. Memory: one buffer of ARO_MANIFEST_FULL_BYTES (590 KB) per level in use.
 * Hashes each manifest when it is emitted: about 0.3 ms for a full one, once per 16384 chunks.
 */
#ifndef ARO_DATAPLANE_PROTO_MANIFEST_BUILD_H
#define ARO_DATAPLANE_PROTO_MANIFEST_BUILD_H

#include "dataplane/proto/manifest.h"

struct aro_manifest_builder;

/* One finished manifest. bytes are valid during the call only. 0, or -errno to give up. */
typedef int aro_manifest_emit(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len);

/*
 * chunk_bytes: the size of every chunk but the last. NULL with errno (EINVAL: not a valid chunk
 * size, ENOMEM).
 */
struct aro_manifest_builder *aro_manifest_builder_create(uint32_t chunk_bytes,
                                                         aro_manifest_emit *emit, void *arg);
void aro_manifest_builder_destroy(struct aro_manifest_builder *builder); /* takes NULL */

/*
 * Appends one content chunk. 0, -EINVAL (wrong length, or a chunk after a short one), -EFBIG (more
 * than the deepest tree holds), -ENOMEM, or what emit returned. After an error only destroy.
 */
int aro_manifest_builder_add(struct aro_manifest_builder *builder, const struct aro_id *id,
                             uint32_t len_bytes);

/*
 * Emits what is left, the root last. digest: SHA-256 of the whole content. Returns 0 and the object
 * id, or an error as add does. Afterwards only destroy.
 */
int aro_manifest_builder_finish(struct aro_manifest_builder *builder, const struct aro_id *digest,
                                struct aro_id *ret_object_id);

/* Content bytes added so far. */
uint64_t aro_manifest_builder_total_bytes(const struct aro_manifest_builder *builder);

#endif
