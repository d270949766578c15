/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delay points: places between two atomics where a thread may be held up. Tests compile the cache
 * with ARO_DELAY_POINTS and define what happens there: yield at random, which finds more than
 * parallelism does, switch to another coroutine, or stop for good. In the product they are nothing.
 *
 * Each point knows its place, and the linker gathers them, so that a test can go through all.
 */
#ifndef ARO_CACHE_DELAY_H
#define ARO_CACHE_DELAY_H

#ifdef ARO_DELAY_POINTS
struct aro_delay_site {
    const char *file;
    long line;
};

/* Every site of the program: [__start_aro_delay_sites, __stop_aro_delay_sites). */
extern const struct aro_delay_site __start_aro_delay_sites[], __stop_aro_delay_sites[];

void aro_delay_at(const struct aro_delay_site *site); /* defined by the test program */

#define aro_delay_point()                                                                          \
    do {                                                                                           \
        static const struct aro_delay_site aro_delay_here                                          \
            __attribute__((section("aro_delay_sites"), used, aligned(16))) = {__FILE__, __LINE__}; \
        aro_delay_at(&aro_delay_here);                                                             \
    } while (0)
#else
static inline void aro_delay_point(void)
{
}
#endif

#endif
