/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving the CPU back: poll, then pause, then wait for a packet - or, with a device that offers
 * nothing to wait on, micro-sleeps that grow up to the profile's bound.
 *
 * An lcore with reads in flight or answers to send never sleeps long; while it sleeps it is offline
 * for reclamation, so it delays nobody. lcore only.
 */
#ifndef ARO_DATAPLANE_IDLE_H
#define ARO_DATAPLANE_IDLE_H

struct aro_lcore;

/* Once, on the lcore: makes short sleeps short (timer slack). */
void aro_idle_init(void);
/* After a turn that moved `work` things; accounts the turn's cycles as busy or idle. */
void aro_idle_turn(struct aro_lcore *lcore, unsigned work);

#endif
