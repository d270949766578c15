/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: how many there are, whose they are, and which of them owe us a request. One that
 * lets its request trickle in byte by byte looks alive to libmicrohttpd for ever; here it has
 * `timeout` for all of it.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/gateway/worker_state.h"

enum { GRACE_US = 1000000 }; /* libmicrohttpd's own time-out comes first where it works */

static struct aro_client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

static void peer_write(struct MHD_Connection *connection, char *text, size_t room)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

    strcpy(text, "-");
    if (address != NULL && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  (socklen_t)room);
    else if (address != NULL && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  (socklen_t)room);
}

/* ---- those that owe a request ---- */

static void owes(struct aro_worker *worker, struct aro_client *client)
{
    client->since_us = worker->now_us;
    client->after = NULL;
    client->before = worker->owing_last;
    if (client->before != NULL)
        client->before->after = client;
    else
        worker->owing = client;
    worker->owing_last = client;
}

static void owes_no_more(struct aro_worker *worker, struct aro_client *client)
{
    if (client->since_us == 0)
        return;
    client->since_us = 0;
    if (client->before != NULL)
        client->before->after = client->after;
    else
        worker->owing = client->after;
    if (client->after != NULL)
        client->after->before = client->before;
    else
        worker->owing_last = client->before;
}

void client_busy(struct aro_worker *worker, struct MHD_Connection *connection)
{
    struct aro_client *client = client_of(connection);

    if (client != NULL)
        owes_no_more(worker, client);
}

void client_idle(struct aro_worker *worker, struct MHD_Connection *connection)
{
    struct aro_client *client = client_of(connection);

    if (client != NULL && client->since_us == 0)
        owes(worker, client);
}

void clients_sweep(struct aro_worker *worker)
{
    uint64_t patience_us = worker->config->timeout_us + GRACE_US;

    while (worker->owing != NULL && worker->now_us - worker->owing->since_us >= patience_us) {
        struct aro_client *client = worker->owing;
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(client->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        owes_no_more(worker, client);
        shutdown(info->connect_fd, SHUT_RDWR); /* libmicrohttpd sees its end, and closes it */
        aro_gate_add(&worker->counters.connections_slow, 1);
    }
}

/* ---- life ---- */

void client_notify(void *arg, struct MHD_Connection *connection, void **context,
                   enum MHD_ConnectionNotificationCode code)
{
    struct aro_worker *worker = arg;
    struct aro_client *client = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        aro_gate_add(&worker->counters.connections, 1);
        aro_gate_add(&worker->counters.connections_now, 1);
        client = *context = calloc(1, sizeof(*client));
        if (client == NULL)
            return; /* served all the same, under libmicrohttpd's time-out alone */
        client->connection = connection;
        peer_write(connection, client->peer, sizeof(client->peer));
        owes(worker, client);
        return;
    }
    aro_gate_add(&worker->counters.connections_now, (uint64_t)-1);
    if (client != NULL) {
        owes_no_more(worker, client);
        free(client);
    }
    *context = NULL;
}

const char *client_peer(struct MHD_Connection *connection)
{
    const struct aro_client *client = client_of(connection);

    return client != NULL ? client->peer : "-";
}
