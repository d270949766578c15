/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/client/wire.h"

#include <stdlib.h>

enum { PACKETS_MAX = 16384, PIECES_MAX = 64, TIME_MAX_US = 600000000 };
enum { STALL_US = 30000, STALL_PERIOD_US = 100000 };

/* One datagram under way. */
struct packet {
    uint64_t due_us;
    uint64_t order; /* ties are broken by age, so that a run depends on its seed only */
    bool to_server;
    uint16_t len;
    uint8_t *bytes;
};

struct wire {
    struct wire_options options;
    struct model *model;
    struct aro_engine *engine;
    struct packet heap[PACKETS_MAX];
    uint32_t count;
    uint64_t order, random, now_us, busy_until_us;
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

static void put(struct wire *wire, const uint8_t *bytes, size_t len, bool to_server, uint64_t due)
{
    struct packet packet = {due, wire->order++, to_server, (uint16_t)len, malloc(len)};

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
    uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX];
    size_t len = header_len + payload_len;

    memcpy(bytes, header, header_len);
    if (payload_len > 0)
        memcpy(bytes + header_len, payload, payload_len);
    if (wire->busy_until_us < wire->now_us)
        wire->busy_until_us = wire->now_us;
    wire->busy_until_us += options->slice_us;
    if (chance(wire, options->loss_percent * 10))
        return;
    if (chance(wire, options->damage_permille))
        bytes[model_random(&wire->random) % len] ^=
            (uint8_t)(1 + model_random(&wire->random) % 255);
    uint64_t due = stalled(wire, wire->busy_until_us + options->delay_us);
    if (chance(wire, options->reorder_percent * 10))
        due += model_random(&wire->random) % (8u * options->slice_us + 1);
    put(wire, bytes, len, false, due);
    if (chance(wire, options->duplicate_percent * 10))
        put(wire, bytes, len, false, due + model_random(&wire->random) % 1000);
}

static void requests_send(struct wire *wire)
{
    uint8_t requests[8][ARO_GET_BYTES];
    size_t count;

    while ((count = aro_engine_send_burst(wire->engine, requests, 8, wire->now_us)) > 0)
        for (size_t i = 0; i < count; i++) {
            struct aro_get get;
            aro_get_decode(requests[i], ARO_GET_BYTES, &get);
            if (wire->options.on_request != NULL)
                wire->options.on_request(wire->options.on_request_arg, &get, wire->now_us);
            if (!chance(wire, wire->options.loss_percent * 10))
                put(wire, requests[i], ARO_GET_BYTES, true, wire->now_us + wire->options.delay_us);
        }
}

static void pieces_take(struct wire *wire)
{
    struct aro_piece piece;

    while (aro_engine_take(wire->engine, &piece)) {
        if (piece.at != wire->result.content_right ||
            memcmp(piece.bytes, wire->model->content + piece.at, piece.len_bytes) != 0)
            wire->result.content_wrong = true;
        wire->result.content_right += piece.len_bytes;
        wire->pieces[wire->pieces_held++] = piece;
        if (wire->pieces_held <= wire->options.hold_pieces)
            continue;
        for (uint32_t i = 0; i < wire->pieces_held; i++)
            aro_engine_release(wire->engine, &wire->pieces[i]);
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
    if (packet->to_server)
        model_receive(wire->model, packet->bytes, packet->len, answer_send, wire);
    else
        aro_engine_receive(wire->engine, packet->bytes, packet->len, wire->now_us);
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

static struct aro_engine *engine_make(struct wire *wire)
{
    const struct wire_options *options = &wire->options;
    struct aro_engine_options engine = {
        .id = wire->model->object_id,
        .kind = options->chunk ? ARO_KIND_CHUNK : ARO_KIND_OBJECT,
        .source_name = "model",
        .slice_bytes_max = options->slice_bytes_max,
        .receive_buffer_bytes = 4u << 20,
        .buffer_bytes = options->buffer_bytes,
        .silence_us = options->silence_us,
        .token = options->token,
        .content_digest = true,
        .random = random_fill,
        .random_arg = wire,
    };

    if (options->chunk) {
        uint64_t len = wire->model->content_bytes < wire->model->chunk_bytes
                           ? wire->model->content_bytes
                           : wire->model->chunk_bytes;
        for (uint32_t i = 0; i < wire->model->chunk_slots; i++)
            if (wire->model->chunks[i].bytes == wire->model->content &&
                wire->model->chunks[i].len_bytes == len)
                engine.id = wire->model->chunks[i].id;
    }
    return aro_engine_create(&engine, wire->now_us);
}

struct wire_result wire_fetch(struct model *model, const struct wire_options *options)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    struct wire_result result;

    wire->options = *options;
    wire->model = model;
    wire->random = options->seed;
    wire->now_us = 1000000;
    wire->options.delay_us = options->delay_us > 0 ? options->delay_us : 50;
    wire->options.slice_us = options->slice_us > 0 ? options->slice_us : 3;
    wire->options.slice_bytes_max =
        options->slice_bytes_max > 0 ? options->slice_bytes_max : ARO_SLICE_BYTES_1500;
    wire->options.buffer_bytes = options->buffer_bytes > 0 ? options->buffer_bytes : 1u << 20;
    wire->options.silence_us = options->silence_us > 0 ? options->silence_us : 10000000;
    wire->engine = engine_make(wire);
    requests_send(wire);
    while (aro_engine_state(wire->engine) == ARO_ENGINE_RUNNING && wire->now_us < TIME_MAX_US) {
        uint64_t deadline = aro_engine_deadline_us(wire->engine);
        if (wire->count > 0 && wire->heap[0].due_us <= deadline) {
            struct packet packet = heap_pop(wire);
            wire->now_us = packet.due_us > wire->now_us ? packet.due_us : wire->now_us;
            packet_arrive(wire, &packet);
        } else {
            wire->now_us = deadline > wire->now_us ? deadline : wire->now_us;
            aro_engine_timeout(wire->engine, wire->now_us);
        }
        pieces_take(wire);
        requests_send(wire);
    }
    wire->result.state = aro_engine_state(wire->engine);
    wire->result.error = *aro_engine_error(wire->engine);
    wire->result.stats = *aro_engine_stats(wire->engine);
    if (!options->chunk)
        wire->result.digest = aro_engine_content_digest(wire->engine);
    wire->result.end_us = wire->now_us - 1000000;
    while (wire->count > 0)
        free(heap_pop(wire).bytes);
    aro_engine_destroy(wire->engine);
    result = wire->result;
    free(wire);
    return result;
}
