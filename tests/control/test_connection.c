/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/client/connection.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/api/limits.h"

/* A connection whose daemon has already said `said` and, if over, hung up. */
static struct aro_connection *daemon_that_said(const char *said, bool over, int *ret_end)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    cr_assert_eq(write(ends[1], said, strlen(said)), (ssize_t)strlen(said));
    if (over)
        shutdown(ends[1], SHUT_WR);
    *ret_end = ends[1];
    return aro_connection_over(ends[0]);
}

static void count(void *arg, json_t *params)
{
    *(int *)arg += (int)json_integer_value(json_object_get(params, "done"));
}

Test(connection, progress_comes_before_the_result)
{
    int end, seen = 0;
    struct aro_connection *connection =
        daemon_that_said("{\"method\":\"progress\",\"params\":{\"done\":3}}\n"
                         "{\"method\":\"progress\",\"params\":{\"done\":4}}\n"
                         "{\"id\":1,\"result\":{\"x\":5}}\n",
                         false, &end);
    struct aro_request request = {
        .method = "put", .descriptor = -1, .progress = count, .arg = &seen};
    struct aro_error error = {0};
    json_t *result = aro_ask(connection, &request, &error);
    char line[256] = "";

    cr_assert_not_null(result, "%s", error.text);
    cr_assert_eq(json_integer_value(json_object_get(result, "x")), 5);
    cr_assert_eq(seen, 7);
    cr_assert_gt(read(end, line, sizeof(line) - 1), 0);
    cr_assert_not_null(strstr(line, "\"method\":\"put\""));
    cr_assert_eq(line[strlen(line) - 1], '\n');
    json_decref(result);
    aro_disconnect(connection);
    close(end);
}

Test(connection, every_way_to_fail_has_its_id_and_exit_code)
{
    static const struct {
        const char *said;
        bool over;
        int id, exit_code;
    } rows[] = {
        {"{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"m\",\"data\":{\"id\":\"ARO-6020\"}}}"
         "\n",
         false, 6020, 1},
        {"{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"m\",\"data\":{\"id\":\"ARO-6013\"}}}"
         "\n",
         false, 6013, 4},
        {"{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"m\",\"data\":{\"id\":\"ARO-6028\"}}}"
         "\n",
         false, 6028, 6},
        {"", true, 6031, 3},
        {"{\"id\":1,", true, 6031, 3},
        {"not json\n", false, 6031, 3},
        {"{\"id\":1}\n", false, 6031, 3},
        {"", false, 6032, 5},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int end;
        struct aro_connection *connection = daemon_that_said(rows[i].said, rows[i].over, &end);
        struct aro_request request = {.method = "ls", .descriptor = -1, .timeout_ms = 20};
        struct aro_error error = {0};
        cr_assert_null(aro_ask(connection, &request, &error), "%s", rows[i].said);
        cr_assert_eq((int)error.id, rows[i].id, "%s -> %s", rows[i].said, error.text);
        cr_assert_eq(aro_exit_code(&error), rows[i].exit_code, "%s", rows[i].said);
        aro_disconnect(connection);
        close(end);
    }
}

Test(connection, no_daemon_is_exit_code_3)
{
    struct aro_error error = {0};

    cr_assert_null(aro_connect("/nonexistent/socket", &error));
    cr_assert_eq(error.id, ARO_E_DAEMON_UNREACHABLE);
    cr_assert_eq(aro_exit_code(&error), 3);
}

Test(connection, a_socket_that_one_may_not_use_is_no_missing_daemon)
{
    char dir[] = "/tmp/test-connection-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chmod(dir, 0755), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(chmod(address.sun_path, 0), 0);
    cr_assert_eq(listen(fd, 1), 0);
    pid_t child = fork();
    if (child == 0) {
        struct aro_error error = {0};
        if (geteuid() == 0 && setuid(65534) != 0) /* root may use any socket */
            _exit(2);
        _exit(aro_connect(address.sun_path, &error) == NULL && error.id == ARO_E_DAEMON_DENIED &&
                      aro_exit_code(&error) == 4
                  ? 0
                  : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    unlink(address.sun_path);
    rmdir(dir);
    close(fd);
}
