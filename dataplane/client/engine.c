/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/client/engine_state.h"

struct aro_engine *aro_engine_create(const struct aro_engine_options *options)
{
    struct aro_engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL)
        return NULL;
    engine->options = *options;
    engine->ready_last = &engine->ready;
    engine->check_us = UINT64_MAX;
    aro_manifests_init(&engine->manifests, options->manifests_kept_bytes);
    return engine;
}

void aro_engine_destroy(struct aro_engine *engine)
{
    if (engine == NULL)
        return;
    for (unsigned i = 0; i < engine->link_count; i++)
        free(engine->links[i]);
    aro_manifests_fini(&engine->manifests);
    free(engine->downloads);
    free(engine);
}

uint64_t engine_random(struct aro_engine *engine)
{
    if (engine->random_left == 0) {
        engine->options.random(engine->options.random_arg, engine->random, sizeof(engine->random));
        engine->random_left = ENGINE_RANDOM_WORDS;
    }
    return engine->random[--engine->random_left];
}

/* ---- sources ---- */

int aro_engine_source_add(struct aro_engine *engine, const struct aro_engine_source *source,
                          uint64_t now_us)
{
    struct aro_link *link;

    if (source->slice_bytes_max < ARO_SLICE_BYTES_MIN)
        return -EINVAL;
    if (engine->link_count == ARO_ENGINE_SOURCES_MAX)
        return -ENOSPC;
    link = calloc(1, sizeof(*link));
    if (link == NULL)
        return -ENOMEM;
    link->engine = engine;
    link->number = engine->link_count;
    link->config = *source;
    snprintf(link->stats.name, sizeof(link->stats.name), "%s", source->name);
    aro_source_init(&link->source, source->slice_bytes_max, source->receive_buffer_bytes,
                    source->token, now_us);
    aro_requests_init(&link->requests);
    engine->links[engine->link_count++] = link;
    return (int)link->number;
}

const struct arocache_source_stats *aro_engine_source_stats(struct aro_engine *engine,
                                                            unsigned source)
{
    struct aro_link *link = engine->links[source];
    struct arocache_source_stats *stats = &link->stats;

    stats->rtt_us = link->source.network.smoothed_us;
    stats->rtt_min_us = link->source.shortest.us;
    stats->rate_bytes_per_s = link->rate_bytes_per_s;
    stats->error = link->left ? (int)link->error.id : 0;
    snprintf(stats->error_text, sizeof(stats->error_text), "%.250s",
             link->left ? link->error.text : "");
    return stats;
}

bool aro_engine_source_alive(const struct aro_engine *engine, unsigned source)
{
    return !engine->links[source]->left;
}

uint64_t aro_engine_buffers_bytes(const struct aro_engine *engine)
{
    return engine->buffers_bytes;
}

/* ---- lists of downloads ---- */

void engine_wake(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;
    struct aro_download *next = engine->hungry;

    if (download->hungry)
        return;
    download->hungry = true;
    if (next == NULL) {
        engine->hungry = download->hungry_before = download->hungry_after = download;
        return;
    }
    download->hungry_after = next; /* last in the round */
    download->hungry_before = next->hungry_before;
    next->hungry_before->hungry_after = download;
    next->hungry_before = download;
}

void engine_rest(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;

    if (!download->hungry)
        return;
    download->hungry = false;
    download->hungry_before->hungry_after = download->hungry_after;
    download->hungry_after->hungry_before = download->hungry_before;
    if (engine->hungry == download)
        engine->hungry = download->hungry_after == download ? NULL : download->hungry_after;
}

void engine_ready(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;

    if (download->ready)
        return;
    download->ready = true;
    download->ready_next = NULL;
    *engine->ready_last = download;
    engine->ready_last = &download->ready_next;
}

struct aro_download *aro_engine_ready(struct aro_engine *engine)
{
    struct aro_download *download = engine->ready;

    if (download == NULL)
        return NULL;
    engine->ready = download->ready_next;
    if (engine->ready == NULL)
        engine->ready_last = &engine->ready;
    download->ready = false;
    return download;
}

void engine_check_at(struct aro_engine *engine, uint64_t at_us)
{
    if (at_us < engine->check_us)
        engine->check_us = at_us;
}
