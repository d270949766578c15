/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits of the control socket, shared by daemon and clients. docs/control-api.md lists them.
 */
#ifndef ARO_CONTROL_API_LIMITS_H
#define ARO_CONTROL_API_LIMITS_H

enum {
    ARO_API_VERSION = 1,
    ARO_LINE_BYTES_MAX = 64 << 10,  /* of a request, newline included */
    ARO_REPLY_BYTES_MAX = 1 << 20,  /* of an answer: what a client must be able to take */
    ARO_OUTPUT_BYTES_MAX = 2 << 20, /* unread answers of one client */
    ARO_CLIENTS_MAX = 64,
    ARO_DESCRIPTORS_MAX = 4,  /* handed over by one client and not yet used */
    ARO_JOBS_MAX = 8,         /* at once */
    ARO_PUTS_MAX = 4,         /* of them puts */
    ARO_LS_MAX = 256,         /* objects per answer */
    ARO_NAMES_MAX = 128,      /* names per answer */
    ARO_TABLE_CALLS_MAX = 64, /* that wait for the table of names */
    ARO_HELD_MAX = 4096,      /* calls that wait: for a name, for chunks */
    ARO_HELD_PER_CLIENT_MAX = 1024,
    ARO_HELD_MS_MAX = 60000,
    ARO_CHUNKS_MAX = 1024,               /* of a pull, per answer */
    ARO_UNREAD_CHUNKS_BYTES = 256 << 10, /* more unread: `chunks` answers wait */
    ARO_PINNED_MAX = 1024,               /* objects and chunks */
    ARO_TOP_CHUNKS_MAX = 100,            /* per answer of `cache` */
};

#endif
