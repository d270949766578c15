/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fetches an object or a chunk over memif: the fetch engine on a DPDK port, no kernel in between.
 *
 *   memif_client --socket PATH --server ADDRESS --client ADDRESS [options] ID
 *
 * Writes verified content to --output and prints one line of JSON. Exit code 0: everything
 * verified. The engine's clock is the poll loop's: late for us is never taken for lost.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "cache/base/sha256.h"
#include "dataplane/client/engine.h"
#include "tests/programs/port_udp.h"

enum {
    REQUESTS = 64,
    RX_BURSTS = 16,           /* per turn, so that requests go out between them */
    RING_BYTES = 1024 * 2048, /* memif's default ring: what may wait for us without loss */
    BUFFER_BYTES = 16 << 20,
    SILENCE_US = 3000000,
    ASK_AGAIN_US = 10000, /* ARP */
};

struct client {
    const char *socket, *server, *address, *output, *id;
    uint64_t timeout_us;
    uint64_t die_after_bytes; /* vanish like a crashed peer; 0: do not */
    bool zero_copy;
    struct port_udp *port;
    struct aro_engine *engine;
    struct aro_download *download;
    struct aro_sha256 *digest;
    int fd;
    uint64_t now_us;
    uint64_t written_bytes;
};

static uint64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void random_fill(void *arg, void *bytes, size_t len)
{
    (void)arg;
    if (getrandom(bytes, len, 0) != (ssize_t)len)
        abort();
}

static int options_read(struct client *client, int argc, char **argv)
{
    static const struct option names[] = {
        {"socket", required_argument, NULL, 's'},    {"server", required_argument, NULL, 'a'},
        {"client", required_argument, NULL, 'c'},    {"output", required_argument, NULL, 'o'},
        {"timeout", required_argument, NULL, 't'},   {"zero-copy", no_argument, NULL, 'z'},
        {"die-after", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    int option;

    client->output = "/dev/null";
    client->timeout_us = 30000000;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 's':
            client->socket = optarg;
            break;
        case 'a':
            client->server = optarg;
            break;
        case 'c':
            client->address = optarg;
            break;
        case 'o':
            client->output = optarg;
            break;
        case 't':
            client->timeout_us = strtoull(optarg, NULL, 10) * 1000000;
            break;
        case 'd':
            client->die_after_bytes = strtoull(optarg, NULL, 10);
            break;
        case 'z':
            client->zero_copy = true;
            break;
        default:
            return -1;
        }
    }
    client->id = argv[optind];
    return client->socket != NULL && client->server != NULL && client->address != NULL &&
                   argc == optind + 1
               ? 0
               : -1;
}

/* EAL wants a CPU for its one lcore; the scheduler may move the thread again afterwards. */
static int eal_start(const struct client *client)
{
    char device[256], prefix[64], lcores[32];
    char *argv[] = {(char[]){"memif_client"},
                    (char[]){"--no-huge"},
                    (char[]){"--no-shconf"},
                    (char[]){"--no-pci"},
                    (char[]){"--no-telemetry"},
                    (char[]){"--log-level=*:error"},
                    (char[]){"-m96"},
                    lcores,
                    prefix,
                    device,
                    (char[]){"--single-file-segments"}};
    int argc = (int)(sizeof(argv) / sizeof(argv[0])) - (client->zero_copy ? 0 : 1);
    int code, cpu = sched_getcpu();
    cpu_set_t cpus;

    if (cpu < 0 || sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return -1;
    snprintf(lcores, sizeof(lcores), "--lcores=0@%d", cpu);
    snprintf(prefix, sizeof(prefix), "--file-prefix=memif-client-%d", (int)getpid());
    snprintf(device, sizeof(device),
             "--vdev=net_memif0,role=client,id=0,socket=%s,socket-abstract=no%s", client->socket,
             client->zero_copy ? ",zero-copy=yes" : "");
    code = rte_eal_init(argc, argv);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    return code < 0 ? -1 : 0;
}

static int engine_start(struct client *client)
{
    struct aro_engine_options options = {.random = random_fill};
    struct aro_engine_source source = {.name = client->server,
                                       .slice_bytes_max = ARO_SLICE_BYTES_1500,
                                       .receive_buffer_bytes = RING_BYTES};
    struct aro_download_options wanted = {
        .buffer_bytes = BUFFER_BYTES, .eager = true, .silence_us = SILENCE_US};

    if (aro_id_parse(client->id, &wanted.id, &wanted.kind) != 0) {
        fprintf(stderr, "'%s' is no id\n", client->id);
        return -1;
    }
    client->digest = aro_sha256_create();
    client->engine = aro_engine_create(&options);
    if (client->digest == NULL || client->engine == NULL ||
        aro_engine_source_add(client->engine, &source, clock_us()) != 0)
        return -1;
    client->download = aro_download_create(client->engine, &wanted, clock_us());
    return client->download != NULL ? 0 : -1;
}

/* Until the peer's side of the ring is there and answers. */
static int peer_wait(struct client *client)
{
    uint64_t limit_us = clock_us() + client->timeout_us;
    const struct timespec pause = {.tv_nsec = ASK_AGAIN_US * 1000};

    while (!port_udp_resolve(client->port)) {
        if (clock_us() > limit_us) {
            fprintf(stderr, "no ARP answer from %s\n", client->server);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void datagram_take(void *arg, const uint8_t *bytes, size_t len)
{
    struct client *client = arg;

    aro_engine_receive(client->engine, 0, bytes, len, client->now_us);
}

static int pieces_write(struct client *client)
{
    struct aro_piece piece;

    while (aro_download_take(client->download, &piece)) {
        ssize_t written = pwrite(client->fd, piece.bytes, piece.len_bytes, (off_t)piece.at);
        aro_sha256_update(client->digest, piece.bytes, piece.len_bytes);
        aro_download_release(client->download, &piece);
        if (written != (ssize_t)piece.len_bytes)
            return -1;
        client->written_bytes += piece.len_bytes;
        if (client->die_after_bytes != 0 && client->written_bytes >= client->die_after_bytes)
            raise(SIGKILL);
    }
    return 0;
}

static int turn(struct client *client)
{
    uint8_t requests[REQUESTS][ARO_GET_BYTES];
    unsigned bursts = 0;
    size_t count;

    client->now_us = clock_us();
    while (bursts < RX_BURSTS && port_udp_receive_burst(client->port, datagram_take, client) != 0)
        bursts++;
    if (bursts < RX_BURSTS && client->now_us >= aro_engine_deadline_us(client->engine))
        aro_engine_timeout(client->engine, client->now_us);
    if (pieces_write(client) != 0)
        return -1;
    while ((count = aro_engine_send_burst(client->engine, 0, requests, REQUESTS, client->now_us)) >
           0)
        port_udp_send_burst(client->port, requests[0], ARO_GET_BYTES, count);
    return 0;
}

/* 0: everything is here, verified, and the whole has the digest that its manifest promised. */
static int fetch(struct client *client)
{
    uint64_t limit_us = clock_us() + client->timeout_us;
    struct aro_download_root root;
    struct aro_id digest;

    while (aro_download_state(client->download) == ARO_DOWNLOAD_RUNNING && clock_us() < limit_us)
        if (turn(client) != 0) {
            perror(client->output);
            return -1;
        }
    if (aro_download_state(client->download) != ARO_DOWNLOAD_DONE) {
        const struct aro_error *error = aro_download_error(client->download);
        fprintf(stderr, "%s\n", error->text[0] != '\0' ? error->text : "not done in time");
        return -1;
    }
    digest = aro_sha256_final(client->digest);
    if (aro_download_root(client->download, &root) && !aro_id_equal(&digest, &root.digest)) {
        fputs("the whole content has another SHA-256\n", stderr);
        return -1;
    }
    return 0;
}

static void report(struct client *client, double seconds)
{
    const struct arocache_stats *stats = aro_download_stats(client->download);
    const struct port_udp_stats *port = port_udp_stats(client->port);
    uint64_t asked = stats->slices + stats->slices_lost;

    printf("{\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"gbps\":%.3f,\"slices\":%" PRIu64
           ",\"slices_lost\":%" PRIu64 ",\"slices_late\":%" PRIu64 ",\"timeouts\":%" PRIu64
           ",\"loss\":%.6f,\"chunks\":%" PRIu64 ",\"manifests\":%" PRIu64 ",\"rx_packets\":%" PRIu64
           ",\"rx_other\":%" PRIu64 ",\"bad_ip_checksum\":%" PRIu64 ",\"bad_udp_checksum\":%" PRIu64
           ",\"tx_refused\":%" PRIu64 "}\n",
           client->written_bytes, seconds, (double)client->written_bytes * 8e-9 / seconds,
           stats->slices, stats->slices_lost, stats->slices_late, stats->timeouts,
           asked > 0 ? (double)stats->slices_lost / (double)asked : 0.0, stats->chunks,
           stats->manifests, port->rx_packets, port->rx_other, port->bad_ip_checksum,
           port->bad_udp_checksum, port->tx_refused);
}

int main(int argc, char **argv)
{
    struct client client = {0};
    int code = EXIT_FAILURE;
    uint64_t start_us;

    if (options_read(&client, argc, argv) != 0) {
        fputs(
            "usage: memif_client --socket PATH --server ADDRESS --client ADDRESS [--output FILE]\n"
            "         [--timeout SECONDS] [--zero-copy] [--die-after BYTES] ID\n",
            stderr);
        return 64;
    }
    client.fd = open(client.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (client.fd < 0) {
        perror(client.output);
        return code;
    }
    if (eal_start(&client) != 0 || engine_start(&client) != 0)
        goto out;
    client.port =
        port_udp_create(inet_addr(client.address), inet_addr(client.server), ARO_WIRE_PORT);
    if (client.port == NULL || peer_wait(&client) != 0)
        goto out;
    start_us = clock_us();
    code = fetch(&client) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    report(&client, (double)(clock_us() - start_us) / 1e6);
out:
    port_udp_destroy(client.port);
    aro_download_destroy(client.download);
    aro_engine_destroy(client.engine);
    aro_sha256_destroy(client.digest);
    close(client.fd);
    (void)rte_eal_cleanup();
    return code;
}
