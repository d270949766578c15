/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/client/model.h"

#include <stdlib.h>

#include "cache/base/sha256.h"

uint64_t model_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t slot_of(const struct model *model, const struct aro_id *id)
{
    uint32_t slot = (uint32_t)(id->word[0] % model->chunk_slots);

    while (model->chunks[slot].bytes != NULL && !aro_id_equal(&model->chunks[slot].id, id))
        slot = (slot + 1) % model->chunk_slots;
    return slot;
}

const struct model_chunk *model_find(const struct model *model, const struct aro_id *id)
{
    const struct model_chunk *chunk = &model->chunks[slot_of(model, id)];
    return chunk->bytes != NULL ? chunk : NULL;
}

static int manifest_keep(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    struct model *model = arg;
    uint8_t *copy = malloc(len);

    memcpy(copy, bytes, len);
    model->chunks[slot_of(model, id)] = (struct model_chunk){*id, copy, copy, (uint32_t)len, true};
    return 0;
}

struct model *model_create_from(uint8_t *content, uint64_t content_bytes, uint32_t chunk_bytes,
                                uint64_t seed)
{
    struct model *model = calloc(1, sizeof(*model));
    struct aro_manifest_builder *builder =
        aro_manifest_builder_create(chunk_bytes, manifest_keep, model);

    model->content = content;
    model->content_bytes = content_bytes;
    model->chunk_bytes = chunk_bytes;
    model->chunk_count = (uint32_t)((content_bytes + chunk_bytes - 1) / chunk_bytes);
    model->chunk_slots = 2 * model->chunk_count + 64;
    model->chunks = calloc(model->chunk_slots, sizeof(*model->chunks));
    model->lies_left = calloc(model->chunk_slots, sizeof(*model->lies_left));
    model->random = seed;
    model->token_life_s = 30;
    model->digest = aro_sha256(content, content_bytes);
    model_restart(model);
    for (uint64_t at = 0; at < content_bytes; at += chunk_bytes) {
        uint64_t left = content_bytes - at;
        uint32_t len = left < chunk_bytes ? (uint32_t)left : chunk_bytes;
        struct aro_id id = aro_sha256(content + at, len);
        model->chunks[slot_of(model, &id)] =
            (struct model_chunk){id, content + at, NULL, len, false};
        aro_manifest_builder_add(builder, &id, len);
    }
    aro_manifest_builder_finish(builder, &model->digest, &model->object_id);
    aro_manifest_builder_destroy(builder);
    return model;
}

struct model *model_create(uint64_t content_bytes, uint32_t chunk_bytes, uint64_t seed)
{
    uint8_t *content = malloc(content_bytes + sizeof(uint64_t));

    for (uint64_t at = 0; at < content_bytes; at += sizeof(uint64_t)) {
        uint64_t word = model_random(&seed);
        memcpy(content + at, &word, sizeof(word));
    }
    return model_create_from(content, content_bytes, chunk_bytes, seed);
}

void model_forge_root(struct model *model, size_t at, const void *bytes, size_t len)
{
    const struct model_chunk *root = &model->chunks[slot_of(model, &model->object_id)];
    uint8_t *forged = malloc(root->len_bytes);

    memcpy(forged, root->bytes, root->len_bytes);
    memcpy(forged + at, bytes, len);
    model->object_id = aro_sha256(forged, root->len_bytes);
    manifest_keep(model, &model->object_id, forged, root->len_bytes);
    free(forged);
}

void model_destroy(struct model *model)
{
    for (uint32_t i = 0; i < model->chunk_slots; i++)
        free(model->chunks[i].owned);
    free(model->content);
    free(model->chunks);
    free(model->lies_left);
    free(model);
}

void model_restart(struct model *model)
{
    model->token_key = model_random(&model->random) | 1;
}

static void token_write(const struct model *model, uint8_t token[ARO_TOKEN_BYTES])
{
    aro_store_be64(token, model->token_key);
    aro_store_be64(token + 8, ~model->token_key);
}

static bool token_valid(const struct model *model, const uint8_t *token)
{
    uint8_t expected[ARO_TOKEN_BYTES];

    token_write(model, expected);
    return !model->refuses_tokens && memcmp(token, expected, sizeof(expected)) == 0;
}

static void status_send(struct model *model, const struct aro_get *get, uint8_t code,
                        uint32_t hint_us, uint32_t detail, model_send *send, void *arg)
{
    struct aro_status_msg status = {get->echo, hint_us, model->residence_us, detail, code};
    uint8_t bytes[ARO_STATUS_BYTES];

    model->refusals++;
    aro_status_encode(bytes, &status);
    send(arg, bytes, sizeof(bytes), NULL, 0);
}

static void token_send(struct model *model, const struct aro_get *get, model_send *send, void *arg)
{
    struct aro_token_msg token = {.echo = get->echo, .life_s = model->token_life_s};
    uint8_t bytes[ARO_TOKEN_MSG_BYTES];

    model->challenges++;
    token_write(model, token.token);
    aro_token_encode(bytes, &token);
    send(arg, bytes, sizeof(bytes), NULL, 0);
}

static bool lies_about(struct model *model, const struct model_chunk *chunk)
{
    uint32_t *told = &model->lies_left[chunk - model->chunks];

    if (model->lies_bad_bytes == 0 || chunk->manifest != model->lies_about_manifests)
        return false;
    if (model->lies_bad_bytes == UINT32_MAX)
        return true;
    return (*told)++ < model->lies_bad_bytes;
}

static void slices_send(struct model *model, const struct aro_get *get,
                        const struct model_chunk *chunk, model_send *send, void *arg)
{
    uint32_t slices = aro_slices(chunk->len_bytes, get->slice_bytes);
    /* a lie spoils the first slice: once per answer that has it */
    bool lie = get->first == 0 && (get->mask & 1) != 0 && lies_about(model, chunk);
    uint8_t header[ARO_DATA_BYTES];
    uint8_t spoilt[ARO_SLICE_BYTES_MAX];

    for (uint32_t bit = 0; bit < 64 && get->first + bit < slices; bit++) {
        uint32_t index = get->first + bit;
        uint32_t at = index * get->slice_bytes;
        uint32_t len = chunk->len_bytes - at;
        const uint8_t *payload = chunk->bytes + at;
        if ((get->mask >> bit & 1) == 0)
            continue;
        len = len < get->slice_bytes ? len : get->slice_bytes;
        if (model->slice_bytes_passes != 0 && len > model->slice_bytes_passes)
            continue;
        if (lie && index == 0) {
            memcpy(spoilt, payload, len);
            spoilt[len / 2] ^= 1;
            payload = spoilt;
        }
        aro_data_encode(header, model->tier, get->slice_bytes, (uint16_t)index,
                        chunk->len_bytes + (model->lies_length && !chunk->manifest),
                        model->residence_us, get->echo);
        model->slices++;
        send(arg, header, sizeof(header), payload, len);
    }
}

static bool refuses_now(struct model *model)
{
    if (model->refuse_until != 0 && model->refusals >= model->refuse_until)
        return false;
    return model_random(&model->random) % 100 < model->refuse_percent;
}

static void get_answer(struct model *model, const struct aro_get *get, model_send *send, void *arg)
{
    const struct model_chunk *chunk = model_find(model, &get->id);
    const uint8_t *last = model->content + (uint64_t)(model->chunk_count - 1) * model->chunk_bytes;

    if (model->slices == 0)
        model->first_window += (uint32_t)__builtin_popcountll(get->mask);
    if (refuses_now(model)) {
        status_send(model, get, model->refuse_code, model->refuse_hint_us, model->refuse_detail,
                    send, arg);
    } else if (chunk == NULL || (model->missing_last_chunk && chunk->bytes == last)) {
        status_send(model, get, ARO_STATUS_NOT_FOUND, 0, 0, send, arg);
    } else if (model->slice_bytes_max != 0 && get->slice_bytes > model->slice_bytes_max) {
        status_send(model, get, ARO_STATUS_BAD_REQUEST, 0, ARO_BAD_SLICE_SIZE, send, arg);
    } else if (get->first >= aro_slices(chunk->len_bytes, get->slice_bytes)) {
        status_send(model, get, ARO_STATUS_BAD_REQUEST, 0, ARO_BAD_FIRST_SLICE, send, arg);
    } else {
        slices_send(model, get, chunk, send, arg);
        if (model->refresh_every != 0 && model->requests % model->refresh_every == 0)
            token_send(model, get, send, arg);
    }
}

void model_receive(struct model *model, const uint8_t *bytes, size_t len, model_send *send,
                   void *arg)
{
    struct aro_get get;
    enum aro_verdict verdict = aro_get_decode(bytes, len, &get);

    if (verdict > ARO_VERDICT_BAD_REQUEST)
        return;
    model->requests++;
    if (model->silent || (model->silent_after != 0 && model->requests > model->silent_after))
        return;
    if (!token_valid(model, get.token))
        token_send(model, &get, send, arg);
    else if (verdict == ARO_VERDICT_BAD_REQUEST)
        status_send(model, &get, ARO_STATUS_BAD_REQUEST, 0, get.detail, send, arg);
    else
        get_answer(model, &get, send, arg);
}
