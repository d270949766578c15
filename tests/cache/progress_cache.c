/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that is stopped anywhere inside the cache blocks nobody.
 *
 *     progress_cache [-n INSTRUCTIONS] [-s SEED] [-c CPUS]
 *
 * Stops one of a crew (crew.h) - a reader, then the keeper - at each delay point that it comes by,
 * and then before that many instructions, drawn evenly from the calls and from the length of each.
 * While it stands, each of the others must complete its share of lookups and erases, and its
 * inserts must come back, done or refused. When it has moved again, every refusal was counted, and
 * after a flush all memory is free but the readers' stock.
 */
#include <sys/mman.h>

#include "cache/base/error.h"
#include "cache/state.h"
#include "tests/cache/chunks.h"
#include "tests/cache/hold.h"
#include "tests/cache/options.h"

enum {
    REGION_BYTES = 8 << 20,
    ENTRIES_MAX = 2048,
    /* what each of the others has to complete while one stands */
    SHARE_LOOKED_UP = 4000,
    SHARE_ERASED = 500,
    SHARE_INSERTED = 200,
    PATIENCE_S = 20, /* until a member came by the place; until the others had their share */
    INSTRUCTIONS_MAX = 100000,
    PASSES_MAX = 200,
    LENGTH_MANY = 200, /* instructions of a call that is drawn as often as any */
};

struct progress {
    struct aro_cache *cache;
    struct crew crew;
    uint64_t random;
    uint64_t stops, looked_up, erased, inserted, refused; /* the last four: while one stood */
    uintptr_t *instruction;                               /* [:instructions] where it stood */
    unsigned instructions;
    unsigned stops_in[CREW_CALLS];
};

struct shares {
    uint64_t looked_up[CREW_ROLES], erased[CREW_ROLES], inserted[CREW_ROLES], refused[CREW_ROLES],
        alloc_refused[CREW_ROLES];
};

static struct shares shares_now(struct crew *crew)
{
    struct shares now;

    for (unsigned i = 0; i < CREW_ROLES; i++) {
        now.looked_up[i] = atomic_load(&crew->member[i].looked_up);
        now.erased[i] = atomic_load(&crew->member[i].erased);
        now.inserted[i] = atomic_load(&crew->member[i].inserted);
        now.refused[i] = atomic_load(&crew->member[i].refused);
        now.alloc_refused[i] = atomic_load(&crew->member[i].alloc_refused);
    }
    return now;
}

static struct aro_cache_stats stats_of(struct progress *progress)
{
    struct aro_cache_stats stats;

    aro_cache_stats(progress->cache, &stats);
    return stats;
}

/* ---- while one stands ---- */

static const char *hold_name(const struct hold *hold)
{
    static char name[160];

    if (hold->site != NULL)
        snprintf(name, sizeof(name), "%s at %s:%ld", crew_role_names[hold->victim],
                 hold->site->file, hold->site->line);
    else
        snprintf(name, sizeof(name), "%s in %s, at %#lx", crew_role_names[hold->victim],
                 crew_call_names[hold->call], hold_instruction());
    return name;
}

static bool has_share(const struct shares *before, const struct shares *now, unsigned role)
{
    return now->looked_up[role] - before->looked_up[role] >= SHARE_LOOKED_UP &&
           now->erased[role] - before->erased[role] >= SHARE_ERASED &&
           now->inserted[role] - before->inserted[role] >= SHARE_INSERTED;
}

static void others_get_on(struct progress *progress, const struct hold *hold)
{
    struct shares before = shares_now(&progress->crew), now = before;
    double end = seconds_now() + PATIENCE_S;

    for (unsigned i = 0; i < CREW_ROLES; i++) {
        while (i != hold->victim && !has_share(&before, &now, i)) {
            if (seconds_now() > end) {
                fprintf(stderr, "progress_cache: %s stands still while %s is stopped\n",
                        crew_role_names[i], hold_name(hold));
                abort();
            }
            usleep(50);
            now = shares_now(&progress->crew);
        }
    }
    for (unsigned i = 0; i < CREW_ROLES; i++) {
        progress->looked_up += now.looked_up[i] - before.looked_up[i];
        progress->erased += now.erased[i] - before.erased[i];
        progress->inserted += now.inserted[i] - before.inserted[i];
        progress->refused +=
            now.refused[i] - before.refused[i] + now.alloc_refused[i] - before.alloc_refused[i];
    }
}

/* ---- when it has moved again ---- */

static void maintain(struct progress *progress)
{
    for (unsigned i = 0; i < 4; i++)
        while (aro_cache_maintain(progress->cache, 100000)) {
        }
}

/* No insert was refused in silence. alloc_failed counts housekeeping's own attempts too. */
static void refusals_are_counted(struct progress *progress)
{
    struct shares now = shares_now(&progress->crew);
    struct aro_cache_stats stats = stats_of(progress);
    uint64_t refused = 0, alloc_refused = 0;

    for (unsigned i = 0; i < CREW_ROLES; i++) {
        refused += now.refused[i];
        alloc_refused += now.alloc_refused[i];
    }
    REQUIRE(stats.stock_empty + stats.index_full == refused);
    REQUIRE(stats.alloc_failed >= alloc_refused);
}

/* What prepared entries that no reader has taken yet hold: all else must be free. */
static uint64_t stock_bytes(const struct aro_cache *cache)
{
    uint64_t bytes = 0;

    for (unsigned r = 0; r < cache->readers; r++)
        for (unsigned c = 0; c < ARO_STOCK_CLASSES; c++)
            bytes +=
                (uint64_t)aro_stock_count(&cache->reader[r]->stock[c]) * aro_stock_class_bytes(c);
    return bytes;
}

/* Nobody runs. */
static void memory_is_back(struct progress *progress)
{
    struct aro_cache_stats stats;

    maintain(progress);
    aro_cache_flush(progress->cache);
    maintain(progress);
    stats = stats_of(progress);
    REQUIRE(stats.entries_now == 0 && stats.bytes_chunks_now == 0);
    REQUIRE(stats.retired_now == 0 && stats.pinned_now == 0);
    REQUIRE(stats.bytes_used_now == stock_bytes(progress->cache));
}

/* False: the victim never came by. */
static bool stop_once(struct progress *progress, const struct hold *hold, double patience_s)
{
    bool held;

    hold_arm(hold);
    crew_start(&progress->crew);
    held = hold_wait(patience_s);
    if (held) {
        others_get_on(progress, hold);
        progress->stops++;
        hold_release();
    }
    crew_end(&progress->crew);
    refusals_are_counted(progress);
    memory_is_back(progress);
    return held;
}

/* ---- at every delay point ---- */

/* Works until each delay point was passed by somebody: who comes by where, and that all are met. */
static void census(struct progress *progress)
{
    static const struct hold none = {.victim = CREW_ROLES};
    double end = seconds_now() + PATIENCE_S;
    const struct aro_delay_site *site = __start_aro_delay_sites;

    hold_arm(&none);
    crew_start(&progress->crew);
    for (usleep(200 * 1000); site < __stop_aro_delay_sites; usleep(1000)) {
        uint64_t passes = 0;
        for (unsigned role = 0; role < CREW_ROLES; role++)
            passes += hold_passes(site, role);
        site += passes > 0;
        if (seconds_now() > end) {
            fprintf(stderr, "progress_cache: nobody comes by %s:%ld\n", site->file, site->line);
            abort();
        }
    }
    crew_end(&progress->crew);
    memory_is_back(progress);
}

static void stop_at_sites(struct progress *progress)
{
    static const enum crew_role victims[2] = {CREW_READER_0, CREW_KEEPER};

    for (const struct aro_delay_site *site = __start_aro_delay_sites; site < __stop_aro_delay_sites;
         site++) {
        unsigned stops = 0;
        for (unsigned i = 0; i < 2; i++) {
            uint64_t known = hold_passes(site, victims[i]);
            struct hold hold = {.victim = victims[i],
                                .site = site,
                                .passes =
                                    (unsigned)(random_next(&progress->random) %
                                               (known < PASSES_MAX ? known + 1 : PASSES_MAX))};
            stops += known > 0 && stop_once(progress, &hold, PATIENCE_S);
        }
        if (stops == 0)
            printf("%s:%ld: nobody stopped\n", site->file, site->line);
        REQUIRE(stops > 0);
    }
}

/* ---- before instructions ---- */

/* Calls of a few instructions come up less often: there is little to see in them. */
static enum crew_call draw_call(struct progress *progress, bool keeper)
{
    unsigned calls = keeper ? CREW_CALLS - CREW_FIND : CREW_ALLOC - CREW_FIND;
    enum crew_call call;

    do {
        call = CREW_FIND + (enum crew_call)((random_next(&progress->random) >> 7) % calls);
    } while ((random_next(&progress->random) >> 5) % LENGTH_MANY >= hold_length(call));
    return call;
}

static void stop_at_instruction(struct progress *progress)
{
    struct hold hold = {0};

    do {
        hold.victim = random_next(&progress->random) >> 9 & 1 ? CREW_KEEPER : CREW_READER_0;
        hold.call = draw_call(progress, hold.victim == CREW_KEEPER);
        hold.steps = (unsigned)(random_next(&progress->random) % hold_length(hold.call));
    } while (!stop_once(progress, &hold, PATIENCE_S));
    progress->instruction[progress->instructions++] = hold_instruction();
    progress->stops_in[hold.call]++;
}

static int address_order(const void *a, const void *b)
{
    uintptr_t left = *(const uintptr_t *)a, right = *(const uintptr_t *)b;

    return (left > right) - (left < right);
}

static unsigned different(struct progress *progress)
{
    unsigned n = 0;

    qsort(progress->instruction, progress->instructions, sizeof(progress->instruction[0]),
          address_order);
    for (unsigned i = 0; i < progress->instructions; i++)
        n += i == 0 || progress->instruction[i] != progress->instruction[i - 1];
    return n;
}

static void report(struct progress *progress)
{
    struct aro_cache_stats stats = stats_of(progress);

    printf("stops %lu: %ld delay points, %u instructions, %u of them different (", progress->stops,
           __stop_aro_delay_sites - __start_aro_delay_sites, progress->instructions,
           different(progress));
    for (unsigned call = CREW_FIND; call < CREW_CALLS; call++)
        printf("%s%s %u of about %u", call == CREW_FIND ? "" : ", ", crew_call_names[call],
               progress->stops_in[call], hold_length(call));
    printf(")\nmeanwhile the others: lookups %lu erases %lu inserts %lu, of these refused %lu\n",
           progress->looked_up, progress->erased, progress->inserted, progress->refused);
    printf("stock_empty %lu alloc_failed %lu index_full %lu admitted %lu evicted %lu\n",
           stats.stock_empty, stats.alloc_failed, stats.index_full, stats.admitted, stats.evicted);
}

/* ---- start ---- */

static void progress_open(struct progress *progress, void *region, uint64_t seed)
{
    struct aro_error error = {0};
    struct aro_cache_config config = {.region = region,
                                      .region_bytes = REGION_BYTES,
                                      .entries_max = ENTRIES_MAX,
                                      .readers_max = CREW_ROLES,
                                      .pins_per_reader = CREW_PINS,
                                      .seed = seed};

    progress->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    progress->cache = aro_cache_create(&config, &error);
    REQUIRE(progress->cache != NULL);
    crew_init(&progress->crew, progress->cache, seed);
    memory_is_back(progress);
    hold_init();
}

int main(int argc, char *argv[])
{
    static struct progress progress;
    struct options options = {.count = 40, .seed = 1};
    void *region;

    if (!options_read(&options, argc, argv) || options.count > INSTRUCTIONS_MAX) {
        fprintf(stderr, "usage: progress_cache [-n INSTRUCTIONS] [-s SEED] [-c CPUS]\n");
        return 2;
    }
    printf("progress_cache: seed %lu\n", options.seed);
    region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    progress.instruction = calloc(options.count, sizeof(progress.instruction[0]));
    REQUIRE(region != MAP_FAILED && progress.instruction != NULL);
    progress_open(&progress, region, options.seed);
    census(&progress);
    stop_at_sites(&progress);
    if (!hold_can_step())
        printf("no stops before instructions: not x86-64, or under TSan\n");
    for (uint64_t i = 0; hold_can_step() && i < options.count; i++)
        stop_at_instruction(&progress);
    report(&progress);
    aro_cache_destroy(progress.cache);
    munmap(region, REGION_BYTES);
    free(progress.instruction);
    return 0;
}
