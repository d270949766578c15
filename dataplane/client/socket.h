/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connected UDP socket that sends and receives in bursts.
 *
 * Connected, so that the kernel drops foreign datagrams and reports ICMP errors; never fragments.
 * Received datagrams lie in the socket's own memory until the next receive. Where the kernel hands
 * over several datagrams as one (UDP_GRO) they come out one by one again. One thread at a time.
 */
#ifndef ARO_DATAPLANE_CLIENT_SOCKET_H
#define ARO_DATAPLANE_CLIENT_SOCKET_H

#include "cache/base/error.h"
#include "dataplane/proto/wire.h"

enum { ARO_SOCKET_BURST = 64 };

struct aro_socket;

/* host: name or address, [brackets] of IPv6 already removed. NULL with *error. */
struct aro_socket *aro_socket_create(const char *host, uint16_t port, struct aro_error *error);
void aro_socket_destroy(struct aro_socket *socket); /* takes NULL */

/* For poll and its like; stays the socket's. */
int aro_socket_fd(const struct aro_socket *socket);
/* Bytes that the kernel keeps for us at most. */
uint32_t aro_socket_receive_buffer_bytes(const struct aro_socket *socket);
/* The largest slice that the path carries in one packet; mtu 0: what the kernel knows. */
uint32_t aro_socket_slice_bytes_max(const struct aro_socket *socket, uint32_t mtu);

/* One received datagram; called in order of arrival. */
typedef void aro_socket_handler(void *arg, const uint8_t *bytes, size_t len);

/*
 * Waits until something arrives or timeout_us passes, then hands over all that is there, up to
 * one burst. Returns how many datagrams (0: none), or -errno: -ECONNREFUSED and its like when an
 * ICMP error came back, which is no reason to stop.
 */
int aro_socket_receive_burst(struct aro_socket *socket, uint64_t timeout_us,
                             aro_socket_handler *handler, void *arg);

/* Whether the last receive took all that was there: what is missing now did not arrive in time. */
bool aro_socket_drained(const struct aro_socket *socket);

/* Sends requests; what the kernel refuses is lost like any datagram. Returns 0 or -errno. */
int aro_socket_send_burst(struct aro_socket *socket, uint8_t (*requests)[ARO_GET_BYTES],
                          size_t count);

#endif
