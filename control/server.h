/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket, clients, lines, descriptors handed over, bounded
 * buffers. What a line means is control/rpc.h's business.
 *
 *   - one line per client and turn, so that no client holds up another;
 *   - a line is at most ARO_LINE_BYTES_MAX: a longer one is reported once and skipped to its end;
 *   - what a client does not read is kept up to ARO_OUTPUT_BYTES_MAX, then the client is dropped;
 *   - the role comes from the kernel (SO_PEERCRED): root and the daemon's user operate, others
 *     read.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_SERVER_H
#define ARO_CONTROL_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "cache/base/error.h"
#include "control/api/limits.h"
#include "control/loop.h"

struct aro_server;
struct aro_client;

struct aro_server_config {
    struct aro_loop *loop;
    uid_t operator_uid; /* besides root */
    /* One line without its newline, NUL-terminated; NULL: a line was too long. */
    void (*line)(void *arg, struct aro_client *client, const char *text, size_t len_bytes);
    /* The client is gone after this call. */
    void (*gone)(void *arg, struct aro_client *client);
    void *arg;
};

struct aro_server_stats {
    uint64_t clients_now;
    uint64_t clients_accepted;
    uint64_t clients_refused; /* above ARO_CLIENTS_MAX */
    uint64_t clients_dropped; /* did not read their answers */
    uint64_t lines;
    uint64_t lines_too_long;
};

/* Without a socket yet (tests adopt their own). NULL with errno. */
struct aro_server *aro_server_create(const struct aro_server_config *config);
/* Closes every client (gone is called) and removes the socket file. Takes NULL. */
void aro_server_destroy(struct aro_server *server);

/*
 * Listens at path with these permissions; group "" leaves the daemon's. A stale socket is removed;
 * one on which a daemon answers is not. 0, or -1 with *error (6001, 6002).
 */
int aro_server_listen(struct aro_server *server, const char *path, mode_t mode, const char *group,
                      struct aro_error *error);

/* Makes a connected socket a client; owns fd from here. NULL with errno (fd is closed). */
struct aro_client *aro_server_adopt(struct aro_server *server, int fd);

/* Sends text and a newline, now or when the client reads. Overflow drops the client later. */
void aro_client_send(struct aro_client *client, const char *text, size_t len_bytes);
/* What it was sent and has not read. */
size_t aro_client_unread_bytes(const struct aro_client *client);
bool aro_client_is_operator(const struct aro_client *client);
uid_t aro_client_uid(const struct aro_client *client);
/* While held, a client that closed its sending side still gets answers. */
void aro_client_hold(struct aro_client *client);
void aro_client_release(struct aro_client *client);
/* The oldest descriptor that the client handed over and nobody took: the caller's now, or -1. */
int aro_client_take_descriptor(struct aro_client *client);

void aro_server_stats(const struct aro_server *server, struct aro_server_stats *ret);

#endif
