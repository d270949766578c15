/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/cache/disk/faults.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/uring.h"

int __real_aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                           uint32_t len_bytes, uint64_t offset_bytes);
int __real_aro_uring_writev(struct aro_uring *ring, struct aro_io *io, int fd,
                            const struct iovec *iov, unsigned n, uint64_t offset_bytes);
int __real_aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                          uint32_t len_bytes, uint64_t offset_bytes);
int __real_aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd);
int __real_aro_uring_sync(struct aro_uring *ring, struct aro_io *io, int fd);
int __real_aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd,
                              uint64_t offset_bytes, uint64_t len_bytes);
int __real_aro_uring_unlink(struct aro_uring *ring, struct aro_io *io, int dir_fd,
                            const char *path);
int __real_aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                          uint32_t len_bytes, uint64_t offset_bytes);
int __wrap_aro_uring_unlink(struct aro_uring *ring, struct aro_io *io, int dir_fd,
                            const char *path);
int __wrap_aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                          uint32_t len_bytes, uint64_t offset_bytes);
int __wrap_aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                           uint32_t len_bytes, uint64_t offset_bytes);
int __wrap_aro_uring_writev(struct aro_uring *ring, struct aro_io *io, int fd,
                            const struct iovec *iov, unsigned n, uint64_t offset_bytes);
int __wrap_aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd);
int __wrap_aro_uring_sync(struct aro_uring *ring, struct aro_io *io, int fd);
int __wrap_aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd,
                              uint64_t offset_bytes, uint64_t len_bytes);

enum { EVENTS_MAX = 20000, NAME_BYTES = 32, SECTOR_BYTES = 512, RUN_BYTES_MAX = 1 << 20 };

/* An operation on its way: ours between the store's and the ring. */
struct passing {
    struct aro_io io;
    struct aro_io *owner;
    enum fault_kind kind;
    int error; /* reported instead of the truth, when not 0 */
    unsigned event;
    char name[NAME_BYTES];
    char part[NAME_BYTES]; /* the same, but of the part of a device */
};

/* Starts in order; an operation's end is remembered in its start. */
struct event {
    enum fault_kind kind;
    char name[NAME_BYTES];
    uint8_t *bytes;
    uint64_t len_bytes;
    uint64_t offset_bytes;
    unsigned ended; /* clock when it completed well; 0: not */
    unsigned started;
};

static struct {
    struct {
        enum fault_kind kind;
        char name[NAME_BYTES];
        unsigned after, count, hit;
        int error;
    } order;
    struct {
        enum fault_kind kind;
        char name[NAME_BYTES];
        struct passing *held;
        int result;
    } hold;
    struct {
        enum fault_kind kind;
        char name[NAME_BYTES];
    } completed[EVENTS_MAX];
    unsigned completions;
    bool recording;
    struct fixture base;
    struct event event[EVENTS_MAX];
    unsigned events;
    unsigned clock; /* ticks at every start and every end */
} faults;

void faults_order(enum fault_kind kind, const char *name, unsigned after, unsigned count, int error)
{
    faults.order.kind = kind;
    snprintf(faults.order.name, NAME_BYTES, "%s", name);
    faults.order.after = after;
    faults.order.count = count;
    faults.order.error = error;
    faults.order.hit = 0;
}

unsigned faults_hit(void)
{
    return faults.order.hit;
}

void faults_hold(enum fault_kind kind, const char *name)
{
    faults.hold.kind = kind;
    snprintf(faults.hold.name, NAME_BYTES, "%s", name);
    faults.hold.held = NULL;
}

bool faults_holding(void)
{
    return faults.hold.held != NULL;
}

unsigned faults_count(enum fault_kind kind, const char *name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < faults.completions; i++)
        n += faults.completed[i].kind == kind && strstr(faults.completed[i].name, name) != NULL;
    return n;
}

static bool matches(enum fault_kind kind, const char *wanted, const struct passing *passing)
{
    return passing->kind == kind && strstr(passing->part, wanted) != NULL;
}

/* Of a device the part at `at`; a sync has none, but data is synced by descriptors with O_DIRECT.
 */
static void name_of(int fd, uint64_t at, char name[NAME_BYTES], char part[NAME_BYTES])
{
    char link[64], target[512];
    ssize_t n;
    const char *last;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    last = strrchr(target, '/');
    last = last == NULL ? "" : last + 1;
    snprintf(name, NAME_BYTES, "%.30s", strncmp(last, "aro-store-", 10) == 0 ? "." : last);
    memcpy(part, name, NAME_BYTES);
    if (fixture_on_device && at != UINT64_MAX)
        fixture_device_name(target, at, part);
    else if (fixture_on_device)
        snprintf(part, NAME_BYTES, fcntl(fd, F_GETFL) & O_DIRECT ? "any.data" : "any.table");
}

static void pass_on(struct passing *passing, int result)
{
    struct aro_io *owner = passing->owner;

    faults.clock++;
    if (result >= 0 && passing->event != UINT32_MAX)
        faults.event[passing->event].ended = faults.clock;
    if (result >= 0 && faults.completions < EVENTS_MAX) {
        faults.completed[faults.completions].kind = passing->kind;
        memcpy(faults.completed[faults.completions++].name, passing->part, NAME_BYTES);
    }
    free(passing);
    owner->done(owner, result);
}

static void passed(struct aro_io *io, int result)
{
    struct passing *passing = ARO_IO_OWNER(io, struct passing, io);

    if (passing->error != 0)
        result = passing->error;
    if (faults.hold.kind != 0 && faults.hold.held == NULL &&
        matches(faults.hold.kind, faults.hold.name, passing)) {
        faults.hold.held = passing;
        faults.hold.result = result;
        return;
    }
    pass_on(passing, result);
}

void faults_release(void)
{
    struct passing *passing = faults.hold.held;

    faults.hold.kind = 0;
    faults.hold.held = NULL;
    if (passing != NULL)
        pass_on(passing, faults.hold.result);
}

static struct passing *start_as(struct aro_io *owner, enum fault_kind kind, const char *name,
                                const char *part)
{
    struct passing *passing = calloc(1, sizeof(*passing));

    cr_assert_not_null(passing);
    passing->io.done = passed;
    passing->owner = owner;
    passing->kind = kind;
    passing->event = UINT32_MAX;
    snprintf(passing->name, NAME_BYTES, "%s", name);
    snprintf(passing->part, NAME_BYTES, "%s", part);
    if (!matches(faults.order.kind, faults.order.name, passing))
        return passing;
    if (faults.order.after > 0) {
        faults.order.after--;
    } else if (faults.order.count > 0) {
        faults.order.count--;
        faults.order.hit++;
        passing->error = faults.order.error;
    }
    return passing;
}

static struct passing *start_named(struct aro_io *owner, enum fault_kind kind, const char *name)
{
    return start_as(owner, kind, name, name);
}

/* at: UINT64_MAX when the operation is on all of the file. */
static struct passing *start(struct aro_io *owner, enum fault_kind kind, int fd, uint64_t at)
{
    char name[NAME_BYTES], part[NAME_BYTES];

    name_of(fd, at, name, part);
    return start_as(owner, kind, name, part);
}

static void note(struct passing *passing, const void *bytes, uint64_t len_bytes,
                 uint64_t offset_bytes)
{
    struct event *event = &faults.event[faults.events];

    faults.clock++;
    if (!faults.recording)
        return;
    cr_assert_lt(faults.events, (unsigned)EVENTS_MAX);
    passing->event = faults.events++;
    *event = (struct event){.kind = passing->kind,
                            .len_bytes = len_bytes,
                            .offset_bytes = offset_bytes,
                            .started = faults.clock};
    memcpy(event->name, passing->name, NAME_BYTES);
    if (bytes != NULL) {
        event->bytes = malloc(len_bytes);
        memcpy(event->bytes, bytes, len_bytes);
    }
}

/* Failed on demand: nothing happens but a round trip. */
static int launch(struct passing *passing, int error)
{
    if (error != 0)
        free(passing);
    return error;
}

int __wrap_aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                           uint32_t len_bytes, uint64_t offset_bytes)
{
    struct passing *passing = start(io, FAULT_WRITE, fd, offset_bytes);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    note(passing, buffer, len_bytes, offset_bytes);
    return launch(passing,
                  __real_aro_uring_write(ring, &passing->io, fd, buffer, len_bytes, offset_bytes));
}

/* One event, torn where any sector of it may be. */
int __wrap_aro_uring_writev(struct aro_uring *ring, struct aro_io *io, int fd,
                            const struct iovec *iov, unsigned n, uint64_t offset_bytes)
{
    struct passing *passing = start(io, FAULT_WRITE, fd, offset_bytes);
    static uint8_t bytes[RUN_BYTES_MAX];
    size_t len_bytes = 0;

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    for (unsigned i = 0; i < n; i++) {
        cr_assert_leq(len_bytes + iov[i].iov_len, sizeof(bytes));
        memcpy(bytes + len_bytes, iov[i].iov_base, iov[i].iov_len);
        len_bytes += iov[i].iov_len;
    }
    note(passing, bytes, len_bytes, offset_bytes);
    return launch(passing, __real_aro_uring_writev(ring, &passing->io, fd, iov, n, offset_bytes));
}

int __wrap_aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd)
{
    struct passing *passing = start(io, FAULT_SYNC, fd, UINT64_MAX);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    note(passing, NULL, 0, 0);
    return launch(passing, __real_aro_uring_datasync(ring, &passing->io, fd));
}

int __wrap_aro_uring_sync(struct aro_uring *ring, struct aro_io *io, int fd)
{
    struct passing *passing = start(io, FAULT_SYNC, fd, UINT64_MAX);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    note(passing, NULL, 0, 0);
    return launch(passing, __real_aro_uring_sync(ring, &passing->io, fd));
}

int __wrap_aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd,
                              uint64_t offset_bytes, uint64_t len_bytes)
{
    struct passing *passing = start(io, FAULT_ALLOCATE, fd, UINT64_MAX);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    note(passing, NULL, len_bytes, offset_bytes);
    return launch(passing,
                  __real_aro_uring_allocate(ring, &passing->io, fd, offset_bytes, len_bytes));
}

int __wrap_aro_uring_unlink(struct aro_uring *ring, struct aro_io *io, int dir_fd, const char *path)
{
    struct passing *passing = start_named(io, FAULT_UNLINK, path);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    note(passing, NULL, 0, 0);
    return launch(passing, __real_aro_uring_unlink(ring, &passing->io, dir_fd, path));
}

/* Reads change nothing: they can fail, but are no events. */
int __wrap_aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                          uint32_t len_bytes, uint64_t offset_bytes)
{
    struct passing *passing = start(io, FAULT_READ, fd, offset_bytes);

    if (passing->error != 0)
        return launch(passing, aro_uring_nop(ring, &passing->io));
    return launch(passing,
                  __real_aro_uring_read(ring, &passing->io, fd, buffer, len_bytes, offset_bytes));
}

/* ---- power cuts ---- */

void faults_record(struct fixture *f)
{
    fixture_copy(f, &faults.base);
    faults.recording = true;
    faults.events = 0;
    faults.clock = 0;
}

unsigned faults_events(void)
{
    return faults.clock;
}

void faults_stop(void)
{
    faults.recording = false;
    for (unsigned i = 0; i < faults.events; i++)
        free(faults.event[i].bytes);
    faults.events = 0;
    fixture_end(&faults.base);
}

static uint32_t roll(uint32_t *seed, uint32_t sides)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % sides;
}

/* Did a sync of this file begin after the event ended, and end before the cut? */
static bool is_durable(const struct event *event, const char *name, unsigned cut)
{
    for (unsigned i = 0; i < faults.events; i++) {
        const struct event *sync = &faults.event[i];
        if (sync->kind == FAULT_SYNC && strcmp(sync->name, name) == 0 && event->ended != 0 &&
            sync->started > event->ended && sync->ended != 0 && sync->ended <= cut)
            return true;
    }
    return false;
}

static void apply_write(const struct event *event, bool durable, uint32_t *seed, struct fixture *to)
{
    uint32_t fate = durable ? 0 : roll(seed, 4);

    if (fate == 1) /* lost */
        return;
    if (fate == 0) {
        fixture_write_file(to, event->name, event->bytes, event->len_bytes, event->offset_bytes);
        return;
    }
    for (uint64_t at = 0; at < event->len_bytes; at += SECTOR_BYTES) {
        uint64_t n = event->len_bytes - at < SECTOR_BYTES ? event->len_bytes - at : SECTOR_BYTES;
        if (roll(seed, 2) == 0) /* torn */
            continue;
        fixture_write_file(to, event->name, event->bytes + at, n, event->offset_bytes + at);
    }
}

/*
 * A file that was made since the recording began: when was its first event? Both files of a segment
 * are made together, before the data file is allocated.
 */
static bool is_new(const char *name, unsigned *ret_first)
{
    char path[512];
    size_t stem = strcspn(name, ".");

    snprintf(path, sizeof(path), "%s/%s", faults.base.dir, name);
    if (access(path, F_OK) == 0)
        return false;
    for (unsigned i = 0; i < faults.events; i++)
        if (strncmp(faults.event[i].name, name, stem + 1) == 0) {
            *ret_first = i;
            return true;
        }
    return false;
}

/* Is the file's name on disk after the cut? Its own seed: every event of a file agrees. */
static bool name_survives(const char *name, unsigned cut, uint32_t seed)
{
    unsigned first;
    struct event creation;

    if (!is_new(name, &first))
        return true;
    creation = faults.event[first];
    creation.ended = creation.started;
    for (const char *c = name; *c != '\0'; c++)
        seed = seed * 31 + (uint8_t)*c;
    return is_durable(&creation, ".", cut) || roll(&seed, 2) == 0;
}

void faults_pause(void)
{
    faults.recording = false;
}

void faults_power_cut(unsigned cut, uint32_t seed, struct fixture *to)
{
    uint32_t names_seed = seed;

    fixture_copy(&faults.base, to);
    for (unsigned i = 0; i < faults.events; i++) {
        const struct event *event = &faults.event[i];
        bool durable;
        if (event->started > cut || event->kind == FAULT_SYNC ||
            !name_survives(event->name, cut, names_seed))
            continue;
        durable = event->ended != 0 && event->ended <= cut &&
                  is_durable(event, event->kind == FAULT_UNLINK ? "." : event->name, cut);
        if (event->kind == FAULT_UNLINK) {
            if (durable || roll(&seed, 2) == 0)
                fixture_unlink(to, event->name);
        } else if (event->kind == FAULT_WRITE) {
            apply_write(event, durable, &seed, to);
        } else if (durable || roll(&seed, 2) == 0) {
            fixture_write_file(to, event->name, "", 0, 0);
            fixture_truncate(to, event->name, event->len_bytes);
        }
    }
}
