/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libarocache: fetch objects and chunks from arocache servers, verified.
 *
 * One blocking call fetches one object (a file of any length, named by its manifest), a range of
 * it, or one chunk over UDP, from one server or from several at once: each gives as many chunks as
 * it is fast, and one that is dead, slow or lying is left and named. Not a byte is handed out
 * before the SHA-256 of its chunk agreed; at the end the SHA-256 of the whole content is compared
 * as well. The calling thread receives and verifies; a second thread, which lives only during the
 * call, writes.
 *
 * Any number of threads may fetch at once, each with its own call. No signals, no global state.
 *
 *     struct arocache_options options;
 *     struct arocache_stats stats;
 *     arocache_options_init(&options);
 *     options.host = "2001:db8::7";
 *     int error = arocache_fetch_fd(&options, "o-4b22...", fd, &stats);
 *     if (error != 0)
 *         fprintf(stderr, "ARO-%d: %s. %s\n", error, stats.error_text, arocache_remedy(error));
 *
 * Link with: pkg-config --cflags --libs arocache
 */
#ifndef AROCACHE_H
#define AROCACHE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AROCACHE_PORT       9500
#define AROCACHE_TOKEN_SIZE 16

/* How a fetch went. Times in microseconds since the call began, or as durations. */
struct arocache_stats {
    uint64_t content_bytes;     /* verified and handed out */
    uint64_t content_total;     /* length of the whole content; 0 until known */
    uint64_t received_bytes;    /* UDP payload received, everything included */
    uint64_t sent_bytes;        /* UDP payload sent */
    uint64_t first_byte_us;     /* until the first verified byte was handed out */
    uint64_t total_us;          /* until the end, whole digest included */
    uint64_t chunks;            /* content chunks verified */
    uint64_t manifests;         /* manifests verified */
    uint64_t requests;          /* GETs sent, repetitions included */
    uint64_t token_round_trips; /* requests that brought a token instead of an answer */
    uint64_t slices;            /* DATA that brought something new */
    uint64_t slices_memory;     /* ... out of the server's memory */
    uint64_t slices_disk;       /* ... whose request waited for the server's disk */
    uint64_t slices_fill;       /* ... whose request waited for a peer or the origin */
    uint64_t slices_lost;       /* asked for again because they did not come */
    uint64_t slices_late;       /* came after they were taken for lost */
    uint64_t duplicates;        /* DATA that brought nothing new */
    uint64_t timeouts;          /* requests that stayed without an answer for too long */
    uint64_t retry_later;       /* STATUS: RETRY_LATER, or NOT_FOUND with a hint */
    uint64_t busy;              /* STATUS: BUSY */
    uint64_t ignored_echo;      /* datagrams whose echo we never sent */
    uint64_t ignored_malformed; /* datagrams that are no message of the protocol, or not ours */
    uint64_t mismatches;        /* chunks that had to be fetched again: wrong SHA-256 */
    uint64_t unreachable;       /* ICMP errors (port or host unreachable) */
    uint64_t residence_us_sum;  /* time inside the server, summed over the answered requests */
    uint64_t residence_us_max;
    uint64_t answered_requests; /* requests with at least one DATA */
    uint32_t rtt_us;            /* smoothed, without the time inside the server */
    uint32_t rtt_min_us;
    uint32_t window_max;                /* largest congestion window, in slices */
    uint32_t slice_bytes;               /* largest slice size that proved to pass */
    uint8_t token[AROCACHE_TOKEN_SIZE]; /* the last one: reuse within 30 s from the same address */
    char error_text[512];               /* one sentence; empty on success */
};

#define AROCACHE_SOURCES_MAX 16

/* A server to fetch from. */
struct arocache_source {
    const char *host; /* name, IPv4 or IPv6 address */
    uint16_t port;    /* 0: AROCACHE_PORT */
};

/* What one source did. */
struct arocache_source_stats {
    char name[128];            /* "host:port" */
    uint64_t content_bytes;    /* verified, manifests included */
    uint64_t chunks;           /* verified, manifests included */
    uint64_t received_bytes;   /* UDP payload received, everything included */
    uint64_t sent_bytes;       /* UDP payload sent */
    uint64_t requests;         /* GETs sent, repetitions included */
    uint64_t slices;           /* DATA that brought something new */
    uint64_t slices_lost;      /* asked for again because they did not come */
    uint64_t timeouts;         /* requests that stayed without an answer for too long */
    uint64_t mismatches;       /* chunks with the wrong SHA-256 */
    uint64_t absent;           /* chunks that it does not have */
    uint64_t taken;            /* chunks that another one was asked for because this one is slow */
    uint64_t unreachable;      /* ICMP errors (port or host unreachable) */
    uint64_t rate_bytes_per_s; /* as last measured; 0: never */
    uint32_t rtt_us;           /* smoothed, without the time inside the server */
    uint32_t rtt_min_us;
    int error;            /* why it was left: a number of the catalogue; 0: it was not */
    char error_text[256]; /* one sentence; empty when it was not left */
};

/*
 * Takes verified content, in order. bytes are valid during the call. Return 0 to go on; anything
 * else ends the fetch. Called from the second thread: it may block, reception goes on meanwhile.
 */
typedef int arocache_sink(void *arg, const void *bytes, size_t len);

/*
 * Fills bytes with content that the program may have already, as an earlier try left it, and
 * returns non-zero; 0: not here. Verified like what comes from a source, and fetched when it is
 * wrong. Called from the calling thread.
 */
typedef int arocache_have(void *arg, uint64_t at, void *bytes, size_t len);

/* Told about ten times a second, from the calling thread. */
typedef void arocache_progress(void *arg, const struct arocache_stats *stats);

struct arocache_options {
    const char *host;            /* name, IPv4 or IPv6 address; default "127.0.0.1" */
    uint16_t port;               /* default AROCACHE_PORT */
    uint16_t mtu;                /* of the path, 256..; 0 (default): what the kernel knows */
    uint32_t silence_ms;         /* give up after so long without progress; default 10000 */
    uint32_t buffer_bytes;       /* chunk buffers; default 16 MiB */
    int only_if_cached;          /* non-zero: the server must not fetch it from elsewhere */
    int skip_content_digest;     /* non-zero: trust the chunks' digests, skip the whole one */
    const uint8_t *token;        /* AROCACHE_TOKEN_SIZE bytes of an earlier fetch, or NULL */
    arocache_progress *progress; /* or NULL */
    void *progress_arg;
    const struct arocache_source *sources;     /* instead of host and port */
    unsigned source_count;                     /* at most AROCACHE_SOURCES_MAX; 0: host and port */
    struct arocache_source_stats *ret_sources; /* one per source, or NULL */
    arocache_have *have;                       /* or NULL */
    void *have_arg;
    uint64_t first_byte; /* of an object: skip so many */
    uint64_t byte_count; /* of an object: only so many; 0: to its end */
};

/* Sets every default. Call it first: later versions may add fields at the end. */
void arocache_options_init(struct arocache_options *options);

/*
 * Fetches the object or chunk named by the text form id ("o-<64 hex>" or "c-<64 hex>").
 * ret_stats may be NULL. Returns 0, or the number of an error of the catalogue (7004: not found;
 * arocache_error_exit_code and arocache_remedy explain it).
 */
int arocache_fetch(const struct arocache_options *options, const char *id, arocache_sink *sink,
                   void *sink_arg, struct arocache_stats *ret_stats);

/* The same, writing to a file descriptor at its current position. */
int arocache_fetch_fd(const struct arocache_options *options, const char *id, int fd,
                      struct arocache_stats *ret_stats);

/* Exit code of a tool that ends because of this error: 1 not found, 3 unreachable, ... */
int arocache_error_exit_code(int error);
/* "NOT_FOUND"; never NULL. Static storage, as is the next. */
const char *arocache_error_name(int error);
/* What to do about it; never NULL. */
const char *arocache_remedy(int error);

const char *arocache_version(void);

#ifdef __cplusplus
}
#endif

#endif
