/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delay points: places between two atomics where a thread may be held up. The stress tests compile
 * the cache with ARO_DELAY_POINTS and yield here at random, which finds more than parallelism does;
 * in the product they are nothing.
 */
#ifndef ARO_CACHE_DELAY_H
#define ARO_CACHE_DELAY_H

#ifdef ARO_DELAY_POINTS
void aro_delay_point(void); /* defined by the test program */
#else
static inline void aro_delay_point(void)
{
}
#endif

#endif
