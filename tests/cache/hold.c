/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/cache/hold.h"

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/cache/chunks.h"
#include "tests/cache/options.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

enum {
    SITES_MAX = 64,
    LENGTH_MAX = 30000,  /* instructions of one call that are aimed at */
    LENGTH_FIRST = 1000, /* assumed of a call that was never seen */
    TRAP_FLAG = 0x100,
    STEP_ONE_OF = 4, /* such calls is stepped through */
};

enum phase { IDLE, ARMED, HELD };

static struct {
    struct hold hold;
    _Atomic int phase;
    int go; /* eventfd */
    _Atomic uintptr_t instruction;
    unsigned passes_left;
    unsigned length[CREW_CALLS]; /* estimated */
    _Atomic uint64_t passes[SITES_MAX][CREW_ROLES];
} at;

/* Of the thread that steps: the trap flag is set, or is about to be. */
static volatile sig_atomic_t stepping;

/* Here a thread stands still. Only async-signal-safe calls: the handler comes here too. */
static void stand(uintptr_t instruction)
{
    int expected = ARMED;
    uint64_t one;

    atomic_store(&at.instruction, instruction);
    if (atomic_compare_exchange_strong(&at.phase, &expected, HELD))
        while (read(at.go, &one, sizeof(one)) < 0)
            continue;
}

/* ---- delay points ---- */

/* Others switch now and then, so that the crew meets in odd places. */
static _Thread_local uint64_t delay_random = 88172645463325252u;

void aro_delay_at(const struct aro_delay_site *site)
{
    struct crew_member *me = crew_self();

    if (me == NULL || stepping)
        return;
    atomic_fetch_add_explicit(&at.passes[site - __start_aro_delay_sites][me->role], 1,
                              memory_order_relaxed);
    if (me->role == at.hold.victim && site == at.hold.site && at.passes_left-- == 0)
        stand(0);
    if (random_next(&delay_random) >> 20 & 63)
        return;
    sched_yield();
}

uint64_t hold_passes(const struct aro_delay_site *site, enum crew_role role)
{
    return atomic_load(&at.passes[site - __start_aro_delay_sites][role]);
}

/* ---- instructions ---- */

#if defined(__x86_64__) && !defined(UNDER_TSAN)
static volatile sig_atomic_t inside; /* the call itself */
static volatile long steps_left;

bool hold_can_step(void)
{
    return true;
}

static void trapped(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)number;
    if (info->si_code == SI_TKILL) { /* by ourselves: begin */
        registers[REG_EFL] |= TRAP_FLAG;
    } else if (inside && steps_left-- == 0) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        stand((uintptr_t)registers[REG_RIP]);
    } else if (!stepping) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    }
}

void crew_call_begins(struct crew_member *member, enum crew_call call)
{
    if (member->role != at.hold.victim || call != at.hold.call || at.hold.site != NULL ||
        atomic_load(&at.phase) != ARMED || random_next(&member->random) % STEP_ONE_OF != 0)
        return;
    steps_left = at.hold.steps;
    stepping = 1;
    raise(SIGTRAP);
    inside = 1;
}

void crew_call_ended(struct crew_member *member)
{
    unsigned *length = &at.length[at.hold.call];
    unsigned steps;

    if (member->role != at.hold.victim || !stepping)
        return;
    inside = 0;
    stepping = 0; /* the next instruction's trap is the last one */
    steps = at.hold.steps;
    if (steps_left < 0) { /* it stopped: the call was longer than that */
        if (2 * steps > *length)
            *length = 2 * steps < LENGTH_MAX ? 2 * steps : LENGTH_MAX;
    } else { /* it was shorter: aim within */
        steps -= (unsigned)steps_left;
        *length = (3 * *length + steps) / 4;
        at.hold.steps = (unsigned)(random_next(&member->random) % (steps + 1));
    }
}
#else
bool hold_can_step(void)
{
    return false;
}

static void trapped(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
}

void crew_call_begins(struct crew_member *member, enum crew_call call)
{
    (void)member;
    (void)call;
}

void crew_call_ended(struct crew_member *member)
{
    (void)member;
}
#endif

unsigned hold_length(enum crew_call call)
{
    return at.length[call] > 0 ? at.length[call] : 1;
}

uintptr_t hold_instruction(void)
{
    return atomic_load(&at.instruction);
}

/* ---- by the program ---- */

void hold_init(void)
{
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};

    REQUIRE(__stop_aro_delay_sites - __start_aro_delay_sites <= SITES_MAX);
    for (unsigned call = 0; call < CREW_CALLS; call++)
        at.length[call] = LENGTH_FIRST;
    at.go = eventfd(0, EFD_CLOEXEC);
    REQUIRE(at.go >= 0 && sigaction(SIGTRAP, &action, NULL) == 0);
}

void hold_arm(const struct hold *hold)
{
    at.hold = *hold;
    at.passes_left = hold->passes;
    atomic_store(&at.phase, ARMED);
}

bool hold_wait(double seconds)
{
    double end = seconds_now() + seconds;
    int expected = ARMED;

    while (atomic_load(&at.phase) != HELD && seconds_now() < end)
        usleep(50);
    atomic_compare_exchange_strong(&at.phase, &expected, IDLE);
    return atomic_load(&at.phase) == HELD;
}

void hold_release(void)
{
    uint64_t one = 1;

    atomic_store(&at.phase, IDLE);
    REQUIRE(write(at.go, &one, sizeof(one)) == sizeof(one));
}
