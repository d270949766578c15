/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/client/wire.h"

#include <stdlib.h>

#include "cache/base/sha256.h"

enum { PACKETS_MAX = 16384, PIECES_MAX = 64, TIME_MAX_US = 600000000 };
enum { STALL_US = 30000, STALL_PERIOD_US = 100000 };

/* One datagram under way. */
struct packet {
    uint64_t due_us;
    uint64_t order; /* ties are broken by age, so that a run depends on its seed only */
    bool to_server;
    uint8_t source;
    uint16_t len;
    uint8_t *bytes;
};

struct wire {
    struct wire_options options;
    struct model *model; /* of the first source: the content of all */
    struct wire_source source[WIRE_SOURCES_MAX];
    uint64_t busy_until_us[WIRE_SOURCES_MAX];
    unsigned sources;
    unsigned answering; /* source whose answers leave now */
    struct aro_engine *engine;
    struct aro_download *download;
    struct packet heap[PACKETS_MAX];
    uint32_t count;
    uint64_t order, random, now_us;
    uint64_t pushed; /* bytes of the list */
    bool range_chosen;
    struct wire_result result;
    struct aro_piece pieces[PIECES_MAX];
    uint32_t pieces_held;
};

static bool earlier(const struct packet *a, const struct packet *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_push(struct wire *wire, struct packet packet)
{
    uint32_t at = wire->count++;

    if (wire->count > PACKETS_MAX)
        abort(); /* bounded: the window is */
    for (; at > 0 && earlier(&packet, &wire->heap[(at - 1) / 2]); at = (at - 1) / 2)
        wire->heap[at] = wire->heap[(at - 1) / 2];
    wire->heap[at] = packet;
}

static struct packet heap_pop(struct wire *wire)
{
    struct packet first = wire->heap[0];
    struct packet last = wire->heap[--wire->count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= wire->count)
            break;
        if (child + 1 < wire->count && earlier(&wire->heap[child + 1], &wire->heap[child]))
            child++;
        if (!earlier(&wire->heap[child], &last))
            break;
        wire->heap[at] = wire->heap[child];
        at = child;
    }
    wire->heap[at] = last;
    return first;
}

static bool chance(struct wire *wire, uint32_t of_thousand)
{
    return model_random(&wire->random) % 1000 < of_thousand;
}

static void put(struct wire *wire, const uint8_t *bytes, size_t len, bool to_server,
                unsigned source, uint64_t due)
{
    struct packet packet = {due,           wire->order++, to_server, (uint8_t)source,
                            (uint16_t)len, malloc(len)};

    memcpy(packet.bytes, bytes, len);
    heap_push(wire, packet);
}

/* A machine with other work: what is due in a stall comes at its end. */
static uint64_t stalled(const struct wire *wire, uint64_t due)
{
    uint64_t period = due / STALL_PERIOD_US;

    if (due % STALL_PERIOD_US < STALL_US && period < 10 + wire->options.stalls)
        due = period * STALL_PERIOD_US + STALL_US; /* time began with period 10 */
    return due;
}

static void answer_send(void *arg, const uint8_t *header, size_t header_len, const uint8_t *payload,
                        size_t payload_len)
{
    struct wire *wire = arg;
    const struct wire_options *options = &wire->options;
    const struct wire_source *source = &wire->source[wire->answering];
    uint64_t *busy_until_us = &wire->busy_until_us[wire->answering];
    uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX];
    size_t len = header_len + payload_len;

    memcpy(bytes, header, header_len);
    if (payload_len > 0)
        memcpy(bytes + header_len, payload, payload_len);
    if (*busy_until_us < wire->now_us)
        *busy_until_us = wire->now_us;
    *busy_until_us += source->slice_us;
    if (chance(wire, options->loss_percent * 10))
        return;
    if (chance(wire, options->damage_permille))
        bytes[model_random(&wire->random) % len] ^=
            (uint8_t)(1 + model_random(&wire->random) % 255);
    uint64_t due = stalled(wire, *busy_until_us + source->delay_us);
    if (chance(wire, options->reorder_percent * 10))
        due += model_random(&wire->random) % (8u * options->slice_us + 1);
    put(wire, bytes, len, false, wire->answering, due);
    if (chance(wire, options->duplicate_percent * 10))
        put(wire, bytes, len, false, wire->answering, due + model_random(&wire->random) % 1000);
}

static void requests_send(struct wire *wire, unsigned source)
{
    uint8_t requests[8][ARO_GET_BYTES];
    size_t count;

    while ((count = aro_engine_send_burst(wire->engine, source, requests, 8, wire->now_us)) > 0)
        for (size_t i = 0; i < count; i++) {
            struct aro_get get;
            aro_get_decode(requests[i], ARO_GET_BYTES, &get);
            if (wire->options.on_request != NULL)
                wire->options.on_request(wire->options.on_request_arg, &get, wire->now_us);
            if (!chance(wire, wire->options.loss_percent * 10))
                put(wire, requests[i], ARO_GET_BYTES, true, source,
                    wire->now_us + wire->source[source].delay_us);
        }
}

static void all_send(struct wire *wire)
{
    for (unsigned i = 0; i < wire->sources; i++)
        requests_send(wire, i);
}

static void pieces_take(struct wire *wire)
{
    struct aro_piece piece;

    while (aro_download_take(wire->download, &piece)) {
        if (piece.at != wire->options.first_byte + wire->result.content_right ||
            memcmp(piece.bytes, wire->model->content + piece.at, piece.len_bytes) != 0)
            wire->result.content_wrong = true;
        wire->result.content_right += piece.len_bytes;
        wire->pieces[wire->pieces_held++] = piece;
        if (wire->pieces_held <= wire->options.hold_pieces)
            continue;
        for (uint32_t i = 0; i < wire->pieces_held; i++)
            aro_download_release(wire->download, &wire->pieces[i]);
        wire->pieces_held = 0;
    }
}

static void packet_arrive(struct wire *wire, struct packet *packet)
{
    if (wire->options.restart_at_slice != 0 &&
        wire->model->slices >= wire->options.restart_at_slice) {
        wire->options.restart_at_slice = 0;
        model_restart(wire->model);
    }
    wire->answering = packet->source;
    if (packet->to_server)
        model_receive(wire->source[packet->source].model, packet->bytes, packet->len, answer_send,
                      wire);
    else
        aro_engine_receive(wire->engine, packet->source, packet->bytes, packet->len, wire->now_us);
    free(packet->bytes);
}

static void random_fill(void *arg, void *bytes, size_t len)
{
    struct wire *wire = arg;

    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = model_random(&wire->random);
        memcpy((uint8_t *)bytes + at, &word, sizeof(word));
    }
}

/* What an earlier try left: right but for the last byte. */
static bool local(void *arg, uint64_t at, void *bytes, uint32_t len_bytes)
{
    const struct wire *wire = arg;

    if (at < wire->options.local_first || at + len_bytes > wire->options.local_end)
        return false;
    memcpy(bytes, wire->model->content + at, len_bytes);
    if (at + len_bytes == wire->options.local_end)
        ((uint8_t *)bytes)[len_bytes - 1] ^= 1;
    return true;
}

static struct aro_id first_chunk(const struct model *model)
{
    uint64_t len =
        model->content_bytes < model->chunk_bytes ? model->content_bytes : model->chunk_bytes;

    return aro_sha256(model->content, len);
}

static void download_make(struct wire *wire)
{
    const struct wire_options *options = &wire->options;
    struct aro_download_options download = {
        .id = options->chunk ? first_chunk(wire->model) : wire->model->object_id,
        .kind = options->chunk ? ARO_KIND_CHUNK : ARO_KIND_OBJECT,
        .list = options->as_list,
        .chunk_bytes = wire->model->chunk_bytes,
        .root_only = options->byte_count != 0 && !options->as_list,
        .buffer_bytes = options->buffer_bytes,
        .eager = true,
        .silence_us = options->silence_us,
        .content_digest = !options->as_list && options->byte_count == 0,
        .have = options->local_end != 0 ? local : NULL,
        .have_arg = wire,
    };

    wire->download = aro_download_create(wire->engine, &download, wire->now_us);
    if (options->as_list && options->byte_count != 0)
        aro_download_range(wire->download, options->first_byte, options->byte_count);
}

static void engine_make(struct wire *wire)
{
    struct aro_engine_options engine = {
        .penalty_us = wire->options.penalty_us, .random = random_fill, .random_arg = wire};
    static const char *const names[WIRE_SOURCES_MAX] = {"model", "second", "third", "fourth"};

    wire->engine = aro_engine_create(&engine);
    for (unsigned i = 0; i < wire->sources; i++) {
        struct aro_engine_source source = {.name = names[i],
                                           .slice_bytes_max = wire->options.slice_bytes_max,
                                           .receive_buffer_bytes = 4u << 20,
                                           .token = wire->options.token};
        aro_engine_source_add(wire->engine, &source, wire->now_us);
    }
}

/* What the caller does between two events: choose the range, feed the list. */
static void caller_act(struct wire *wire)
{
    const struct model *model = wire->model;
    struct aro_download_root root;

    if (wire->options.byte_count != 0 && !wire->options.as_list && !wire->range_chosen &&
        aro_download_root(wire->download, &root)) {
        aro_download_range(wire->download, wire->options.first_byte, wire->options.byte_count);
        wire->range_chosen = true;
    }
    if (!wire->options.as_list || wire->pushed > model->content_bytes)
        return;
    if (wire->pushed == model->content_bytes) {
        aro_download_finish(wire->download);
        wire->pushed++; /* once */
        return;
    }
    uint64_t left = model->content_bytes - wire->pushed;
    uint32_t len = left < model->chunk_bytes ? (uint32_t)left : model->chunk_bytes;
    struct aro_id id = aro_sha256(model->content + wire->pushed, len);
    aro_download_push(wire->download, &id, len);
    wire->pushed += len;
}

static void options_default(struct wire *wire, struct model *model,
                            const struct wire_options *options)
{
    struct wire_options *own = &wire->options;

    *own = *options;
    wire->model = model;
    wire->random = options->seed;
    wire->now_us = 1000000;
    own->delay_us = options->delay_us > 0 ? options->delay_us : 50;
    own->slice_us = options->slice_us > 0 ? options->slice_us : 3;
    own->slice_bytes_max =
        options->slice_bytes_max > 0 ? options->slice_bytes_max : ARO_SLICE_BYTES_1500;
    own->buffer_bytes = options->buffer_bytes > 0 ? options->buffer_bytes : 1u << 20;
    own->silence_us = options->silence_us > 0 ? options->silence_us : 10000000;
    wire->sources = 1 + options->other_count;
    wire->source[0].model = model;
    for (unsigned i = 0; i < wire->sources; i++) {
        struct wire_source *source = &wire->source[i];
        if (i > 0)
            *source = options->others[i - 1];
        source->delay_us = source->delay_us > 0 ? source->delay_us : own->delay_us;
        source->slice_us = source->slice_us > 0 ? source->slice_us : own->slice_us;
    }
}

static void result_take(struct wire *wire)
{
    struct wire_result *result = &wire->result;

    result->state = aro_download_state(wire->download);
    result->error = *aro_download_error(wire->download);
    result->stats = *aro_download_stats(wire->download);
    for (unsigned i = 0; i < wire->sources; i++)
        result->sources[i] = *aro_engine_source_stats(wire->engine, i);
    if (!wire->options.chunk && !wire->options.as_list && wire->options.byte_count == 0)
        result->digest = aro_download_content_digest(wire->download);
    result->end_us = wire->now_us - 1000000;
}

struct wire_result wire_fetch(struct model *model, const struct wire_options *options)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    struct wire_result result;

    options_default(wire, model, options);
    engine_make(wire);
    download_make(wire);
    caller_act(wire);
    all_send(wire);
    while (aro_download_state(wire->download) == ARO_DOWNLOAD_RUNNING &&
           wire->now_us < TIME_MAX_US) {
        uint64_t deadline = aro_engine_deadline_us(wire->engine);
        if (wire->count > 0 && wire->heap[0].due_us <= deadline) {
            struct packet packet = heap_pop(wire);
            wire->now_us = packet.due_us > wire->now_us ? packet.due_us : wire->now_us;
            packet_arrive(wire, &packet);
        } else {
            wire->now_us = deadline > wire->now_us ? deadline : wire->now_us;
            aro_engine_timeout(wire->engine, wire->now_us);
        }
        caller_act(wire);
        pieces_take(wire);
        all_send(wire);
    }
    result_take(wire);
    while (wire->count > 0)
        free(heap_pop(wire).bytes);
    aro_download_destroy(wire->download);
    aro_engine_destroy(wire->engine);
    result = wire->result;
    free(wire);
    return result;
}
