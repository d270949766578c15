/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A server with the real JSON-RPC layer and handlers of the test's own. */
struct bench {
    struct aro_loop *loop;
    struct aro_rpc *rpc;
    struct aro_server *server;
    unsigned handled;
    size_t reply_bytes;    /* what the handler answers with */
    struct aro_call *kept; /* by keep_handler */
};

static void reply_handler(void *node, struct aro_call *call)
{
    struct bench *bench = node;
    char *filler = calloc(1, bench->reply_bytes + 1);

    bench->handled++;
    memset(filler, 'x', bench->reply_bytes);
    aro_call_reply(call, json_pack("{s:s}", "filler", filler));
    free(filler);
}

static void keep_handler(void *node, struct aro_call *call)
{
    ((struct bench *)node)->kept = call;
}

static aro_handler *find(const char *name)
{
    return strcmp(name, "verify") == 0 ? keep_handler : reply_handler;
}

static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    bench->loop = aro_loop_create();
    bench->rpc = aro_rpc_create(find, bench);
    bench->server = aro_server_create(&(struct aro_server_config){.loop = bench->loop,
                                                                  .operator_uid = geteuid(),
                                                                  .line = aro_rpc_line,
                                                                  .gone = aro_rpc_gone,
                                                                  .arg = bench->rpc});
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    aro_server_destroy(bench->server);
    aro_rpc_destroy(bench->rpc);
    aro_loop_destroy(bench->loop);
    free(bench);
}

static void rounds(struct bench *bench, int n)
{
    for (int i = 0; i < n; i++)
        aro_loop_once(bench->loop, 0);
}

static int join(struct bench *bench)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cr_assert_not_null(aro_server_adopt(bench->server, ends[1]));
    return ends[0];
}

/* As another user than the daemon's. */
static int join_as_stranger(struct bench *bench)
{
    uid_t own = geteuid();
    int fd;

    if (own == 0)
        cr_assert_eq(seteuid(65534), 0);
    fd = join(bench);
    if (own == 0)
        cr_assert_eq(seteuid(0), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* One reply line as JSON; NULL: none has come. The caller's reference. */
static json_t *hear(int fd)
{
    static char line[256 << 10];
    size_t used = 0;

    while (used < sizeof(line) && read(fd, line + used, 1) == 1)
        if (line[used++] == '\n')
            return json_loadb(line, used, 0, NULL);
    return NULL;
}

static struct aro_server_stats stats_of(struct bench *bench)
{
    struct aro_server_stats stats;

    aro_server_stats(bench->server, &stats);
    return stats;
}

Test(server, bad_lines_get_an_error_with_an_id_and_the_connection_lives)
{
    static const struct {
        const char *line;
        int code;
        const char *id;
    } rows[] = {
        {"garbage\n", -32700, "ARO-6010"},
        {"\xff\xfe\n", -32700, "ARO-6010"},
        {"{\"jsonrpc\":\"2.0\"\n", -32700, "ARO-6010"},
        {"{\"a\":1,\"a\":2}\n", -32700, "ARO-6010"},
        {"[1]\n", -32600, "ARO-6010"},
        {"7\n", -32600, "ARO-6010"},
        {"{\"method\":\"version\",\"id\":1}\n", -32600, "ARO-6010"},
        {"{\"jsonrpc\":\"2.0\",\"method\":7,\"id\":1}\n", -32600, "ARO-6010"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":[]}\n", -32600, "ARO-6010"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1,\"params\":[1]}\n", -32600,
         "ARO-6010"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"statsu\",\"id\":1}\n", -32601, "ARO-6011"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"stat\",\"id\":1}\n", -32602, "ARO-6012"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"stat\",\"id\":1,\"params\":{\"id\":\"zz\"}}\n", -32602,
         "ARO-1002"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ls\",\"id\":1,\"params\":{\"limit\":0}}\n", -32602,
         "ARO-6012"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ls\",\"id\":1,\"params\":{\"limit\":\"1\"}}\n", -32602,
         "ARO-6012"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ls\",\"id\":1,\"params\":{\"lim\":1}}\n", -32602,
         "ARO-6012"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"put\",\"id\":1,\"params\":{\"path\":\"a\\u0000b\"}}\n",
         -32700, "ARO-6010"},
    };
    struct bench *bench = bench_create();
    int fd = join(bench);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *id = NULL;
        int code = 0, api = 0;
        json_t *reply;
        say(fd, rows[i].line);
        rounds(bench, 3);
        reply = hear(fd);
        cr_assert_not_null(reply, "%s", rows[i].line);
        cr_assert_eq(json_unpack(reply, "{s:i, s:{s:i, s:{s:s}}}", "api", &api, "error", "code",
                                 &code, "data", "id", &id),
                     0);
        cr_assert_eq(code, rows[i].code, "%s -> %d", rows[i].line, code);
        cr_assert_str_eq(id, rows[i].id, "%s -> %s", rows[i].line, id);
        cr_assert_eq(api, 1);
        json_decref(reply);
    }
    say(fd, "\n{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":\"x\"}\n");
    rounds(bench, 3);
    cr_assert_eq(bench->handled, 1);
    close(fd);
    bench_destroy(bench);
}

Test(server, lines_may_come_in_pieces_and_several_at_once)
{
    struct bench *bench = bench_create();
    const char *request = "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n";
    int fd = join(bench);

    for (size_t i = 0; i < strlen(request); i++) {
        cr_assert_eq(bench->handled, 0);
        cr_assert_eq(write(fd, request + i, 1), 1);
        rounds(bench, 1);
    }
    cr_assert_eq(bench->handled, 1);
    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n"
            "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":2}\n");
    rounds(bench, 1);
    cr_assert_eq(bench->handled, 2, "one line per client and turn");
    rounds(bench, 1);
    cr_assert_eq(bench->handled, 3);
    close(fd);
    bench_destroy(bench);
}

Test(server, a_line_without_end_is_reported_once_and_skipped)
{
    struct bench *bench = bench_create();
    int fd = join(bench);
    char block[4096];
    json_t *reply;

    memset(block, '[', sizeof(block));
    for (int i = 0; i < 64; i++) { /* four times the limit */
        cr_assert_eq(write(fd, block, sizeof(block)), (ssize_t)sizeof(block));
        rounds(bench, 2);
    }
    reply = hear(fd);
    cr_assert_not_null(reply);
    json_decref(reply);
    cr_assert_null(hear(fd), "one error only");
    cr_assert_eq(stats_of(bench).lines_too_long, 1);
    say(fd, "\n{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n");
    rounds(bench, 4);
    cr_assert_eq(bench->handled, 1);
    close(fd);
    bench_destroy(bench);
}

Test(server, a_client_that_never_reads_is_dropped_and_counted)
{
    struct bench *bench = bench_create();
    int fd = join(bench), other = join(bench);
    unsigned sent = 0;

    bench->reply_bytes = 100000;
    while (stats_of(bench).clients_dropped == 0 && sent < 1000) {
        say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n");
        rounds(bench, 2);
        sent++;
    }
    cr_assert_eq(stats_of(bench).clients_dropped, 1);
    cr_assert_lt(sent, 100, "what is kept for it is bounded");
    rounds(bench, 1);
    cr_assert_eq(stats_of(bench).clients_now, 1);
    say(other, "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n");
    rounds(bench, 3);
    cr_assert_eq(bench->handled, sent + 1, "the other client is served");
    close(fd);
    close(other);
    bench_destroy(bench);
}

Test(server, strangers_may_read_but_not_operate)
{
    struct bench *bench = bench_create();
    struct aro_server_stats stats;
    int fd = join_as_stranger(bench);
    const char *id = NULL;
    json_t *reply;

    if (geteuid() != 0)
        cr_skip("needs root to become another user");
    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"version\",\"id\":1}\n");
    rounds(bench, 2);
    cr_assert_eq(bench->handled, 1);
    json_decref(hear(fd));
    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"flush\",\"id\":2}\n");
    rounds(bench, 2);
    cr_assert_eq(bench->handled, 1, "the handler must not run");
    reply = hear(fd);
    cr_assert_eq(json_unpack(reply, "{s:{s:{s:s}}}", "error", "data", "id", &id), 0);
    cr_assert_str_eq(id, "ARO-6013");
    json_decref(reply);
    aro_server_stats(bench->server, &stats);
    cr_assert_eq(stats.lines, 2);
    close(fd);
    bench_destroy(bench);
}

Test(server, a_call_outlives_its_client)
{
    struct bench *bench = bench_create();
    int fd = join(bench);

    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"verify\",\"id\":1}\n");
    rounds(bench, 2);
    cr_assert_not_null(bench->kept);
    shutdown(fd, SHUT_WR);
    rounds(bench, 3);
    cr_assert_not_null(bench->kept->client, "half closed: still waits for its answer");
    close(fd);
    rounds(bench, 3);
    cr_assert_null(bench->kept->client);
    aro_call_progress(bench->kept, 1, 5, 10);
    aro_call_reply(bench->kept, json_true());
    bench_destroy(bench);
}

/* Sends text together with n copies of a descriptor. */
static void say_with(int fd, const char *text, int descriptor, unsigned n)
{
    char control[CMSG_SPACE(16 * sizeof(int))] = {0};
    struct iovec from = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &from,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n * sizeof(int));
    for (unsigned i = 0; i < n; i++)
        memcpy(CMSG_DATA(header) + i * sizeof(int), &descriptor, sizeof(int));
    cr_assert_eq(sendmsg(fd, &message, 0), (ssize_t)strlen(text));
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

Test(server, descriptors_reach_the_call_and_none_leaks)
{
    struct bench *bench = bench_create();
    int fd = join(bench), taken, null = open("/dev/null", O_RDONLY);
    unsigned before = open_descriptors();

    say_with(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"verify\",\"id\":1}\n", null, 1);
    rounds(bench, 2);
    taken = aro_client_take_descriptor(bench->kept->client);
    cr_assert_geq(taken, 0);
    cr_assert_neq(fcntl(taken, F_GETFD) & FD_CLOEXEC, 0);
    cr_assert_eq(aro_client_take_descriptor(bench->kept->client), -1);
    close(taken);
    say_with(fd, "\n", null, 4);
    rounds(bench, 2);
    say_with(fd, "\n", null, 4);
    rounds(bench, 2);
    cr_assert_eq(open_descriptors(), before + ARO_DESCRIPTORS_MAX, "the surplus is closed");
    close(fd);
    rounds(bench, 3);
    cr_assert_eq(open_descriptors(), before - 2, "all are closed with the client");
    aro_call_reply(bench->kept, json_true());
    close(null);
    bench_destroy(bench);
}

Test(server, a_live_socket_is_left_alone_and_a_stale_one_removed)
{
    char dir[] = "/tmp/test-server-XXXXXX", path[128];
    struct bench *first = bench_create(), *second = bench_create();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct aro_error error = {0};
    struct stat info;
    int stale;

    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    strcpy(address.sun_path, path);
    stale = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    cr_assert_eq(aro_server_listen(first->server, path, 0640, "", &error), 0, "%s", error.text);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0640);
    cr_assert_eq(aro_server_listen(second->server, path, 0640, "", &error), -1);
    cr_assert_eq(error.id, ARO_E_SOCKET_IN_USE);
    bench_destroy(second);
    cr_assert_eq(stat(path, &info), 0, "the loser leaves the winner's socket");
    bench_destroy(first);
    cr_assert_eq(stat(path, &info), -1);
    cr_assert_eq(rmdir(dir), 0);
}

Test(server, clients_above_the_limit_are_refused)
{
    char path[] = "/tmp/test-server-socket-XXXXXX";
    struct bench *bench = bench_create();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct aro_error error = {0};
    int fds[ARO_CLIENTS_MAX + 1];

    close(mkstemp(path));
    unlink(path);
    strcpy(address.sun_path, path);
    cr_assert_eq(aro_server_listen(bench->server, path, 0600, "", &error), 0, "%s", error.text);
    for (int i = 0; i <= ARO_CLIENTS_MAX; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
        rounds(bench, 2);
    }
    cr_assert_eq(stats_of(bench).clients_now, ARO_CLIENTS_MAX);
    cr_assert_eq(stats_of(bench).clients_refused, 1);
    for (int i = 0; i <= ARO_CLIENTS_MAX; i++)
        close(fds[i]);
    rounds(bench, 4);
    cr_assert_eq(stats_of(bench).clients_now, 0);
    bench_destroy(bench);
}
