/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One thread notes chunks that change places all the time, another reads and ages, with delay
 * points: whatever comes out is an id that went in, whole, with a count that it can have.
 *
 *     stress_top [SECONDS [SEED]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cache/delay.h"
#include "cache/top.h"

enum { IDS = 4000 };

static struct aro_top top;
static _Atomic bool stop;
static _Thread_local unsigned delay_random = 1;

void aro_delay_at(const struct aro_delay_site *site)
{
    (void)site;
    delay_random = delay_random * 1103515245 + 12345;
    if (delay_random >> 16 & 1)
        sched_yield();
}

static struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number, number * 3, ~number, number << 20}};
}

static void *note(void *arg)
{
    unsigned random = *(unsigned *)arg;
    uint64_t *noted = calloc(1, sizeof(*noted));

    while (!stop) {
        struct aro_id id;
        random = random * 1664525 + 1013904223;
        id = id_of(random % (random >> 31 ? 16 : IDS)); /* half of it a few hot ones */
        aro_top_note(&top, &id);
        ++*noted;
    }
    return noted;
}

static bool is_whole(const struct aro_top_item *item, uint64_t window)
{
    struct aro_id id = id_of(item->id.word[0]);

    return item->id.word[0] < IDS && aro_id_equal(&id, &item->id) &&
           item->samples + item->over <= window;
}

int main(int argc, char *argv[])
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
    unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL), bad = 0;
    uint64_t reads = 0, items = 0, *noted;
    static struct aro_top_item item[ARO_TOP_ROOM];
    pthread_t thread;
    void *result;

    printf("seed %u\n", seed);
    aro_top_init(&top, seed);
    if (pthread_create(&thread, NULL, note, &seed) != 0)
        return 1;
    for (; time(NULL) < end && bad == 0; reads++) {
        unsigned n = aro_top_read(&top, item);
        uint64_t window = aro_top_window(&top) + 64; /* noted meanwhile, rounded down */
        for (unsigned i = 0; i < n; i++)
            bad += !is_whole(&item[i], window);
        items += n;
        if (reads % 64 == 0)
            aro_top_age(&top);
    }
    stop = true;
    pthread_join(thread, &result);
    noted = result;
    printf("noted %lu, %lu reads of %lu items, %u bad\n", *noted, reads, items, bad);
    bad += *noted < 500 || items < 500; /* else it proved little */
    free(noted);
    return bad == 0 ? 0 : 1;
}
