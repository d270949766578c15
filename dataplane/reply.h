/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that answer: slices of a job, and the small ones (STATUS, TOKEN).
 *
 * A job carries the headers of its slices ready-made; a slice costs one copy of 96 bytes, an index,
 * and - where the device fills no checksums - one subtraction of prefix sums. Small answers to a
 * request at hand reuse its packet, so a stranger costs no buffer. lcore only.
 */
#ifndef ARO_DATAPLANE_REPLY_H
#define ARO_DATAPLANE_REPLY_H

#include "dataplane/net/net.h"
#include "dataplane/proto/codec.h"

struct aro_job;
struct aro_lcore;

/* Prepares job's headers from the request's frame. */
void aro_reply_prepare(struct aro_job *job, const struct aro_frame *frame,
                       const struct aro_get *get);
/* Where its answer goes: address (IPv4: v4-mapped) and port (host order). */
void aro_reply_peer(const struct aro_job *job, uint8_t address[16], uint16_t *ret_port);
/* The chunk's length is known (RESIDENT): completes the headers. */
void aro_reply_chunk_known(struct aro_job *job);

/*
 * Makes packets for up to max slices of job and queues them; clears their mask bits. Returns how
 * many: fewer when packet buffers are short (the next turn goes on). The queue has room for max.
 */
unsigned aro_reply_slices(struct aro_lcore *lcore, struct aro_job *job, unsigned max);

/* Turns the request's own packet into a STATUS or TOKEN; the caller queues it. */
void aro_reply_status(struct aro_frame *frame, const struct aro_status_msg *status);
void aro_reply_token(struct aro_frame *frame, uint64_t echo, const uint8_t token[ARO_TOKEN_BYTES]);

/* A STATUS to a job whose request packet is gone: a new packet, or NULL when there is none. */
struct rte_mbuf *aro_reply_job_status(struct aro_lcore *lcore, const struct aro_job *job,
                                      struct aro_status_msg *status);

#endif
