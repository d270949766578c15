/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/probe.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/disk/state.h"

static int begun(struct aro_store *store, int error)
{
    store->probes += error == 0;
    return error;
}

static void end(struct aro_probe *probe, int result)
{
    probe->store->probes--;
    probe->done(probe, result);
}

/* ---- reading ---- */

static void read_done(struct aro_io *io, int result)
{
    struct aro_probe *probe = ARO_IO_OWNER(io, struct aro_probe, io);

    probe->segment->writes--;
    aro_segment_touch(probe->segment); /* it may have waited for us to retire */
    if (result >= 0)
        result = result == ARO_BLOCK_BYTES ? 0 : -EIO;
    end(probe, result);
}

/* Each with about the same chance. */
static struct aro_segment *any_segment(const struct aro_store *store, uint64_t draw)
{
    struct aro_segment *chosen = NULL;
    uint64_t seen = 0;

    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        if ((s->state == ARO_SEGMENT_ACTIVE || s->state == ARO_SEGMENT_SEALED) && s->data_fd >= 0 &&
            s->live > 0 && draw % ++seen == 0)
            chosen = s;
    return chosen;
}

int aro_store_probe_read(struct aro_store *store, struct aro_probe *probe, uint64_t draw)
{
    struct aro_segment *segment = any_segment(store, draw >> 32);
    int error;

    if (segment == NULL || segment->next_block == 0)
        return -ENOENT;
    probe->store = store;
    probe->segment = segment;
    probe->io.done = read_done;
    error = aro_uring_read(store->ring, &probe->io, segment->data_fd, probe->block, ARO_BLOCK_BYTES,
                           aro_segment_data_at(segment, (uint32_t)draw % segment->next_block));
    if (error == 0)
        segment->writes++; /* it keeps its descriptor */
    return begun(store, error);
}

/* ---- writing ---- */

static void sync_done(struct aro_io *io, int result)
{
    end(ARO_IO_OWNER(io, struct aro_probe, io), result);
}

static int sync_begin(struct aro_probe *probe, int fd)
{
    probe->io.done = sync_done;
    return aro_uring_datasync(probe->store->ring, &probe->io, fd);
}

static void write_done(struct aro_io *io, int result)
{
    struct aro_probe *probe = ARO_IO_OWNER(io, struct aro_probe, io);

    if (result >= 0)
        result = result == (int)probe->text_bytes ? sync_begin(probe, probe->store->lock_fd) : -EIO;
    if (result != 0)
        end(probe, result);
}

int aro_store_probe_write(struct aro_store *store, struct aro_probe *probe)
{
    probe->store = store;
    if (store->device != NULL || store->lock_fd < 0)
        return begun(store, sync_begin(probe, store->volume_fd));
    probe->text_bytes =
        (unsigned)snprintf(probe->block, ARO_BLOCK_BYTES, "%ld\n", (long)getpid()); /* as it is */
    probe->io.done = write_done;
    return begun(store, aro_uring_write(store->ring, &probe->io, store->lock_fd, probe->block,
                                        probe->text_bytes, 0));
}
