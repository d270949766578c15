/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several sources: which one may be asked for a chunk, when one is left, when a chunk is taken from
 * a slow one. With a single source nothing here changes what happens: there is nowhere else to go.
 */
#include <stdarg.h>
#include <stdio.h>

#include "dataplane/client/engine_state.h"

enum {
    SILENCES_MAX = 3,     /* time-outs in a row before a source is left */
    MISMATCHES_MAX = 2,   /* chunks with the wrong digest: docs/protocol.md, "Several sources" */
    GOOD_OUTWEIGHS = 256, /* verified chunks after which a mismatch is forgotten */
    LIES_PENALTY_FACTOR = 100, /* a liar stays left for longer */
    RATE_PERIOD_US = 50000,
    STEAL_FACTOR = 2, /* a chunk changes hands when that is so many times faster */
    STEAL_MARGIN_US = 20000,
    STEAL_LOOKS = 8, /* downloads looked at per try */
    TAKEN_MAX = 4,   /* chunks taken in a row, and far slower: left */
    FAR_SLOWER = 20,
};

bool link_has_others(const struct aro_link *link)
{
    const struct aro_engine *engine = link->engine;

    for (unsigned i = 0; i < engine->link_count; i++)
        if (engine->links[i] != link && !engine->links[i]->left)
            return true;
    return false;
}

/* Whether another one answered since this one did. */
static bool others_speak(const struct aro_link *link)
{
    const struct aro_engine *engine = link->engine;

    for (unsigned i = 0; i < engine->link_count; i++) {
        const struct aro_link *other = engine->links[i];
        if (other != link && !other->left && other->source.backoff == 0 &&
            other->source.heard_us > link->source.heard_us)
            return true;
    }
    return false;
}

/* Whether another one could be asked without doubt. */
static bool others_fresh(const struct aro_link *link)
{
    const struct aro_engine *engine = link->engine;

    for (unsigned i = 0; i < engine->link_count; i++)
        if (engine->links[i] != link && !engine->links[i]->left &&
            engine->links[i]->source.backoff == 0)
            return true;
    return false;
}

bool link_doubtful(const struct aro_link *link)
{
    if (link->source.backoff > 0)
        return others_fresh(link);
    return link->source.heard_us == 0 && others_speak(link);
}

bool link_may(const struct aro_link *link, const struct aro_transfer *transfer)
{
    const struct aro_engine *engine = link->engine;
    uint32_t bit = engine_link_bit(link), no = transfer->absent | transfer->wrong;

    if (transfer->link != ARO_TRANSFER_NO_LINK)
        return transfer->link == link->number;
    if ((transfer->absent & bit) != 0)
        return false;
    if ((transfer->wrong & bit) == 0)
        return true;
    for (unsigned i = 0; i < engine->link_count; i++)
        if (!engine->links[i]->left && (no >> i & 1) == 0)
            return false; /* somebody else may do better */
    return true;
}

bool link_needed(const struct aro_link *link, const struct aro_transfer *transfer)
{
    const struct aro_engine *engine = link->engine;

    for (unsigned i = 0; i < engine->link_count; i++) {
        const struct aro_link *other = engine->links[i];
        if (other != link && !other->left && !link_doubtful(other) && link_may(other, transfer))
            return false;
    }
    return true;
}

/* ---- leaving ---- */

/*
 * Left because it was silent or slow, but not for longer than the download is patient: while others
 * can do better that is right; when none of them has the chunk, it is worth waiting for.
 */
static bool may_revive(const struct aro_link *link, const struct aro_download *download)
{
    const struct aro_source *source = &link->source;

    return !download->options.hurried && link->left && source->heard_us != 0 &&
           (link->error.id == ARO_E_STALLED || link->error.id == ARO_E_SOURCE_SLOW) &&
           link->engine->now_us - source->heard_us < download->options.silence_us;
}

/* As new. */
static void link_revive(struct aro_link *link, uint64_t now_us)
{
    const struct aro_engine_source *config = &link->config;
    uint64_t heard_us = link->source.heard_us;

    link->left = false;
    link->mismatches = link->taken = 0;
    link->rate_since_us = link->rate_bytes_per_s = 0;
    aro_source_init(&link->source, config->slice_bytes_max, config->receive_buffer_bytes, NULL,
                    now_us);
    link->source.heard_us = heard_us;
    for (uint32_t i = 0; i < link->engine->download_room; i++)
        if (link->engine->downloads[i] != NULL &&
            link->engine->downloads[i]->state == ARO_DOWNLOAD_RUNNING)
            engine_wake(link->engine->downloads[i]);
}

/* Nobody who is asked has it: the end of its download. */
static void hopeless_check(struct aro_download *download, const struct aro_transfer *transfer)
{
    const struct aro_engine *engine = download->engine;
    bool first = !download->options.list && !download->root_known;
    char text[ARO_ID_TEXT_MAX], who[160];

    if (transfer->absent == 0)
        return;
    for (unsigned i = 0; i < engine->link_count; i++)
        if (!engine->links[i]->left && (transfer->absent >> i & 1) == 0)
            return;
    for (unsigned i = 0; i < engine->link_count; i++)
        if ((transfer->absent >> i & 1) == 0 && may_revive(engine->links[i], download)) {
            link_revive(engine->links[i], engine->now_us);
            return;
        }
    if (engine->link_count == 1)
        snprintf(who, sizeof(who), "%s does not have", engine->links[0]->stats.name);
    else
        snprintf(who, sizeof(who), "none of the sources that answer has");
    aro_id_format(&transfer->id, first ? download->options.kind : ARO_KIND_CHUNK, text);
    if (first)
        download_fail(download, ARO_E_NOT_FOUND, "%s %s", who, text);
    else
        download_fail(download, ARO_E_INCOMPLETE, "%s all of the object: chunk %s is missing", who,
                      text);
}

void link_absent(struct aro_link *link, struct aro_download *download,
                 struct aro_transfer *transfer)
{
    link->stats.absent++;
    transfer->absent |= engine_link_bit(link);
    hopeless_check(download, transfer);
    if (download->state == ARO_DOWNLOAD_RUNNING)
        download_restart(download, transfer);
}

/* What this source was to bring is asked of anyone. */
static void chunks_free(struct aro_link *link)
{
    struct aro_engine *engine = link->engine;

    for (uint32_t i = 0; i < engine->download_room; i++) {
        struct aro_download *download = engine->downloads[i];
        if (download == NULL || download->state != ARO_DOWNLOAD_RUNNING)
            continue;
        for (uint64_t at = download->head; at < download->tail; at++) {
            struct aro_transfer *transfer = engine_transfer(download, at);
            if (transfer->state != ARO_TRANSFER_FETCHING)
                continue;
            if (transfer->link == link->number)
                download_restart(download, transfer);
            hopeless_check(download, transfer);
        }
    }
}

static void leave(struct aro_link *link, enum aro_error_id id, const char *text)
{
    uint64_t penalty = link->engine->options.penalty_us;
    struct aro_request *request;

    aro_error_set(&link->error, id, "%s", text);
    link->left = true;
    link->left_until_us = UINT64_MAX;
    if (penalty != 0)
        link->left_until_us =
            link->engine->now_us + penalty * (id == ARO_E_SOURCE_LIES ? LIES_PENALTY_FACTOR : 1);
    while ((request = aro_requests_oldest(&link->requests)) != NULL) {
        request->outstanding = 0;
        aro_requests_close(&link->requests, request);
    }
    link->source.in_flight = 0;
    chunks_free(link);
}

void link_return(struct aro_link *link, uint64_t now_us)
{
    if (!link->left || now_us < link->left_until_us)
        return;
    link_revive(link, now_us);
    link->source.heard_us = 0; /* whatever it said is long ago */
}

void link_refuse(struct aro_link *link, struct aro_download *download, enum aro_error_id id,
                 const char *format, ...)
{
    char text[ARO_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (link_has_others(link))
        leave(link, id, text);
    else if (download != NULL)
        download_fail(download, id, "%s", text);
}

void link_mismatch(struct aro_download *download, struct aro_transfer *transfer, const char *what)
{
    struct aro_link *link = download->engine->links[transfer->link];
    struct aro_source *source = &link->source;
    char text[ARO_ID_TEXT_MAX];

    download->stats.mismatches++;
    link->stats.mismatches++;
    link->good = 0;
    transfer->mismatches++;
    transfer->wrong |= engine_link_bit(link);
    if (transfer->probe && aro_source_is_trial(source, transfer->slice_bytes))
        aro_source_probe_failed(source);
    if (!download->options.list &&
        (download->options.kind == ARO_KIND_CHUNK || !download->root_known))
        transfer->len_bytes = 0; /* the length was the source's word, too */
    download_restart(download, transfer);
    aro_id_format(&transfer->id, ARO_KIND_CHUNK, text);
    if (++link->mismatches >= MISMATCHES_MAX && link_has_others(link))
        link_refuse(link, NULL, ARO_E_SOURCE_LIES, "%s lies: chunk %s came with %s",
                    link->stats.name, text, what);
    else if (transfer->mismatches >= MISMATCHES_MAX && !link_has_others(link))
        download_fail(download, ARO_E_SOURCE_LIES, "%s lies: chunk %s came twice with %s",
                      link->stats.name, text, what);
}

void link_verified(struct aro_download *download, const struct aro_transfer *transfer)
{
    struct aro_link *link;

    if (transfer->link == ARO_TRANSFER_NO_LINK)
        return; /* it was here */
    link = download->engine->links[transfer->link];
    download->sources |= engine_link_bit(link);
    if (transfer->probe && aro_source_is_trial(&link->source, transfer->slice_bytes))
        aro_source_probe_open(&link->source); /* too short a chunk to tell */
    link->stats.chunks++;
    link->stats.content_bytes += transfer->len_bytes;
    link->taken = 0;
    if (++link->good >= GOOD_OUTWEIGHS)
        link->mismatches = 0;
}

void link_silent(struct aro_link *link)
{
    const char *name = link->stats.name;

    if (!link_has_others(link))
        return;
    chunks_free(link);
    if (link->source.backoff < SILENCES_MAX || !others_speak(link))
        return;
    if (link->source.heard_us == 0)
        link_refuse(link, NULL, ARO_E_NO_ANSWER, "%s does not answer", name);
    else
        link_refuse(link, NULL, ARO_E_STALLED, "%s answers no longer", name);
}

/* ---- speed ---- */

void link_rate(struct aro_link *link, uint32_t bytes, uint64_t now_us)
{
    uint64_t elapsed_us = now_us - link->rate_since_us;

    if (link->rate_since_us == 0 || elapsed_us > 10 * RATE_PERIOD_US) { /* it had nothing to do */
        link->rate_since_us = now_us;
        link->rate_bytes = 0;
        return;
    }
    link->rate_bytes += bytes;
    if (elapsed_us < RATE_PERIOD_US)
        return;
    uint64_t rate = link->rate_bytes * 1000000 / elapsed_us;
    link->rate_bytes_per_s =
        link->rate_bytes_per_s == 0 ? rate : (link->rate_bytes_per_s * 3 + rate) / 4;
    link->rate_since_us = now_us;
    link->rate_bytes = 0;
}

/* Would the thief have all of it well before the holder has the rest? */
static bool sooner(const struct aro_link *thief, const struct aro_link *holder,
                   const struct aro_transfer *transfer)
{
    if (link_doubtful(holder))
        return !link_doubtful(thief);

    uint64_t rest = (uint64_t)transfer->missing * transfer->slice_bytes;
    uint64_t holder_us = rest * 1000000 / (holder->rate_bytes_per_s + 1);
    uint64_t thief_us = thief->source.response.smoothed_us +
                        (uint64_t)transfer->len_bytes * 1000000 / (thief->rate_bytes_per_s + 1);

    return holder->rate_bytes_per_s > 0 && thief->rate_bytes_per_s > 0 &&
           holder_us > STEAL_FACTOR * thief_us + STEAL_MARGIN_US;
}

static void far_slower_check(const struct aro_link *thief, struct aro_link *holder)
{
    if (++holder->taken < TAKEN_MAX ||
        holder->rate_bytes_per_s > thief->rate_bytes_per_s / FAR_SLOWER)
        return;
    link_refuse(holder, NULL, ARO_E_SOURCE_SLOW, "%s is more than %d times slower than %s",
                holder->stats.name, FAR_SLOWER, thief->stats.name);
}

/* The first chunk that somebody is still busy with: all behind it waits for it. */
static bool steal_from(struct aro_link *link, struct aro_download *download)
{
    for (uint64_t at = download->take; at < download->tail; at++) {
        struct aro_transfer *transfer = engine_transfer(download, at);
        if (transfer->state != ARO_TRANSFER_FETCHING || transfer->link == ARO_TRANSFER_NO_LINK)
            continue;
        struct aro_link *holder = link->engine->links[transfer->link];
        if (holder == link || ((transfer->absent | transfer->wrong) >> link->number & 1) != 0 ||
            transfer->len_bytes == 0 || transfer->slice_bytes == 0 ||
            !sooner(link, holder, transfer))
            return false;
        holder->stats.taken++;
        if (transfer->probe && aro_source_is_trial(&holder->source, transfer->slice_bytes))
            aro_source_probe_failed(&holder->source);
        download_restart(download, transfer);
        transfer->link = (uint8_t)link->number;
        far_slower_check(link, holder);
        return true;
    }
    return false;
}

bool link_steal(struct aro_link *link)
{
    struct aro_engine *engine = link->engine;

    if (link->source.backoff > 0 || !link_has_others(link))
        return false;
    for (unsigned i = 0; i < STEAL_LOOKS && i < engine->download_room; i++) {
        engine->steal_at = (engine->steal_at + 1) % engine->download_room;
        struct aro_download *download = engine->downloads[engine->steal_at];
        if (download != NULL && download->state == ARO_DOWNLOAD_RUNNING &&
            steal_from(link, download))
            return true;
    }
    return false;
}
