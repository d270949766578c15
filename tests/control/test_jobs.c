/* SPDX-License-Identifier: BSD-3-Clause */
/* put, stat, evict, verify, cancel as a client sees them: a node without a data plane. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "cache/disk/state.h"
#include "control/commands.h"
#include "tests/control/fixture.h"

enum { MIB = 1 << 20, REGION = 16 * MIB };

struct bench {
    struct fixture *fixture;
    struct aro_node node;
    int fd; /* the client's end */
};

static struct bench *bench_create(uint64_t store_bytes)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aro_node *node = &bench->node;
    int ends[2];

    bench->fixture = fixture_create(REGION, store_bytes);
    node->cache = bench->fixture->cache;
    node->disks = bench->fixture->disks;
    node->content = bench->fixture->content;
    node->ring = bench->fixture->ring;
    node->log = (struct aro_log){.out = stderr, .level = ARO_LOG_ERROR};
    node->loop = aro_loop_create();
    node->rpc = aro_rpc_create(aro_node_handler, node);
    node->server = aro_server_create(&(struct aro_server_config){.loop = node->loop,
                                                                 .operator_uid = geteuid(),
                                                                 .line = aro_rpc_line,
                                                                 .gone = aro_rpc_gone,
                                                                 .arg = node->rpc});
    node->jobs = aro_jobs_create(node->loop);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cr_assert_not_null(aro_server_adopt(node->server, ends[1]));
    bench->fd = ends[0];
    return bench;
}

static void turn(struct bench *bench)
{
    aro_loop_once(bench->node.loop, 0);
    fixture_turn(bench->fixture);
}

static void bench_destroy(struct bench *bench)
{
    close(bench->fd);
    for (int i = 0; i < 4 || aro_jobs_now(bench->node.jobs) > 0; i++)
        turn(bench);
    aro_server_destroy(bench->node.server);
    aro_rpc_destroy(bench->node.rpc);
    aro_jobs_destroy(bench->node.jobs);
    aro_loop_destroy(bench->node.loop);
    fixture_destroy(bench->fixture);
    free(bench);
}

static void say(struct bench *bench, const char *method, const char *params)
{
    char line[512];
    int length = snprintf(line, sizeof(line),
                          "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n",
                          method, params);

    cr_assert_eq(write(bench->fd, line, (size_t)length), length);
}

/* Turns until the answer; "result" or "error" of it. */
static json_int_t heard_code; /* of the error heard last; 0: it was none */

static json_t *hear(struct bench *bench)
{
    static char line[1 << 20];
    size_t used = 0;

    for (;;) {
        json_t *message, *answer;
        ssize_t got = read(bench->fd, line + used, 1);
        cr_assert_neq(got, 0, "hung up");
        if (got < 0) {
            turn(bench);
            continue;
        }
        if (line[used++] != '\n')
            continue;
        message = json_loadb(line, used, 0, NULL);
        cr_assert_not_null(message);
        used = 0;
        answer = json_object_get(message, "result");
        heard_code = json_integer_value(json_object_get(json_object_get(message, "error"), "code"));
        if (answer == NULL)
            answer = json_object_get(json_object_get(message, "error"), "data");
        json_incref(answer);
        json_decref(message);
        if (answer != NULL)
            return answer;
    }
}

/* params: a JSON object in which "ID" stands for id. */
static json_t *ask(struct bench *bench, const char *method, const char *params, const char *id)
{
    const char *at = strstr(params, "ID");
    char filled[256];

    if (at != NULL)
        snprintf(filled, sizeof(filled), "%.*s%s%s", (int)(at - params), params, id, at + 2);
    else
        snprintf(filled, sizeof(filled), "%s", params);
    say(bench, method, filled);
    return hear(bench);
}

static json_int_t number(const json_t *answer, const char *name)
{
    return json_integer_value(json_object_get(answer, name));
}

static const char *text(const json_t *answer, const char *name)
{
    const char *value = json_string_value(json_object_get(answer, name));

    return value != NULL ? value : "";
}

/* Puts seeded content through the daemon's own open; the object's id. */
static void put(struct bench *bench, uint64_t bytes, uint64_t period, uint64_t seed,
                char ret_id[ARO_ID_TEXT_MAX])
{
    char path[64];
    int fd = fixture_file(bytes, period, seed);
    json_t *answer;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    answer = ask(bench, "put", "{\"path\":\"ID\"}", path);
    cr_assert_eq(number(answer, "bytes"), (json_int_t)bytes, "%s", text(answer, "id"));
    strcpy(ret_id, text(answer, "id"));
    json_decref(answer);
    close(fd);
}

/* The first chunk of such content. */
static void first_chunk(uint64_t seed, uint8_t head[64], char ret_id[ARO_ID_TEXT_MAX])
{
    static uint8_t chunk[65536];
    int fd = fixture_file(65536, 0, seed);
    struct aro_id id;

    cr_assert_eq(pread(fd, chunk, sizeof(chunk), 0), (ssize_t)sizeof(chunk));
    close(fd);
    memcpy(head, chunk, 64);
    id = aro_sha256(chunk, sizeof(chunk));
    aro_id_format(&id, ARO_KIND_CHUNK, ret_id);
}

Test(jobs, every_command_of_the_table_has_a_handler)
{
    for (size_t i = 0; i < aro_commands_count; i++)
        cr_assert_not_null(aro_node_handler(aro_commands[i].name), "%s", aro_commands[i].name);
}

Test(jobs, evict_takes_what_nobody_else_uses)
{
    struct bench *bench = bench_create(64 * MIB);
    char a[ARO_ID_TEXT_MAX], b[ARO_ID_TEXT_MAX];
    json_t *answer;

    put(bench, 2 * MIB, 0, 5, a);
    put(bench, 3 * MIB, 0, 5, b); /* begins with the same 32 chunks */
    answer = ask(bench, "evict", "{\"id\":\"ID\"}", a);
    cr_assert_eq(number(answer, "removed_chunks"), 1, "its manifest only");
    cr_assert_eq(number(answer, "kept_chunks"), 32);
    json_decref(answer);
    answer = ask(bench, "stat", "{\"id\":\"ID\"}", b);
    cr_assert_eq(number(answer, "chunks_on_disk"), 48);
    cr_assert_eq(number(answer, "chunks_missing"), 0);
    json_decref(answer);
    answer = ask(bench, "stat", "{\"id\":\"ID\"}", a);
    cr_assert_str_eq(text(answer, "id"), "ARO-6020");
    json_decref(answer);
    answer = ask(bench, "evict", "{\"id\":\"ID\"}", b);
    cr_assert_eq(number(answer, "removed_chunks"), 49);
    json_decref(answer);
    bench_destroy(bench);
}

Test(jobs, a_chunk_in_use_goes_only_by_force)
{
    struct bench *bench = bench_create(64 * MIB);
    char object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX];
    uint8_t head[64];
    json_t *answer;

    put(bench, MIB, 0, 5, object);
    first_chunk(5, head, chunk);
    answer = ask(bench, "evict", "{\"id\":\"ID\"}", chunk);
    cr_assert_str_eq(text(answer, "id"), "ARO-6021");
    json_decref(answer);
    answer = ask(bench, "evict", "{\"id\":\"ID\",\"force\":true}", chunk);
    cr_assert_eq(number(answer, "removed_chunks"), 1);
    json_decref(answer);
    answer = ask(bench, "verify", "{\"id\":\"ID\"}", object);
    cr_assert_eq(number(answer, "problems"), 1);
    json_decref(answer);
    bench_destroy(bench);
}

Test(jobs, verify_finds_a_flipped_bit_and_names_the_chunk)
{
    struct bench *bench = bench_create(64 * MIB);
    char sound[ARO_ID_TEXT_MAX], object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX];
    uint8_t head[64];
    json_t *answer, *problem;

    put(bench, MIB, 0, 4, sound);
    put(bench, 2 * MIB, 0, 5, object);
    first_chunk(5, head, chunk);
    answer = ask(bench, "verify", "{}", "");
    cr_assert(json_is_true(json_object_get(answer, "ok")));
    cr_assert_eq(number(answer, "objects"), 2);
    cr_assert_eq(number(answer, "bytes"), 3 * MIB);
    json_decref(answer);
    fixture_damage(bench->fixture, head);
    answer = ask(bench, "verify", "{}", "");
    cr_assert(json_is_false(json_object_get(answer, "ok")));
    cr_assert_eq(number(answer, "problems"), 1);
    problem = json_array_get(json_object_get(answer, "list"), 0);
    cr_assert_str_eq(text(problem, "object"), object);
    cr_assert_str_eq(text(problem, "chunk"), chunk);
    json_decref(answer);
    answer = ask(bench, "verify", "{\"id\":\"ID\"}", sound);
    cr_assert(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    bench_destroy(bench);
}

Test(jobs, a_client_that_leaves_cancels_its_put)
{
    struct bench *bench = bench_create(64 * MIB);
    struct aro_store_stats stats;
    char path[96];
    int fd = fixture_file(16 * MIB, 0, 6);

    snprintf(path, sizeof(path), "{\"path\":\"/proc/self/fd/%d\"}", fd);
    say(bench, "put", path);
    do {
        turn(bench);
        aro_store_stats(bench->fixture->store, &stats);
    } while (stats.chunks_now < 4);
    cr_assert_eq(aro_jobs_now(bench->node.jobs), 1);
    close(bench->fd);
    for (int i = 0; i < 4 || aro_jobs_now(bench->node.jobs) > 0; i++)
        turn(bench);
    aro_store_stats(bench->fixture->store, &stats);
    cr_assert_eq(stats.chunks_now, 0);
    cr_assert_eq(stats.objects_now, 0);
    close(fd);
    bench->fd = dup(0);
    bench_destroy(bench);
}

Test(jobs, cancel_ends_a_job_and_a_stopping_daemon_takes_none)
{
    struct bench *bench = bench_create(64 * MIB);
    json_t *answer;
    int ends[2];
    char line[64];

    cr_assert_eq(pipe(ends), 0);
    answer = ask(bench, "cancel", "{\"job\":9}", "");
    cr_assert_str_eq(text(answer, "id"), "ARO-6016");
    json_decref(answer);
    snprintf(line, sizeof(line), "{\"path\":\"/proc/self/fd/%d\"}", ends[0]);
    answer = ask(bench, "put", line, "");
    cr_assert_str_eq(text(answer, "id"), "ARO-6022", "the daemon itself opens no pipe");
    json_decref(answer);
    answer = ask(bench, "put", "{}", "");
    cr_assert_str_eq(text(answer, "id"), "ARO-6012", "neither path nor descriptor");
    cr_assert_eq(heard_code, -32602, "of parameters, also when the handler looked at them");
    json_decref(answer);
    aro_jobs_stop(bench->node.jobs);
    answer = ask(bench, "put", "{\"path\":\"/etc/passwd\"}", "");
    cr_assert_str_eq(text(answer, "id"), "ARO-6018");
    cr_assert_eq(heard_code, -32000);
    json_decref(answer);
    close(ends[0]);
    close(ends[1]);
    bench_destroy(bench);
}

static bool answered(struct bench *bench, unsigned turns)
{
    char byte;

    while (turns-- > 0)
        turn(bench);
    return recv(bench->fd, &byte, 1, MSG_PEEK) == 1;
}

Test(jobs, what_needs_the_whole_index_waits_for_it_and_can_be_cancelled)
{
    struct bench *bench = bench_create(64 * MIB);
    json_t *answer;

    aro_jobs_hold(bench->node.jobs, true);
    say(bench, "verify", "{}");
    cr_assert_not(answered(bench, 100));
    aro_jobs_hold(bench->node.jobs, false);
    answer = hear(bench);
    cr_assert(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    aro_jobs_hold(bench->node.jobs, true);
    say(bench, "store_scrub", "{}");
    cr_assert_not(answered(bench, 100));
    aro_job_cancel(aro_jobs_at(bench->node.jobs, 0));
    answer = hear(bench);
    cr_assert_str_eq(text(answer, "id"), "ARO-6017");
    json_decref(answer);
    aro_jobs_hold(bench->node.jobs, false);
    bench_destroy(bench);
}

/* A store that has just been opened, and has not looked at anything yet. */
Test(jobs, a_chunk_that_is_not_known_yet_is_not_said_to_be_absent)
{
    const char *chunk = "c-5555555555555555555555555555555555555555555555555555555555555555";
    const char *const methods[] = {"stat", "evict", "pin"};
    struct bench *bench = bench_create(64 * MIB);

    for (unsigned i = 0; i < 6; i++) {
        json_t *answer;
        atomic_store(&bench->fixture->store->whole, i >= 3);
        answer = ask(bench, methods[i % 3], "{\"id\":\"ID\"}", chunk);
        cr_assert_str_eq(text(answer, "id"), i < 3 ? "ARO-6045" : "ARO-6020", "%s", methods[i % 3]);
        cr_assert_eq(json_is_true(json_object_get(answer, "retryable")), i < 3);
        json_decref(answer);
    }
    bench_destroy(bench);
}

Test(jobs, without_a_store_there_is_none_to_look_after)
{
    const char *const methods[] = {"store_stat", "store_check", "store_scrub"};
    struct bench *bench = bench_create(0);

    for (unsigned i = 0; i < 3; i++) {
        json_t *answer = ask(bench, methods[i], "{}", "");
        cr_assert_str_eq(text(answer, "id"), "ARO-6046");
        json_decref(answer);
    }
    bench_destroy(bench);
}

Test(jobs, without_a_store_objects_live_in_memory)
{
    struct bench *bench = bench_create(0);
    char object[ARO_ID_TEXT_MAX];
    json_t *answer;

    put(bench, MIB, 0, 5, object);
    answer = ask(bench, "ls", "{}", "");
    cr_assert_eq(json_array_size(json_object_get(answer, "objects")), 1u);
    json_decref(answer);
    answer = ask(bench, "verify", "{}", "");
    cr_assert(json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
    answer = ask(bench, "evict", "{\"id\":\"ID\"}", object);
    cr_assert_eq(number(answer, "removed_chunks"), 17);
    json_decref(answer);
    bench_destroy(bench);
}

/* ---- pins ---- */

/* Puts other content until nothing of before would be in memory any more. */
static void flood(struct bench *bench, uint64_t seed)
{
    char id[ARO_ID_TEXT_MAX];

    put(bench, REGION * 3 / 2, 0, seed, id);
}

static json_int_t in_memory(struct bench *bench, const char *id)
{
    json_t *answer = ask(bench, "stat", "{\"id\":\"ID\"}", id);
    json_int_t chunks = number(answer, "chunks_in_memory");

    json_decref(answer);
    return chunks;
}

static bool is_pinned(struct bench *bench, const char *id)
{
    json_t *answer = ask(bench, "stat", "{\"id\":\"ID\"}", id);
    bool pinned = json_is_true(json_object_get(answer, "pinned"));

    json_decref(answer);
    return pinned;
}

/* The id of the error, or "" and *ret_answer's number called name. */
static void pin(struct bench *bench, const char *method, const char *id, const char *expected)
{
    json_t *answer = ask(bench, method, "{\"id\":\"ID\"}", id);

    cr_assert_str_eq(text(answer, "id"), expected, "%s %s", method, id);
    json_decref(answer);
}

Test(jobs, a_pinned_object_is_read_in_and_stays_until_it_is_unpinned)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX];
    json_t *answer;

    put(bench, 2 * MIB, 0, 5, a);
    json_decref(ask(bench, "flush", "{}", ""));
    cr_assert_eq(in_memory(bench, a), 0);
    answer = ask(bench, "pin", "{\"id\":\"ID\"}", a);
    cr_assert_str_eq(text(answer, "id"), a, "%s", json_dumps(answer, 0));
    cr_assert_eq(number(answer, "chunks"), 33, "32 and a manifest");
    cr_assert_eq(number(answer, "read_chunks"), 33);
    cr_assert_eq(number(answer, "pinned_bytes"), 2 * MIB + 4096);
    json_decref(answer);
    cr_assert(is_pinned(bench, a));
    flood(bench, 200);
    cr_assert_eq(in_memory(bench, a), 32);
    answer = ask(bench, "ls", "{\"limit\":1}", "");
    cr_assert(json_is_true(
        json_object_get(json_array_get(json_object_get(answer, "objects"), 0), "pinned")));
    json_decref(answer);
    answer = ask(bench, "flush", "{}", "");
    cr_assert_eq(number(answer, "kept_chunks"), 33);
    json_decref(answer);
    cr_assert_eq(in_memory(bench, a), 32);
    pin(bench, "pin", a, a); /* once more: as it was */
    pin(bench, "evict", a, "ARO-6042");
    pin(bench, "unpin", a, a);
    cr_assert_not(is_pinned(bench, a));
    pin(bench, "unpin", a, "ARO-6043");
    flood(bench, 300);
    cr_assert_eq(in_memory(bench, a), 0);
    pin(bench, "evict", a, a);
    bench_destroy(bench);
}

Test(jobs, a_chunk_of_two_pinned_objects_stays_until_both_are_unpinned)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX], b[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX];
    uint8_t head[64];
    json_t *answer;

    put(bench, 1 * MIB, 0, 5, a);
    put(bench, 2 * MIB, 0, 5, b); /* begins with the same 16 chunks */
    first_chunk(5, head, chunk);
    pin(bench, "pin", a, a);
    answer = ask(bench, "pin", "{\"id\":\"ID\"}", b);
    cr_assert_eq(number(answer, "pinned_bytes"), 2 * MIB + 2 * 4096, "shared chunks count once");
    json_decref(answer);
    pin(bench, "evict", chunk, "ARO-6042");
    pin(bench, "unpin", a, a);
    cr_assert(is_pinned(bench, chunk));
    json_decref(ask(bench, "flush", "{}", ""));
    cr_assert_eq(in_memory(bench, b), 32);
    pin(bench, "unpin", b, b);
    cr_assert_not(is_pinned(bench, chunk));
    bench_destroy(bench);
}

Test(jobs, pins_have_a_bound_and_a_failed_one_gives_everything_back)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX], b[ARO_ID_TEXT_MAX];
    struct aro_cache_stats stats;

    put(bench, 3 * MIB, 0, 5, a);
    put(bench, 2 * MIB, 0, 6, b);
    pin(bench, "pin", a, a);
    pin(bench, "pin", b, "ARO-6041"); /* 4 MiB in all */
    cr_assert_not(is_pinned(bench, b));
    aro_cache_stats(bench->node.cache, &stats);
    cr_assert_eq(stats.kept_now, 49);
    cr_assert_eq(aro_pins_bytes(aro_content_pins(bench->node.content)), 3 * MIB + 4096);
    pin(bench, "unpin", a, a);
    pin(bench, "pin", b, b);
    aro_cache_stats(bench->node.cache, &stats);
    cr_assert_eq(stats.kept_now, 33);
    bench_destroy(bench);
}

Test(jobs, what_is_too_large_to_be_pinned_is_refused_before_it_is_read)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX];

    put(bench, 6 * MIB, 0, 5, a);
    json_decref(ask(bench, "flush", "{}", ""));
    cr_assert_eq(in_memory(bench, a), 0);
    pin(bench, "pin", a, "ARO-6041"); /* 4 MiB in all */
    cr_assert_eq(in_memory(bench, a), 0);
    cr_assert_eq(aro_pins_bytes(aro_content_pins(bench->node.content)), 0);
    bench_destroy(bench);
}

Test(pins, a_refusal_says_what_is_pinned_without_what_is_being_pinned)
{
    struct aro_pins *pins = aro_pins_create(NULL, 3 * 4096, 1);
    struct aro_id object = {.word = {1}}, chunk = {.word = {2}};
    struct aro_error error = {0};
    struct aro_pin *pin = aro_pin_begin(pins, &object, ARO_KIND_OBJECT, &error);

    cr_assert_eq(aro_pin_want(pins, pin, &object, 4096, &error), 0);
    cr_assert_eq(aro_pin_want(pins, pin, &chunk, 3 * 4096, &error), -1);
    cr_assert_not_null(strstr(error.text, "of 12288 bytes"), "%s", error.text);
    cr_assert_not_null(strstr(error.text, " 0 are"), "%s", error.text);
    aro_pins_destroy(pins);
}

Test(jobs, single_chunks_and_digests_can_be_pinned_strangers_cannot)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX], digest[ARO_ID_TEXT_MAX];
    uint8_t head[64];
    json_t *answer;

    put(bench, 1 * MIB, 0, 5, a);
    first_chunk(5, head, chunk);
    answer = ask(bench, "stat", "{\"id\":\"ID\"}", a);
    strcpy(digest, text(answer, "digest"));
    json_decref(answer);
    json_decref(ask(bench, "flush", "{}", ""));
    pin(bench, "pin", chunk, chunk);
    cr_assert(is_pinned(bench, chunk));
    cr_assert_not(is_pinned(bench, a));
    pin(bench, "pin", digest, a);
    pin(bench, "unpin", digest, a);
    cr_assert(is_pinned(bench, chunk), "by itself");
    pin(bench, "unpin", chunk, chunk);
    pin(bench, "pin", "c-0000000000000000000000000000000000000000000000000000000000000000",
        "ARO-6020");
    pin(bench, "pin", "o-0000000000000000000000000000000000000000000000000000000000000000",
        "ARO-6020");
    bench_destroy(bench);
}

Test(jobs, a_damaged_chunk_stops_a_pin_and_nothing_stays_pinned)
{
    struct bench *bench = bench_create(256 * MIB);
    char a[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX];
    struct aro_cache_stats stats;
    uint8_t head[64];

    put(bench, 1 * MIB, 0, 5, a);
    first_chunk(5, head, chunk);
    fixture_damage(bench->fixture, head);
    json_decref(ask(bench, "flush", "{}", ""));
    pin(bench, "pin", a, "ARO-6028");
    aro_cache_stats(bench->node.cache, &stats);
    cr_assert_eq(stats.kept_now, 0);
    cr_assert_eq(aro_pins_bytes(aro_content_pins(bench->node.content)), 0);
    bench_destroy(bench);
}
