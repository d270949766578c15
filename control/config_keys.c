/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every configuration key, once. min and max are in the unit of the field (bytes, bytes/s, us); for
 * text they bound the length, for lists the count. A default of NULL: the key is required. Keys of
 * a block stand together.
 */
#include "control/config_keys.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define SECOND 1000000ull
#define DAY    (86400 * SECOND)

#define ROW(block, name, at, kind, min, max, initial, change, sentence)                            \
    {block, #name, at, ARO_KEY_##kind, min, max, initial, ARO_CHANGE_##change, sentence},
#define KEY(block, name, field, ...)                                                               \
    ROW(block, name, offsetof(struct aro_config, field), __VA_ARGS__)
#define PORT(name, field, ...)                                                                     \
    ROW("port", name, offsetof(struct aro_port_config, field), __VA_ARGS__)
#define STORE(name, field, ...)                                                                    \
    ROW("store", name, offsetof(struct aro_disk_config, field), __VA_ARGS__)
#define ORIGIN(name, field, ...)                                                                   \
    ROW("origin", name, offsetof(struct aro_origin, field), __VA_ARGS__)

/* clang-format off */
const struct aro_key aro_config_keys[] = {
KEY("", runtime_dir, runtime_dir, TEXT, 1, 90, "/run/arocache", RESTART,
    "directory for the control socket and the lock; one per daemon")
KEY("", profile_dir, profile_dir, TEXT, 0, 255, "", RESTART,
    "directory of device profiles; empty: $AROCACHE_PROFILE_DIR, else where they were installed")
KEY("", log_level, log_level, LOG_LEVEL, 0, 3, "info", RESTART,
    "least severe lines to log")

KEY("cache", memory, cache_memory_bytes, BYTES, 8 * MIB, 4 * TIB, "256MiB", RESTART,
    "memory for chunks")
KEY("cache", chunks_max, cache_chunks_max, COUNT, 0, UINT32_MAX, "0", RESTART,
    "chunks in memory at most; 0: one per 16 KiB of memory")
KEY("cache", policy, cache_policy, POLICY, 0, 3, "s3fifo", RESTART,
    "which chunk leaves first when memory is full")
KEY("cache", pin_max, cache_pin_max, SHARE, 0, 90, "25%", RESTART,
    "chunk memory that the command pin may keep from eviction, a share or bytes")

STORE(path, path, TEXT, 1, 255, NULL, RESTART,
    "directory of this disk's store, made when its parent exists; or a block device, after --make-store")
STORE(size, size_bytes, BYTES, 64 * MIB, 1024 * TIB, NULL, RESTART,
    "disk space for all files of the store; never exceeded; of a device that much is used")
STORE(segment, segment_bytes, BYTES, 16 * MIB, 4 * GIB, "256MiB", RESTART,
    "size of a new segment file; of a device when the store is made")
STORE(recycle, recycle, CHOICE, 0, 2, "off", RESTART,
    "a full store forgets what is oldest and not pinned; off: it refuses; auto: on with an origin")
STORE(admit, admit, ADMIT, 0, 1, "always", RESTART,
    "what is pulled from origins comes onto a disk always, or when it is asked for again (second-hit), for all stores")
STORE(chunks_max, chunks_max, COUNT, 0, UINT32_MAX, "0", RESTART,
    "chunks on disk at most; 0: one per 32 KiB of size")
STORE(poll, poll, CHOICE, 0, 2, "off", RESTART,
    "lcores poll a disk that has queues for it instead of being interrupted; auto: where it has, on: and warns where not")
STORE(io, io, STORE_IO, 0, 1, "auto", RESTART,
    "auto: io_uring, and threads where the kernel refuses it; threads: always those, for all stores")

PORT(device, device, TEXT, 1, 255, NULL, RESTART,
    "PCI address or DPDK device string, for example net_tap0,iface=aro0")
PORT(addresses, address, ADDRESSES, 1, ARO_ADDRESSES_MAX, NULL, RESTART,
    "IPv4 and IPv6 addresses with prefix length, for example 10.9.0.1/24")
PORT(lcores, lcore, PORT_LCORES, 0, ARO_LCORES_MAX, "{}", RESTART,
    "lcores that poll this port, one queue each; empty: all of dataplane.lcores")
PORT(mtu, mtu, MTU, 1280, 9000, "1500", RESTART,
    "largest IP packet")
PORT(reply_via_gateway, reply_via_gateway, BOOL, 0, 1, "off", RESTART,
    "send answers to gateway_mac instead of the requester's Ethernet source")
PORT(gateway_mac, gateway_mac, MAC, 0, 17, "00:00:00:00:00:00", RESTART,
    "Ethernet address of the gateway, for reply_via_gateway")

ORIGIN(url, url, TEXT, 10, 255, NULL, RESTART,
    "folder that may be fetched from, with a / at its end, for example http://10.0.0.5:8080/media/")
ORIGIN(prefix, prefix, TEXT, 0, 255, "", RESTART,
    "names that begin so lie there, for example cdn.example/; empty: the url without its scheme")
ORIGIN(ttl, ttl_us, DURATION, 0, 30 * DAY, "10m", RESTART,
    "how long a name is fresh when the origin does not say")
ORIGIN(stale, stale_us, DURATION, 0, 365 * DAY, "1d", RESTART,
    "how much longer a name is used while the origin fails")
ORIGIN(negative_ttl, negative_ttl_us, DURATION, 0, DAY, "10s", RESTART,
    "how long a refusal of the origin (404, 403) is remembered")
ORIGIN(timeout, timeout_us, DURATION, SECOND, 600 * SECOND, "10s", RESTART,
    "longest wait for a connection, and for more than 1 KiB/s of an answer")
ORIGIN(connections, connections, COUNT, 1, 64, "8", RESTART,
    "pulls at once; more wait")
ORIGIN(rate, rate_bytes_per_s, RATE, 0, UINT64_MAX, "0", RESTART,
    "bytes per second from this origin, all pulls together; 0: no limit")
ORIGIN(max_object, max_object_bytes, BYTES, 1, 16 * TIB, "16GiB", RESTART,
    "largest object that is fetched")
ORIGIN(ca_file, ca_file, TEXT, 0, 255, "", RESTART,
    "certificates of the authorities to believe for https, PEM; empty: the system's")

KEY("names", max, names_max, COUNT, 16, 100000000, "100000", RESTART,
    "rows of the table of names; the oldest leave")
KEY("names", directory, names_dir, TEXT, 0, 255, "", RESTART,
    "where names.db lies; empty: in the store's directory; in memory when that is a device, or there is none")

KEY("dataplane", lcores, lcores, LCORES, 1, ARO_LCORES_MAX, "{1}", RESTART,
    "CPUs that run the packet path; number n runs on CPU n, or on any CPU when n does not exist")
KEY("dataplane", idle, idle, IDLE, 0, 1, "adaptive", RESTART,
    "adaptive gives an idle CPU back; poll never sleeps")
KEY("dataplane", service_port, service_port, COUNT, 1, 65535, "9500", RESTART,
    "UDP port of the chunk protocol")
KEY("dataplane", jobs, jobs, COUNT, 64, 65536, "1024", RESTART,
    "answers under way per lcore")
KEY("dataplane", pending, pending, COUNT, 64, 65536, "1024", RESTART,
    "requests per lcore that wait for a disk read")
KEY("dataplane", reads, reads, POWER_OF_2, 8, 1024, "64", RESTART,
    "disk reads in flight per lcore and disk")
KEY("dataplane", pending_deadline, pending_deadline_us, DURATION, 1000, 60000000, "2s", RESTART,
    "longest wait of a request for its read")

KEY("limits", ceiling, ceiling_bytes_per_s, RATE, 0, UINT64_MAX, "20Gbit", RESTART,
    "bytes per second to one source address (/32, /64); 0: no ceiling")
KEY("limits", ceiling_net, ceiling_net_bytes_per_s, RATE, 0, UINT64_MAX, "80Gbit", RESTART,
    "bytes per second to one source network (/24, /56); 0: no ceiling")
KEY("limits", challenges, challenges_per_s, COUNT, 1, UINT32_MAX, "100000", RESTART,
    "tokens per second handed to unvalidated sources, whole node")
KEY("limits", challenges_net, challenges_net_per_s, COUNT, 1, UINT32_MAX, "10000", RESTART,
    "tokens per second handed to one source network (/24, /56)")

KEY("control", socket, socket, TEXT, 0, 107, "", RESTART,
    "path of the control socket; empty: control.sock in runtime_dir")
KEY("control", mode, socket_mode, MODE, 0, 0777, "0660", RESTART,
    "permissions of the control socket, octal")
KEY("control", group, socket_group, TEXT, 0, 31, "", RESTART,
    "group that owns the control socket; empty: the daemon's")

KEY("http", listen, http_listen, ENDPOINT, 0, 63, "127.0.0.1:9501", RESTART,
    "ADDRESS:PORT for /metrics, /healthz, /readyz on the kernel's stack; empty: off")

KEY("log", requests_sample, requests_sample, COUNT, 0, UINT32_MAX, "0", RESTART,
    "log one of so many requests of validated sources; 0: none, 1: every one")
KEY("log", request_log, request_log, TEXT, 0, 255, "", RESTART,
    "file for these lines, appended to; empty: the daemon's log")

KEY("eal", memory, eal_memory_bytes, BYTES, 0, 64 * GIB, "0", RESTART,
    "memory for packet buffers; 0: from the number of queues")
KEY("eal", hugepages, eal_hugepages, HUGEPAGES, 0, 2, "auto", RESTART,
    "hugepages for packet buffers; auto: when enough are free")
KEY("eal", args, eal_args, ARGS, 0, ARO_EAL_ARGS_MAX, "{}", RESTART,
    "further arguments for DPDK's EAL")
};
/* clang-format on */

const size_t aro_config_keys_count = sizeof(aro_config_keys) / sizeof(aro_config_keys[0]);
