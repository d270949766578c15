/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to ask for, and when: a source with room in its window takes the first unasked slices, one
 * request of each download in turn.
 */
#include "dataplane/client/engine_state.h"

enum { PROBE_SLICES = 2 }; /* of a size that may not pass, ask for a few only */

/* Something to ask for now; of a size under trial only a few slices, until one came. */
static bool ready(const struct aro_transfer *transfer, uint64_t now_us)
{
    if (transfer->hold_until_us > now_us)
        return false;
    return !transfer->probe || transfer->missing < transfer->slices ||
           transfer->unasked == transfer->slices;
}

/*
 * The next transfer with something to ask of this source, or NULL. A doubtful source never gets the
 * first one, but the last, for which nobody waits yet. *ret_open: there is something to ask for, if
 * not of it or now.
 */
static struct aro_transfer *transfer_next(struct aro_download *download,
                                          const struct aro_link *link, bool doubtful,
                                          uint64_t now_us, bool *ret_open)
{
    struct aro_transfer *first = NULL, *last = NULL;

    *ret_open = false;
    if (download->scan < download->head)
        download->scan = download->head;
    for (uint64_t at = download->scan; at < download->tail; at++) {
        struct aro_transfer *transfer = engine_transfer(download, at);
        bool open = transfer->state == ARO_TRANSFER_FETCHING && transfer->unasked > 0;
        *ret_open |= open;
        if (open && ready(transfer, now_us) && link_may(link, transfer)) {
            if (!doubtful || link_needed(link, transfer))
                return transfer;
            if (first == NULL)
                first = transfer;
            last = transfer;
        }
        if (!open && at == download->scan)
            download->scan++;
    }
    return last != first ? last : NULL;
}

/* The next one of all downloads, in turn. *ret_download is its. */
static struct aro_transfer *transfer_choose(struct aro_link *link, uint64_t now_us,
                                            struct aro_download **ret_download)
{
    struct aro_engine *engine = link->engine;
    struct aro_download *seen = NULL;
    bool doubtful = link_doubtful(link), open;

    while (engine->hungry != NULL && engine->hungry != seen) {
        struct aro_download *download = engine->hungry;
        struct aro_transfer *transfer = transfer_next(download, link, doubtful, now_us, &open);
        engine->hungry = download->hungry_after;
        if (transfer != NULL) {
            *ret_download = download;
            return transfer;
        }
        if (!open)
            engine_rest(download);
        else if (seen == NULL)
            seen = download;
    }
    return NULL;
}

/*
 * Whether to wait until more of the window is open: a request per arriving slice would double the
 * packets. A quarter of the window, or what is left of the chunk, is worth a request.
 */
static bool too_little(const struct aro_link *link, const struct aro_transfer *transfer,
                       uint32_t room)
{
    uint32_t worth = aro_congestion_window(&link->source.congestion) / 4;

    if (worth > ARO_MASK_SLICES)
        worth = ARO_MASK_SLICES;
    return link->source.in_flight > 0 && room < worth && room < transfer->unasked;
}

static uint32_t slices_allowed(const struct aro_link *link, const struct aro_transfer *transfer,
                               uint32_t room)
{
    if (room > ARO_MASK_SLICES)
        room = ARO_MASK_SLICES;
    if (transfer->probe && transfer->missing == transfer->slices && room > PROBE_SLICES)
        room = PROBE_SLICES;
    if (link->source.heard_us == 0 && room > ARO_WINDOW_INITIAL)
        room = ARO_WINDOW_INITIAL;
    return room;
}

/* The request for these slices, filled in and on its way. */
static void compose(struct aro_link *link, struct aro_download *download,
                    struct aro_transfer *transfer, struct aro_request *request, uint32_t room,
                    uint8_t *at)
{
    struct aro_source *source = &link->source;
    uint16_t first;
    uint64_t mask;

    transfer->link = (uint8_t)link->number;
    if (transfer->slice_bytes == 0)
        aro_transfer_cut(transfer,
                         aro_source_slice_bytes(source, transfer->len_bytes, &transfer->probe));
    source->in_flight +=
        aro_transfer_ask(transfer, slices_allowed(link, transfer, room), &first, &mask);
    request->wanted = request->outstanding = mask;
    request->download = download->place;
    request->serial = download->serial;
    request->transfer = (uint32_t)(transfer - download->transfers);
    request->generation = transfer->generation;
    request->first = first;
    request->slice_bytes = (uint16_t)transfer->slice_bytes;
    request->token_serial = source->token_serial;
    request->arrival_mark = link->arrivals;

    struct aro_get get = {.id = transfer->id,
                          .mask = mask,
                          .echo = request->echo,
                          .flags = download->options.flags,
                          .slice_bytes = request->slice_bytes,
                          .first = first};
    memcpy(get.token, source->token, ARO_TOKEN_BYTES);
    aro_get_encode(at, &get);
    download->stats.requests++;
    download->stats.sent_bytes += ARO_GET_BYTES;
    link->stats.requests++;
    link->stats.sent_bytes += ARO_GET_BYTES;
}

/* Composes one request into at. False: nothing to ask for now. */
static bool ask(struct aro_link *link, uint8_t *at, uint64_t now_us)
{
    uint32_t room = aro_source_room(&link->source, link->requests.live, now_us);
    struct aro_download *download = NULL;
    struct aro_transfer *transfer = room > 0 ? transfer_choose(link, now_us, &download) : NULL;
    struct aro_request *request;

    if (transfer == NULL && room > 0 && link_steal(link))
        transfer = transfer_choose(link, now_us, &download);
    if (transfer == NULL || (transfer->slice_bytes != 0 && too_little(link, transfer, room)))
        return false;
    request = aro_requests_open(&link->requests, engine_random(link->engine), now_us);
    if (request == NULL)
        return false;
    compose(link, download, transfer, request, room, at);
    return true;
}

size_t aro_engine_send_burst(struct aro_engine *engine, unsigned source,
                             uint8_t (*requests)[ARO_GET_BYTES], size_t max, uint64_t now_us)
{
    struct aro_link *link = engine->links[source];
    size_t count = 0;

    engine->now_us = now_us;
    while (count < max && !link->left && ask(link, requests[count], now_us))
        count++;
    return count;
}
