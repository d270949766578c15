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
    node->store = bench->fixture->store;
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
        aro_store_stats(bench->node.store, &stats);
    } while (stats.chunks_now < 4);
    cr_assert_eq(aro_jobs_now(bench->node.jobs), 1);
    close(bench->fd);
    for (int i = 0; i < 4 || aro_jobs_now(bench->node.jobs) > 0; i++)
        turn(bench);
    aro_store_stats(bench->node.store, &stats);
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
    json_decref(answer);
    aro_jobs_stop(bench->node.jobs);
    answer = ask(bench, "put", "{\"path\":\"/etc/passwd\"}", "");
    cr_assert_str_eq(text(answer, "id"), "ARO-6018");
    json_decref(answer);
    close(ends[0]);
    close(ends[1]);
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
