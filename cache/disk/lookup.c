/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose payload is at a place? The index keeps no ids, so the answer is in the segment's table: in
 * its records still in memory, or in the file, which is read whole and kept until another segment
 * is asked about. Chunks of one object lie side by side, so the next answer is near the last one.
 *
 * A plain read on the control thread: removals and quarantine only, out of the page cache mostly.
 */
#include "cache/disk/state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/record.h"

static bool is_at(const struct aro_record *record, uint32_t block)
{
    return record->type == ARO_RECORD_CHUNK && aro_load_le32(record->block) == block;
}

static const struct aro_record *search(const struct aro_record *records, size_t count, size_t from,
                                       uint32_t block)
{
    for (size_t i = 0; i < count; i++) {
        const struct aro_record *record = &records[(from + i) % count];
        if (is_at(record, block))
            return record;
    }
    return NULL;
}

/* Makes the view show the whole table of segment as it is now. */
static int view_load(struct aro_table_view *view, const struct aro_segment *segment)
{
    size_t bytes = segment->records * sizeof(struct aro_record);
    struct aro_record *record;
    ssize_t got;

    if (view->segment == segment->number && view->count == segment->records)
        return 0;
    record = realloc(view->record, bytes + 1);
    if (record == NULL)
        return -ENOMEM;
    view->record = record;
    view->segment = 0;
    got = pread(segment->table_fd, record, bytes, (off_t)aro_segment_table_at(segment, 0));
    if (got != (ssize_t)bytes)
        return got < 0 ? -errno : -EIO;
    view->segment = segment->number;
    view->count = segment->records;
    view->hint = 0;
    return 0;
}

/* What memory holds is right; what the file holds must prove itself. */
int aro_place_owner(struct aro_store *store, const struct aro_place *place, struct aro_id *ret)
{
    struct aro_segment *segment = aro_segment_map_find(&store->map, place->segment);
    const struct aro_record *record;
    int error;

    if (segment == NULL)
        return -ENOENT;
    record = search(segment->pending.record, segment->pending.count, 0, place->block);
    if (record == NULL)
        record = search(segment->batch.record, segment->batch.count, 0, place->block);
    if (record == NULL) {
        error = view_load(&store->view, segment);
        if (error != 0)
            return error;
        record = search(store->view.record, store->view.count, store->view.hint, place->block);
        if (record == NULL) /* asked for what was there: the table has lost it */
            return -EBADMSG;
        store->view.hint = (uint32_t)(record - store->view.record);
        if (!aro_record_valid(record, segment->seed, segment->number, store->view.hint))
            return -EBADMSG;
    }
    *ret = aro_id_load(record->id);
    return 0;
}
