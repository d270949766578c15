/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/rpc_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api/limits.h"

enum {
    OUTPUT_BYTES_MAX = 4 << 20, /* of questions that the node does not take */
    READS_PER_TURN = 16,
};

struct question {
    int id; /* 0: free */
    uint64_t deadline_us;
    aro_rpc_answer *answer;
    void *arg;
};

struct aro_rpc_link {
    struct aro_watch watch; /* fd -1: not connected */
    struct aro_loop *loop;
    const char *name, *path;
    int last_id;
    unsigned questions; /* under way */
    struct question question[ARO_RPC_QUESTIONS_MAX];
    char *output;
    size_t output_used, output_room;
    size_t input_used;
    char input[ARO_REPLY_BYTES_MAX + 1];
};

#define LINK_OF(pointer)                                                                           \
    ((struct aro_rpc_link *)(void *)((char *)(pointer)-offsetof(struct aro_rpc_link, watch)))

/* ---- the connection ---- */

static void settle(struct aro_rpc_link *link, struct question *question, json_t *result,
                   const struct aro_error *error)
{
    struct question settled = *question;

    question->id = 0;
    link->questions--;
    settled.answer(settled.arg, result, error);
}

/* Everybody who waits on it is told; the next question connects anew. */
static void break_off(struct aro_rpc_link *link, const char *why)
{
    int newest = link->last_id; /* whoever is told may ask again, over a new connection */
    struct aro_error error;

    aro_loop_remove(link->loop, &link->watch);
    close(link->watch.fd);
    link->watch.fd = -1;
    link->input_used = link->output_used = 0;
    aro_error_set(&error, ARO_E_DAEMON_LOST, "node \"%s\" hung up: %s", link->name, why);
    for (unsigned i = 0; i < ARO_RPC_QUESTIONS_MAX; i++)
        if (link->question[i].id != 0 && link->question[i].id <= newest)
            settle(link, &link->question[i], NULL, &error);
}

static int output_send(struct aro_rpc_link *link)
{
    while (link->output_used > 0) {
        ssize_t sent =
            send(link->watch.fd, link->output, link->output_used, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        link->output_used -= (size_t)sent;
        memmove(link->output, link->output + sent, link->output_used);
    }
    return 0;
}

static void events_choose(struct aro_rpc_link *link)
{
    aro_loop_change(link->loop, &link->watch, EPOLLIN | (link->output_used > 0 ? EPOLLOUT : 0));
}

/* ---- answers ---- */

static void error_take(const json_t *member, struct aro_error *error)
{
    const char *text = json_string_value(json_object_get(member, "message"));
    const char *tag = json_string_value(json_object_get(json_object_get(member, "data"), "id"));
    int id = tag != NULL ? aro_error_parse(tag) : 0;

    aro_error_set(error, id > 0 ? (enum aro_error_id)id : ARO_E_REQUEST_SYNTAX, "%s",
                  text != NULL ? text : "the node refused without a reason");
}

static struct question *question_find(struct aro_rpc_link *link, int id)
{
    for (unsigned i = 0; id > 0 && i < ARO_RPC_QUESTIONS_MAX; i++)
        if (link->question[i].id == id)
            return &link->question[i];
    return NULL;
}

/* Progress, and answers that came too late, belong to nobody. */
static void line_take(struct aro_rpc_link *link, const char *line, size_t len)
{
    json_t *message = json_loadb(line, len, 0, NULL);
    json_t *result = json_object_get(message, "result");
    struct question *question =
        question_find(link, (int)json_integer_value(json_object_get(message, "id")));
    struct aro_error error;

    if (question != NULL && result != NULL) {
        settle(link, question, result, NULL);
    } else if (question != NULL) {
        error_take(json_object_get(message, "error"), &error);
        settle(link, question, NULL, &error);
    }
    json_decref(message);
}

static void lines_take(struct aro_rpc_link *link)
{
    char *at = link->input, *end;

    while ((end = memchr(at, '\n', link->input_used - (size_t)(at - link->input))) != NULL) {
        line_take(link, at, (size_t)(end - at));
        at = end + 1;
    }
    link->input_used -= (size_t)(at - link->input);
    memmove(link->input, at, link->input_used);
}

static void input_read(struct aro_rpc_link *link)
{
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = recv(link->watch.fd, link->input + link->input_used,
                           ARO_REPLY_BYTES_MAX - link->input_used, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            break_off(link, got < 0 ? strerror(errno) : "end of stream");
            return;
        }
        link->input_used += (size_t)got;
        lines_take(link);
        if (link->input_used == ARO_REPLY_BYTES_MAX) {
            break_off(link, "an answer longer than it may be");
            return;
        }
    }
}

static void on_ready(struct aro_watch *watch, uint32_t events)
{
    struct aro_rpc_link *link = LINK_OF(watch);

    if ((events & EPOLLOUT) != 0) {
        int failed = output_send(link);
        if (failed != 0) {
            break_off(link, strerror(-failed));
            return;
        }
        events_choose(link);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        input_read(link);
}

/* ---- questions ---- */

static int link_connect(struct aro_rpc_link *link, struct aro_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int failed;

    strcpy(address.sun_path, link->path); /* the configuration bounds it */
    link->watch.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->watch.fd >= 0 &&
        connect(link->watch.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        aro_loop_add(link->loop, &link->watch, EPOLLIN) == 0)
        return 0;
    failed = errno;
    if (link->watch.fd >= 0)
        close(link->watch.fd);
    link->watch.fd = -1;
    return aro_error_set(
        error, failed == EACCES || failed == EPERM ? ARO_E_DAEMON_DENIED : ARO_E_DAEMON_UNREACHABLE,
        "node \"%s\" cannot be asked: %s", link->name, strerror(failed));
}

static int output_add(struct aro_rpc_link *link, const char *line)
{
    size_t len = strlen(line);

    if (link->output_used + len + 1 > OUTPUT_BYTES_MAX)
        return -ENOBUFS;
    if (link->output_used + len + 1 > link->output_room) {
        size_t room = 2 * (link->output_used + len + 1);
        char *grown = realloc(link->output, room);
        if (grown == NULL)
            return -ENOMEM;
        link->output = grown;
        link->output_room = room;
    }
    memcpy(link->output + link->output_used, line, len);
    link->output[link->output_used + len] = '\n';
    link->output_used += len + 1;
    return 0;
}

static int line_send(struct aro_rpc_link *link, int id, const char *method, json_t *params)
{
    json_t *message = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", id, "method",
                                method, "params", params);
    char *line = json_dumps(message, JSON_COMPACT);
    int failed = line == NULL ? -ENOMEM : output_add(link, line);

    json_decref(message);
    free(line);
    if (failed == 0)
        failed = output_send(link);
    if (failed == 0)
        events_choose(link);
    return failed;
}

static struct question *question_begin(struct aro_rpc_link *link)
{
    for (unsigned i = 0; i < ARO_RPC_QUESTIONS_MAX; i++)
        if (link->question[i].id == 0) {
            link->last_id = link->last_id < INT32_MAX ? link->last_id + 1 : 1;
            link->question[i].id = link->last_id;
            link->questions++;
            return &link->question[i];
        }
    return NULL;
}

int aro_rpc_ask(struct aro_rpc_link *link, const char *method, json_t *params, uint64_t deadline_us,
                aro_rpc_answer *answer, void *arg, struct aro_error *error)
{
    struct question *question = NULL;
    int failed;

    if (link->watch.fd < 0 && link_connect(link, error) != 0) {
        json_decref(params);
        return -1;
    }
    question = question_begin(link);
    failed = question == NULL ? -ENOBUFS : line_send(link, question->id, method, params);
    json_decref(params);
    if (failed != 0) {
        if (question != NULL) {
            question->id = 0;
            link->questions--;
        }
        return aro_error_set(error,
                             failed == -ENOBUFS ? ARO_E_CLIENTS_FULL : ARO_E_DAEMON_UNREACHABLE,
                             "node \"%s\" takes no question: %s", link->name, strerror(-failed));
    }
    question->deadline_us = deadline_us;
    question->answer = answer;
    question->arg = arg;
    return 0;
}

uint64_t aro_rpc_link_timeout(struct aro_rpc_link *link, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    struct aro_error error;

    aro_error_set(&error, ARO_E_DAEMON_TIMEOUT, "node \"%s\" did not answer in time", link->name);
    for (unsigned i = 0; link->questions > 0 && i < ARO_RPC_QUESTIONS_MAX; i++) {
        struct question *question = &link->question[i];
        if (question->id == 0)
            continue;
        if (question->deadline_us <= now_us)
            settle(link, question, NULL, &error);
        else if (question->deadline_us < next_us)
            next_us = question->deadline_us;
    }
    return next_us;
}

struct aro_rpc_link *aro_rpc_link_create(struct aro_loop *loop, const char *name, const char *path)
{
    struct aro_rpc_link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    link->loop = loop;
    link->name = name;
    link->path = path;
    link->watch = (struct aro_watch){.fd = -1, .ready = on_ready};
    return link;
}

void aro_rpc_link_destroy(struct aro_rpc_link *link)
{
    if (link == NULL)
        return;
    if (link->watch.fd >= 0)
        close(link->watch.fd);
    free(link->output);
    free(link);
}
