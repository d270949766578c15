/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches the node and lets others watch it:
 *
 *   - looks twice a second whether the lcores advance; says so in the log when one stops or moves
 *     again;
 *   - feeds the service manager's watchdog, but only while every lcore advanced since the last
 *     time: a node that answers nobody is restarted;
 *   - answers /metrics, /healthz and /readyz on http.listen.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_WATCH_OBSERVE_H
#define ARO_CONTROL_WATCH_OBSERVE_H

#include "control/node.h"
#include "control/watch/exporter.h"

struct aro_observer;

/*
 * After the data plane started. NULL with *error (6040: http.listen was configured and cannot be
 * had; the default address may fail, with a warning).
 */
struct aro_observer *aro_observer_create(struct aro_node *node, struct aro_error *error);
void aro_observer_destroy(struct aro_observer *observer); /* takes NULL */

/* Zero without a listener. */
void aro_observer_http_stats(const struct aro_observer *observer, struct aro_exporter_stats *ret);

#endif
