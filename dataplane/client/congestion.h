/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many slices a receiver may have asked for and not yet got: slow start, then CUBIC, as long as
 * no queue stands.
 *
 * The receiver owns congestion control (RFC 8085 3.1): what it does not ask for is not sent. The
 * window starts at 10 slices, doubles per round trip, leaves slow start at a loss or when the round
 * trip has grown by a clear margin, then follows RFC 9438 (C 0.4, beta 0.7, Reno-friendly region).
 * One reduction per round trip; total silence collapses the window to its minimum. A window above
 * ARO_WINDOW_QUEUED shrinks slowly while a queue stands (the round trip is twice the shortest, and
 * more than a millisecond above it): what it asks for beyond that only waits, and goes cold in
 * every cache. The shortest round trip is measured anew every ten seconds, with half the window.
 *
 * No clock inside; one owner. A few floating-point operations per slice received.
 */
#ifndef ARO_DATAPLANE_CLIENT_CONGESTION_H
#define ARO_DATAPLANE_CLIENT_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ARO_WINDOW_INITIAL = 10, /* RFC 6928 and docs/protocol.md: the first window is at most this */
    ARO_WINDOW_MIN = 2,
    ARO_WINDOW_QUEUED = 512, /* may stand in a queue: two thirds of a megabyte */
};

struct aro_congestion {
    double window; /* in slices */
    double window_max;
    double threshold; /* slow start below, congestion avoidance from here on */
    double peak;      /* window before the last reduction (W_max) */
    double before_silence;
    double k_s;           /* time from the reduction back to the peak */
    uint64_t epoch_us;    /* of the last reduction; 0: none yet */
    uint64_t recovery_us; /* losses of what was asked before this belong to that reduction */
};

void aro_congestion_init(struct aro_congestion *cc, uint32_t window_max_slices);

/* Whole slices that may be outstanding. */
static inline uint32_t aro_congestion_window(const struct aro_congestion *cc)
{
    return (uint32_t)cc->window;
}

/* A slice arrived. full: the window was the limit. rtt_us, rtt_min_us 0: not measured yet. */
void aro_congestion_on_slice(struct aro_congestion *cc, bool full, uint32_t rtt_us,
                             uint32_t rtt_min_us, uint64_t now_us);
/* The shortest round trip is to be measured anew: half the window for a few round trips. */
void aro_congestion_probe(struct aro_congestion *cc, uint64_t now_us);
/* A round trip was measured; ends slow start when a queue has built up. */
void aro_congestion_on_rtt(struct aro_congestion *cc, uint32_t rtt_us, uint32_t rtt_min_us,
                           uint64_t now_us);
/* Something asked for at sent_us is lost (or the server is busy). */
void aro_congestion_on_loss(struct aro_congestion *cc, uint64_t sent_us, uint64_t now_us);
/* Nothing at all came back for a whole time-out. */
void aro_congestion_on_silence(struct aro_congestion *cc, uint64_t now_us);
/* What was taken for silence was only slow: the answer came after all. */
void aro_congestion_undo_silence(struct aro_congestion *cc);
/* The slice size changed: keep the bytes in flight, within the new limit. */
void aro_congestion_rescale(struct aro_congestion *cc, uint32_t old_slice_bytes,
                            uint32_t new_slice_bytes, uint32_t window_max_slices);

#endif
