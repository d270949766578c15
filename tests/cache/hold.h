/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stops one member of a crew where one likes, until it is let go: at a delay point, or before an
 * instruction.
 *
 * Instructions: the processor's trap flag raises a signal behind each one, and the handler, which
 * runs on the very stack of what it interrupted, counts them from the beginning of a call of the
 * cache and stops at the wanted one - in the cache's code or in what it calls (XXH3, memset), all
 * alike. x86-64 only, and not under TSan, whose own locks a thread would be stopped with.
 */
#ifndef ARO_TESTS_CACHE_HOLD_H
#define ARO_TESTS_CACHE_HOLD_H

#include "cache/delay.h"
#include "tests/cache/crew.h"

struct hold {
    enum crew_role victim;
    /* at a delay point: when it comes by for the (passes + 1)th time. NULL: before an instruction
     */
    const struct aro_delay_site *site;
    unsigned passes;
    /* before the (steps + 1)th instruction of such a call */
    enum crew_call call;
    unsigned steps;
};

/* Once per process. */
void hold_init(void);
/* False: this build or machine cannot stop before instructions. */
bool hold_can_step(void);

/* From now on the victim stops as told; before the crew starts. */
void hold_arm(const struct hold *hold);
/* Has it stopped? Waits for at most so long. False: not yet, and it will not any more. */
bool hold_wait(double seconds);
/* Where: 0 at a delay point. */
uintptr_t hold_instruction(void);
void hold_release(void);

/* About how many instructions such a call has, as far as is known by now; at least one. */
unsigned hold_length(enum crew_call call);
/* How often members of a role came by a site: [site][role], since hold_init. */
uint64_t hold_passes(const struct aro_delay_site *site, enum crew_role role);

#endif
