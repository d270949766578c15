/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The eviction policies against published miss counts: replays a public block trace (libCacheSim's
 * cloudphysics-io.oracle-general.bin) through policy code alone, no memory. AROCACHE_TRACE names
 * the file; without it exit 77.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/policy.h"

enum { RECORD_BYTES = 24, OBJECTS_MAX = 1 << 17, MIB = 1 << 20 };

struct trace {
    uint8_t *records;
    size_t requests;
    struct aro_entry *entries; /* [:count] in use */
    uint32_t count;
    uint32_t *table; /* object id -> number of its entry, linear probing */
};

static int trace_load(struct trace *trace, const char *path)
{
    FILE *file = fopen(path, "rb");
    long bytes;

    if (file == NULL)
        return -1;
    fseek(file, 0, SEEK_END);
    bytes = ftell(file);
    rewind(file);
    trace->records = malloc((size_t)bytes);
    trace->requests = fread(trace->records, RECORD_BYTES, (size_t)bytes / RECORD_BYTES, file);
    fclose(file);
    trace->entries =
        aligned_alloc(alignof(struct aro_entry), OBJECTS_MAX * sizeof(struct aro_entry));
    trace->table = calloc(OBJECTS_MAX, sizeof(*trace->table));
    return trace->requests > 0 ? 0 : -1;
}

static struct aro_entry *entry_of(struct trace *trace, uint64_t object)
{
    struct aro_id id = {{object}};
    uint64_t at = aro_hash_id(&id, 0) % OBJECTS_MAX;

    while (trace->table[at] != 0 && trace->entries[trace->table[at] - 1].id.word[0] != object)
        at = (at + 1) % OBJECTS_MAX;
    if (trace->table[at] == 0) {
        trace->entries[trace->count] = (struct aro_entry){.id = id};
        trace->table[at] = ++trace->count;
    }
    return &trace->entries[trace->table[at] - 1];
}

static void trace_forget(struct trace *trace)
{
    memset(trace->table, 0, OBJECTS_MAX * sizeof(*trace->table));
    trace->count = 0;
}

static unsigned replay(struct trace *trace, const char *name, uint64_t capacity_bytes)
{
    struct aro_policy_config config = {
        .entries = trace->entries, .capacity_bytes = capacity_bytes, .entries_max = OBJECTS_MAX};
    struct aro_policy *policy = aro_policy_named(name)->create(&config);
    unsigned misses = 0;

    for (size_t i = 0; i < trace->requests; i++) {
        const uint8_t *record = trace->records + i * RECORD_BYTES;
        struct aro_entry *entry = entry_of(trace, aro_load_le64(record + 4));
        bool recalled;
        if (entry->policy_queue != 0) {
            if (policy->ops->hit != NULL)
                policy->ops->hit(policy, entry);
            else
                aro_entry_touch(entry);
            continue;
        }
        misses++;
        recalled = policy->ops->recall(policy, &entry->id);
        entry->len_bytes = aro_load_le32(record + 12);
        while (policy->bytes + entry->len_bytes > capacity_bytes)
            policy->ops->evict(policy);
        policy->ops->admit(policy, entry, recalled);
    }
    policy->ops->destroy(policy);
    trace_forget(trace);
    return misses;
}

int main(void)
{
    static const struct {
        const char *policy;
        unsigned mib;
        unsigned misses;
    } published[] = {
        {"fifo", 128, 93403},   {"fifo", 512, 84025},   {"fifo", 1024, 72140},
        {"lru", 128, 93374},    {"lru", 512, 81722},    {"lru", 1024, 71704},
        {"sieve", 128, 91699},  {"sieve", 512, 76707},  {"sieve", 1024, 64376},
        {"s3fifo", 128, 89307}, {"s3fifo", 512, 76791}, {"s3fifo", 1024, 70355},
    };
    const char *path = getenv("AROCACHE_TRACE");
    struct trace trace;
    int wrong = 0;

    if (path == NULL || trace_load(&trace, path) != 0) {
        fprintf(stderr, "skipped: AROCACHE_TRACE does not name the trace\n");
        return 77;
    }
    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        unsigned misses = replay(&trace, published[i].policy, (uint64_t)published[i].mib * MIB);
        printf("%-6s %4u MiB: %u misses, published %u\n", published[i].policy, published[i].mib,
               misses, published[i].misses);
        wrong += misses != published[i].misses;
    }
    free(trace.table);
    free(trace.entries);
    free(trace.records);
    return wrong == 0 ? 0 : 1;
}
