/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/names.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/gateway/names_state.h"
#include "control/gateway/nodes.h"

/* ---- entries, under the lock ---- */

static unsigned bucket_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a; the table is bounded anyhow */

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (unsigned)(hash >> 32) % NAMES_BUCKETS;
}

static void entry_unlist(struct aro_name_entry *entry)
{
    struct aro_name_entry **at = &entry->names->bucket[bucket_of(entry->text)];

    if (!entry->listed)
        return;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->listed = false;
}

/* Frees it when nobody needs it: not the table, not the thread, no claim. */
static void entry_drop(struct aro_name_entry *entry)
{
    if (entry->listed || entry->busy || entry->claims != NULL)
        return;
    entry->names->chunks -= entry->chunks_room;
    entry->names->stats.entries_now--;
    free(entry->chunks);
    free(entry->text);
    free(entry);
}

static bool is_stale(const struct aro_name_entry *entry, uint64_t now_us)
{
    return !entry->busy && entry->expires_us <= now_us;
}

/* Room for another: whatever is unclaimed and no longer believed, then whatever is unclaimed. */
static void table_clean(struct aro_gate_names *names, uint64_t now_us)
{
    for (int believed = 0; believed < 2; believed++)
        for (unsigned i = 0; i < NAMES_BUCKETS; i++)
            for (struct aro_name_entry *at = names->bucket[i], *next; at != NULL; at = next) {
                next = at->next;
                if (names->stats.entries_now < ARO_GATE_NAMES_MAX / 2)
                    return;
                if (at->busy || at->claims != NULL || (!believed && !is_stale(at, now_us)))
                    continue;
                entry_unlist(at);
                entry_drop(at);
            }
}

static struct aro_name_entry *entry_find(struct aro_gate_names *names, const char *text)
{
    struct aro_name_entry *entry = names->bucket[bucket_of(text)];

    while (entry != NULL && strcmp(entry->text, text) != 0)
        entry = entry->next;
    return entry;
}

static void wake_thread(const struct aro_gate_names *names)
{
    uint64_t one = 1;

    if (write(names->wake.fd, &one, sizeof(one)) < 0)
        return; /* it is awake already */
}

/* A new entry, given to the thread. NULL: no memory. */
static struct aro_name_entry *entry_begin(struct aro_gate_names *names, const char *text)
{
    struct aro_name_entry *entry = calloc(1, sizeof(*entry));
    unsigned bucket = bucket_of(text);

    if (entry == NULL || (entry->text = strdup(text)) == NULL) {
        free(entry);
        return NULL;
    }
    entry->names = names;
    entry->digest = strncmp(text, "sha256:", 7) == 0;
    entry->facts.state = ARO_NAME_ASKING;
    entry->facts.modified_s = -1;
    entry->listed = entry->busy = true;
    entry->next = names->bucket[bucket];
    names->bucket[bucket] = entry;
    entry->next_new = names->fresh;
    names->fresh = entry;
    names->stats.entries_now++;
    wake_thread(names);
    return entry;
}

void names_notify(struct aro_name_entry *entry)
{
    for (struct aro_claim *claim = entry->claims; claim != NULL; claim = claim->after) {
        struct names_mailbox *mailbox = &entry->names->mailbox[claim->worker];
        uint64_t one = 1;
        if (claim->changed)
            continue;
        claim->changed = true;
        claim->next_changed = NULL;
        *mailbox->changed_last = claim;
        mailbox->changed_last = &claim->next_changed;
        if (write(mailbox->fd, &one, sizeof(one)) < 0)
            continue; /* the worker knows already */
    }
}

void names_settle(struct aro_name_entry *entry, uint64_t believed_us)
{
    entry->busy = false;
    entry->expires_us = aro_gate_now_us() + believed_us;
    names_notify(entry);
    if (believed_us == 0)
        entry_unlist(entry); /* whoever comes later asks anew */
    entry_drop(entry);
}

int names_chunks_add(struct aro_name_entry *entry, const struct aro_name_chunk *chunks,
                     size_t count)
{
    struct aro_gate_names *names = entry->names;
    uint64_t used = entry->facts.chunks;

    if (used + count > entry->chunks_room) {
        uint64_t room = 2 * (used + count);
        struct aro_name_chunk *grown;
        if (names->chunks + room - entry->chunks_room > ARO_GATE_NAME_CHUNKS_MAX)
            return -ENOBUFS;
        grown = reallocarray(entry->chunks, room, sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        names->chunks += room - entry->chunks_room;
        entry->chunks = grown;
        entry->chunks_room = room;
    }
    memcpy(entry->chunks + used, chunks, count * sizeof(*chunks));
    entry->facts.chunks += count;
    return 0;
}

/* ---- claims ---- */

static int entry_claim(struct aro_gate_names *names, struct aro_claim *claim, const char *text,
                       struct aro_error *error)
{
    uint64_t now_us = aro_gate_now_us();
    struct aro_name_entry *entry = entry_find(names, text);

    if (entry != NULL && is_stale(entry, now_us)) {
        entry_unlist(entry);
        entry_drop(entry);
        entry = NULL;
    }
    if (entry == NULL) {
        if (names->stats.entries_now >= ARO_GATE_NAMES_MAX)
            table_clean(names, now_us);
        if (names->stats.entries_now >= ARO_GATE_NAMES_MAX)
            return aro_error_set(error, ARO_E_GATE_NAMES_FULL, "%d names are being asked for",
                                 ARO_GATE_NAMES_MAX);
        entry = entry_begin(names, text);
        if (entry == NULL)
            return aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory for a name");
    } else {
        names->stats.known++;
        names->stats.negative += !entry->busy && entry->facts.state == ARO_NAME_FAILED;
    }
    claim->entry = entry;
    claim->before = NULL;
    claim->after = entry->claims;
    if (claim->after != NULL)
        claim->after->before = claim;
    entry->claims = claim;
    return 0;
}

static bool can_ask(const struct aro_gate_names *names)
{
    for (unsigned i = 0; i < names->config->nodes; i++)
        if (names->config->node[i].control[0] != '\0')
            return true;
    return false;
}

int aro_gate_names_claim(struct aro_gate_names *names, struct aro_claim *claim, unsigned worker,
                         const char *text, struct aro_error *error)
{
    int result;

    *claim = (struct aro_claim){.worker = worker};
    if (!can_ask(names))
        return aro_error_set(error, ARO_E_GATE_NAMES_OFF, "this gateway resolves no names");
    pthread_mutex_lock(&names->lock);
    result = entry_claim(names, claim, text, error);
    pthread_mutex_unlock(&names->lock);
    return result;
}

static void changed_remove(struct names_mailbox *mailbox, struct aro_claim *claim)
{
    struct aro_claim **at = &mailbox->changed;

    if (!claim->changed)
        return;
    while (*at != claim)
        at = &(*at)->next_changed;
    *at = claim->next_changed;
    if (*at == NULL)
        mailbox->changed_last = at;
    claim->changed = false;
}

void aro_gate_names_release(struct aro_gate_names *names, struct aro_claim *claim)
{
    struct aro_name_entry *entry = claim->entry;

    if (entry == NULL)
        return;
    pthread_mutex_lock(&names->lock);
    changed_remove(&names->mailbox[claim->worker], claim);
    if (claim->before != NULL)
        claim->before->after = claim->after;
    else
        entry->claims = claim->after;
    if (claim->after != NULL)
        claim->after->before = claim->before;
    entry_drop(entry);
    pthread_mutex_unlock(&names->lock);
    claim->entry = NULL;
}

void aro_gate_names_doubt(struct aro_gate_names *names, const struct aro_claim *claim)
{
    pthread_mutex_lock(&names->lock);
    if (!claim->entry->busy) /* it is being asked for already */
        entry_unlist(claim->entry);
    pthread_mutex_unlock(&names->lock);
}

void aro_gate_names_look(struct aro_gate_names *names, const struct aro_claim *claim,
                         struct aro_name_facts *ret)
{
    pthread_mutex_lock(&names->lock);
    *ret = claim->entry->facts;
    pthread_mutex_unlock(&names->lock);
}

size_t aro_gate_names_chunks(struct aro_gate_names *names, const struct aro_claim *claim,
                             uint64_t from, struct aro_name_chunk *ret, size_t max)
{
    const struct aro_name_entry *entry = claim->entry;
    size_t count = 0;

    pthread_mutex_lock(&names->lock);
    if (from < entry->facts.chunks) {
        uint64_t left = entry->facts.chunks - from;
        count = left < max ? (size_t)left : max;
        memcpy(ret, entry->chunks + from, count * sizeof(*ret));
    }
    pthread_mutex_unlock(&names->lock);
    return count;
}

int aro_gate_names_fd(const struct aro_gate_names *names, unsigned worker)
{
    return names->mailbox[worker].fd;
}

struct aro_claim *aro_gate_names_changed(struct aro_gate_names *names, unsigned worker)
{
    struct names_mailbox *mailbox = &names->mailbox[worker];
    struct aro_claim *claim;
    uint64_t count;

    pthread_mutex_lock(&names->lock);
    claim = mailbox->changed;
    if (claim != NULL)
        changed_remove(mailbox, claim);
    else if (read(mailbox->fd, &count, sizeof(count)) < 0)
        count = 0; /* nothing rang */
    pthread_mutex_unlock(&names->lock);
    return claim;
}

void aro_gate_names_stats(struct aro_gate_names *names, struct aro_gate_names_stats *ret)
{
    pthread_mutex_lock(&names->lock);
    *ret = names->stats;
    pthread_mutex_unlock(&names->lock);
}

uint64_t aro_gate_names_turns(const struct aro_gate_names *names)
{
    return __atomic_load_n(&names->turns, __ATOMIC_RELAXED);
}

/* ---- life ---- */

static int thread_start(struct aro_gate_names *names)
{
    sigset_t all, kept;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &kept); /* signals are the main thread's */
    failed = pthread_create(&names->thread, NULL, names_run, names);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    names->running = failed == 0;
    if (names->running)
        pthread_setname_np(names->thread, "gate-names");
    return -failed;
}

static int names_open(struct aro_gate_names *names)
{
    int failed = names_ask_open(names);

    for (unsigned i = 0; i < ARO_GATE_WORKERS_MAX && failed == 0; i++) {
        names->mailbox[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        names->mailbox[i].changed_last = &names->mailbox[i].changed;
        if (names->mailbox[i].fd < 0)
            failed = -errno;
    }
    return failed != 0 ? failed : thread_start(names);
}

struct aro_gate_names *aro_gate_names_create(const struct aro_gate_config *config,
                                             struct aro_error *error)
{
    struct aro_gate_names *names = calloc(1, sizeof(*names));
    int failed;

    if (names == NULL) {
        aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory for names");
        return NULL;
    }
    names->config = config;
    names->wake.fd = -1;
    for (unsigned i = 0; i < ARO_GATE_WORKERS_MAX; i++)
        names->mailbox[i].fd = -1;
    pthread_mutex_init(&names->lock, NULL);
    failed = names_open(names);
    if (failed == 0)
        return names;
    aro_error_set(error, ARO_E_GATE_RESOURCES, "no descriptor, memory or thread for names: %s",
                  strerror(-failed));
    aro_gate_names_destroy(names);
    return NULL;
}

void aro_gate_names_destroy(struct aro_gate_names *names)
{
    if (names == NULL)
        return;
    if (names->running) {
        __atomic_store_n(&names->stop, 1, __ATOMIC_RELEASE);
        wake_thread(names);
        pthread_join(names->thread, NULL);
    }
    names_ask_close(names);
    for (unsigned i = 0; i < NAMES_BUCKETS; i++)
        while (names->bucket[i] != NULL) {
            struct aro_name_entry *entry = names->bucket[i];
            entry->busy = false;
            entry_unlist(entry);
            entry_drop(entry);
        }
    for (unsigned i = 0; i < ARO_GATE_WORKERS_MAX; i++)
        if (names->mailbox[i].fd >= 0)
            close(names->mailbox[i].fd);
    pthread_mutex_destroy(&names->lock);
    free(names);
}
