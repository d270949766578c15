/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/congestion.h"

#include <math.h>

/* RFC 9438 4.6 and 5: beta, C, and the slope of the Reno-friendly estimate. */
static const double beta = 0.7;
static const double cubic_c = 0.4;
static const double friendly = 3.0 * (1.0 - 0.7) / (1.0 + 0.7);

enum { QUEUE_US_MIN = 1000 }; /* a shorter queue does not matter */

/* More than a round trip's worth of slices waits somewhere. */
static bool queue_stands(const struct aro_congestion *cc, uint32_t rtt_us, uint32_t rtt_min_us)
{
    uint32_t margin_us = rtt_min_us > QUEUE_US_MIN ? rtt_min_us : QUEUE_US_MIN;

    return cc->window > ARO_WINDOW_INITIAL && rtt_us > rtt_min_us + margin_us;
}

void aro_congestion_init(struct aro_congestion *cc, uint32_t window_max_slices)
{
    *cc = (struct aro_congestion){.window = ARO_WINDOW_INITIAL, .threshold = INFINITY};
    cc->window_max = fmax(window_max_slices, ARO_WINDOW_MIN);
    cc->window = fmin(cc->window, cc->window_max);
}

/* Where CUBIC wants the window one round trip from now. */
static double target(const struct aro_congestion *cc, uint32_t rtt_us, uint64_t now_us)
{
    double t = (double)(now_us - cc->epoch_us) * 1e-6;
    double rtt = rtt_us * 1e-6;
    double d = t + rtt - cc->k_s;
    double cubic = cubic_c * d * d * d + cc->peak;
    double reno = cc->peak * beta + friendly * t / rtt;

    return fmax(cubic, reno);
}

/* CUBIC starts anew from this window, on its plateau. */
static void plateau(struct aro_congestion *cc, uint64_t now_us)
{
    cc->threshold = cc->window;
    cc->peak = cc->window;
    cc->k_s = 0;
    cc->epoch_us = now_us;
}

/* An eighth per round trip. */
static void queue_drain(struct aro_congestion *cc, uint64_t now_us)
{
    cc->window = fmax(cc->window - 0.125, ARO_WINDOW_QUEUED);
    plateau(cc, now_us);
}

void aro_congestion_on_slice(struct aro_congestion *cc, bool full, uint32_t rtt_us,
                             uint32_t rtt_min_us, uint64_t now_us)
{
    if (full && cc->window > ARO_WINDOW_QUEUED && queue_stands(cc, rtt_us, rtt_min_us)) {
        queue_drain(cc, now_us);
        return;
    }
    if (!full || cc->window >= cc->window_max)
        return;
    if (cc->window < cc->threshold) {
        cc->window += 1;
    } else {
        double goal = target(cc, rtt_us > 0 ? rtt_us : 1, now_us);
        /* at most half a window per round trip (RFC 9438 4.4) */
        cc->window += fmin(fmax(goal - cc->window, 0) / cc->window, 0.5);
    }
    cc->window = fmin(cc->window, cc->window_max);
}

void aro_congestion_on_rtt(struct aro_congestion *cc, uint32_t rtt_us, uint32_t rtt_min_us,
                           uint64_t now_us)
{
    if (cc->window < cc->threshold && queue_stands(cc, rtt_us, rtt_min_us))
        plateau(cc, now_us);
}

void aro_congestion_probe(struct aro_congestion *cc, uint64_t now_us)
{
    if (cc->epoch_us == 0)
        plateau(cc, now_us);
    cc->threshold = fmin(cc->threshold, cc->window); /* back to here as in slow start */
    cc->window = fmax(cc->window / 2, fmin(cc->window, ARO_WINDOW_INITIAL));
}

static void reduce(struct aro_congestion *cc, uint64_t now_us)
{
    /* a flow that stopped below its last peak gives way to others (RFC 9438 4.7) */
    cc->peak = cc->window < cc->peak ? cc->window * (1 + beta) / 2 : cc->window;
    cc->k_s = cbrt(cc->peak * (1 - beta) / cubic_c);
    cc->window = fmax(cc->window * beta, ARO_WINDOW_MIN);
    cc->threshold = cc->window;
    cc->epoch_us = now_us;
    cc->recovery_us = now_us;
}

void aro_congestion_on_loss(struct aro_congestion *cc, uint64_t sent_us, uint64_t now_us)
{
    if (sent_us < cc->recovery_us)
        return;
    reduce(cc, now_us);
}

void aro_congestion_on_silence(struct aro_congestion *cc, uint64_t now_us)
{
    if (cc->window > ARO_WINDOW_MIN)
        cc->before_silence = cc->window;
    reduce(cc, now_us);
    cc->window = fmin(ARO_WINDOW_MIN, cc->window_max);
}

void aro_congestion_undo_silence(struct aro_congestion *cc)
{
    cc->window = fmin(fmax(cc->window, cc->before_silence), cc->window_max);
    cc->before_silence = 0;
}

void aro_congestion_rescale(struct aro_congestion *cc, uint32_t old_slice_bytes,
                            uint32_t new_slice_bytes, uint32_t window_max_slices)
{
    double factor = (double)old_slice_bytes / new_slice_bytes;

    cc->window_max = fmax(window_max_slices, ARO_WINDOW_MIN);
    cc->window = fmin(fmax(cc->window * factor, ARO_WINDOW_MIN), cc->window_max);
    cc->threshold = fmax(cc->threshold * factor, ARO_WINDOW_MIN);
    cc->peak *= factor;
}
