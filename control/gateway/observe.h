/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches the gateway and lets others watch it:
 *
 *   - looks twice a second whether workers, and the thread that asks for names, advance, and
 * whether nodes answer; says so in the log and to the service manager when that changes;
 *   - feeds the service manager's watchdog, but only while every thread advanced since the last
 *     time: a gateway that leaves a part of its clients without an answer is restarted;
 *   - answers /metrics, /healthz and /readyz on metrics_listen.
 *
 * What workers count is read as it stands, without a lock. Main thread only.
 */
#ifndef ARO_CONTROL_GATEWAY_OBSERVE_H
#define ARO_CONTROL_GATEWAY_OBSERVE_H

#include "control/api/notify.h"
#include "control/gateway/gate_config.h"
#include "control/gateway/names.h"
#include "control/gateway/worker.h"
#include "control/log.h"
#include "control/loop.h"

struct aro_gate_observer;

/* All borrowed for the observer's life. */
struct aro_gate_observed {
    const struct aro_gate_config *config;
    const struct aro_log *log;
    const struct aro_notify *notify;
    struct aro_loop *loop;
    struct aro_gate_names *names;
    struct aro_worker *const *worker; /* config->workers of them, started */
};

/*
 * NULL with *error (9001, 9002: metrics_listen was configured and cannot be had; the default
 * address may fail, with a warning. 9003, 70xx).
 */
struct aro_gate_observer *aro_gate_observer_create(const struct aro_gate_observed *of,
                                                   struct aro_error *error);
/* From now on not ready, and nobody is expected to advance: workers end. */
void aro_gate_observer_stopping(struct aro_gate_observer *observer);
/* The loop takes no turn after it. Takes NULL. */
void aro_gate_observer_destroy(struct aro_gate_observer *observer);

#endif
