/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start: finds the segments, has each table checked (table.c), rebuilds the index, and decides
 * which segment goes on taking appends. Synchronous.
 */
#include "cache/disk/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCKS_MAX = 1u << 20,   /* 4 GiB: what the index can name */
    SEGMENTS_MAX = 1u << 24, /* bounds the map */
};

struct found {
    uint32_t number;
    bool table;
    bool data;
};

struct recovery {
    struct aro_store *store;
    struct found *found;
    size_t count;
    uint64_t bytes_done; /* of tables */
    uint64_t bytes_total;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    uint8_t *payload; /* room for the largest chunk */
};

/* ---- what is there ---- */

static int by_number(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int note_file(struct recovery *recovery, uint32_t number, bool is_data)
{
    struct found *found =
        realloc(recovery->found, (recovery->count + 1) * sizeof(*recovery->found));

    if (found == NULL)
        return -ENOMEM;
    recovery->found = found;
    found[recovery->count++] = (struct found){number, .table = !is_data, .data = is_data};
    return 0;
}

/* One entry per file becomes one per segment. */
static void merge(struct recovery *recovery)
{
    size_t kept = 0;

    if (recovery->count == 0)
        return;
    qsort(recovery->found, recovery->count, sizeof(*recovery->found), by_number);
    for (size_t i = 1; i < recovery->count; i++) {
        if (recovery->found[i].number != recovery->found[kept].number) {
            recovery->found[++kept] = recovery->found[i];
            continue;
        }
        recovery->found[kept].table |= recovery->found[i].table;
        recovery->found[kept].data |= recovery->found[i].data;
    }
    recovery->count = kept + 1;
}

static int look_around(struct recovery *recovery)
{
    struct aro_store *store = recovery->store;
    int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct stat status;
    int error = 0;

    if (dir == NULL)
        return -errno;
    while (error == 0 && (entry = readdir(dir)) != NULL) {
        uint32_t number;
        bool is_data;
        if (!aro_segment_parse_name(entry->d_name, &number, &is_data))
            continue;
        error = note_file(recovery, number, is_data);
        if (!is_data && fstatat(store->dir_fd, entry->d_name, &status, 0) == 0)
            recovery->bytes_total += (uint64_t)status.st_size;
    }
    closedir(dir);
    merge(recovery);
    return error;
}

/* The numbers of all segments, each in a slot of its own; reserved even when one is set aside. */
static bool reserve_numbers(struct aro_segment_map *map, const struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->count; i++) {
        uint32_t number = recovery->found[i].number;
        if (aro_segment_map_taken(map, number))
            return false;
        atomic_store_explicit(&map->slot[number & (map->slots - 1)].number, number,
                              memory_order_relaxed);
    }
    return true;
}

/* Room for all that is there, whatever the configuration now says. */
static int make_room(struct recovery *recovery, const struct aro_store_config *config)
{
    struct aro_store *store = recovery->store;
    uint64_t records = recovery->bytes_total / ARO_RECORD_BYTES;
    uint64_t mask = config->fingerprint_mask == 0 ? UINT64_MAX : config->fingerprint_mask;
    uint64_t segments = store->size_bytes / store->segment_bytes + recovery->count + 4;
    bool reserved = false;

    if (store->chunks_max < records)
        store->chunks_max = records;
    store->places = aro_places_create(store->chunks_max, config->seed, mask);
    if (store->places == NULL)
        return -errno;
    while (!reserved) {
        free(store->map.slot);
        store->map.slot = NULL;
        if (segments > SEGMENTS_MAX)
            return -EFBIG;
        if (aro_segment_map_init(&store->map, (uint32_t)segments) != 0)
            return -ENOMEM;
        reserved = reserve_numbers(&store->map, recovery);
        segments *= 2;
    }
    return 0;
}

/* ---- each segment ---- */

/* Both files are there. */
static int load_segment(struct recovery *recovery, struct aro_segment *segment)
{
    struct aro_store *store = recovery->store;
    struct stat data, table;
    int error;

    segment->table_fd = openat(store->dir_fd, segment->table_name, O_RDWR | O_CLOEXEC);
    if (segment->table_fd < 0)
        return -errno;
    segment->data_fd = aro_segment_open_data(segment, 0);
    if (segment->data_fd < 0)
        return segment->data_fd;
    if (fstat(segment->data_fd, &data) != 0 || fstat(segment->table_fd, &table) != 0)
        return -errno;
    if ((uint64_t)data.st_size / ARO_BLOCK_BYTES > BLOCKS_MAX)
        return -EFBIG;
    segment->blocks = (uint32_t)((uint64_t)data.st_size / ARO_BLOCK_BYTES);
    segment->state = ARO_SEGMENT_SEALED;
    segment->named = true;
    error = aro_table_recover(segment, recovery->payload);
    if (error != 0)
        return error;
    recovery->bytes_done += (uint64_t)table.st_size;
    if (recovery->progress != NULL)
        recovery->progress(recovery->arg, recovery->bytes_done, recovery->bytes_total);
    store->stats.bytes_files_now += (uint64_t)data.st_size;
    return 0;
}

/*
 * One of the two files is missing. Data comes last when a segment is created and goes first when it
 * is retired, so a table alone in which every chunk was removed is debris. Anything else is damage:
 * it stays, aside and counted.
 */
static int judge_remains(struct recovery *recovery, struct aro_segment *segment, bool has_table)
{
    struct aro_store *store = recovery->store;
    uint64_t live = 1;
    int error = 0;

    if (has_table) {
        segment->table_fd = openat(store->dir_fd, segment->table_name, O_RDWR | O_CLOEXEC);
        if (segment->table_fd < 0)
            return -errno;
        segment->blocks = BLOCKS_MAX;
        error = aro_table_count(segment, &live);
    }
    if (error != 0)
        return error;
    if (live > 0)
        store->stats.recovered_lost++;
    else
        unlinkat(store->dir_fd, segment->table_name, 0);
    return 0;
}

static int recover_segment(struct recovery *recovery, const struct found *found)
{
    struct aro_store *store = recovery->store;
    struct aro_segment *segment;
    int error;

    store->last_number = found->number;
    segment = aro_segment_new(store, found->number);
    if (segment == NULL)
        return -ENOMEM;
    if (!found->data || !found->table) {
        error = judge_remains(recovery, segment, found->table);
        aro_segment_free(segment);
        return error;
    }
    error = load_segment(recovery, segment);
    if (error != 0) {
        aro_segment_free(segment);
        return error;
    }
    segment->next = store->segments;
    store->segments = segment;
    store->stats.segments_now++;
    aro_segment_map_add(&store->map, segment);
    aro_segment_touch(segment); /* nothing live in it? then it retires */
    return 0;
}

/* The youngest goes on where it stopped. */
static void choose_active(struct aro_store *store)
{
    struct aro_segment *segment = store->segments;

    if (segment == NULL || segment->next_block >= segment->blocks)
        return;
    segment->state = ARO_SEGMENT_ACTIVE;
    store->active = segment;
}

static int recover(struct recovery *recovery, const struct aro_store_config *config)
{
    struct aro_store *store = recovery->store;
    int error = look_around(recovery);

    if (error == 0)
        error = make_room(recovery, config);
    for (size_t i = 0; i < recovery->count && error == 0; i++)
        error = recover_segment(recovery, &recovery->found[i]);
    if (error == 0)
        choose_active(store);
    return error;
}

int aro_recover(struct aro_store *store, const struct aro_store_config *config,
                void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                struct aro_error *error)
{
    struct recovery recovery = {.store = store, .progress = progress, .arg = arg};
    int result;

    recovery.payload = aligned_alloc(ARO_BLOCK_BYTES, ARO_CHUNK_BYTES_MAX);
    result = recovery.payload == NULL ? -ENOMEM : recover(&recovery, config);
    free(recovery.payload);
    free(recovery.found);
    if (result == 0)
        return 0;
    return aro_error_set(error, result == -ENOMEM ? ARO_E_STORE_MEMORY : ARO_E_STORE_IO,
                         "cannot recover the store %s: %s", config->path, strerror(-result));
}
