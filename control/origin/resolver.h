/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names to objects: from the table when it is fresh, else from the origin.
 *
 *     lookup -> table of names --fresh, object here--> HERE
 *                    |
 *                    +--unknown, expired--> negative cache -> the pull of its URL --> ARRIVING
 *                                                             (joined, or begun)      HERE (304)
 *                                                                                     FAILED
 *
 * Single flight: a URL is pulled once at a time, and whoever wants it meanwhile joins, under
 * whatever name. A pull that is over is joined until its names stand in the table, so that no
 * lookup falls in between. When the origin fails, a name past its time goes on for `stale`.
 *
 * Everything happens on the control thread; what may block is behind aro_names and aro_http.
 */
#ifndef ARO_CONTROL_ORIGIN_RESOLVER_H
#define ARO_CONTROL_ORIGIN_RESOLVER_H

#include "control/origin/pull.h"

struct aro_resolver;

enum {
    ARO_LOOKUPS_MAX = 4096,
    ARO_PULLS_MAX = 256,             /* under way, those that wait for a connection included */
    ARO_PULLS_RUNNING_MAX = 16,      /* with a connection, all origins together */
    ARO_PULLS_OVER_MAX = 64,         /* whose chunks can still be listed */
    ARO_PULLS_OVER_CHUNKS = 1 << 20, /* in all their lists */
};
#define ARO_PULLS_OVER_NS UINT64_C(60000000000)
#define ARO_DOWN_NS       UINT64_C(1000000000) /* a failing origin is not asked again so long */

struct aro_resolver_config {
    struct aro_loop *loop;
    struct aro_content *content;
    const struct aro_log *log;
    struct aro_origins origins; /* stays */
    const char *names_dir;      /* for the table of names; NULL: in memory */
    uint64_t names_max;
    uint64_t region_bytes;
};

/* NULL with errno. */
struct aro_resolver *aro_resolver_create(const struct aro_resolver_config *config);
void aro_resolver_destroy(struct aro_resolver *resolver); /* not busy; takes NULL */
/* Ends what is under way and begins nothing any more. */
void aro_resolver_stop(struct aro_resolver *resolver);
bool aro_resolver_is_busy(const struct aro_resolver *resolver);

enum aro_lookup_end { ARO_LOOKUP_HERE, ARO_LOOKUP_ARRIVING, ARO_LOOKUP_FAILED };

/* Embed it. */
struct aro_lookup {
    char name[ARO_NAME_BYTES]; /* "": that of url */
    char url[ARO_URL_BYTES];   /* "": that of name */
    bool refresh;              /* ask the origin even if the name is fresh; never answer stale */
    bool by_hand;              /* an operator's: what it finds is to be on disk */
    uint32_t chunk_bytes;      /* of a pull that this begins */
    void (*done)(struct aro_lookup *lookup); /* never inside aro_resolver_lookup */

    enum aro_lookup_end end;
    struct aro_name row;      /* HERE */
    struct aro_object object; /* HERE */
    bool stale;               /* HERE */
    struct aro_pull *pull;    /* ARRIVING; HERE after a pull, else NULL. Held: give it back */
    struct aro_error error;   /* FAILED */
    int http_status;          /* FAILED: the origin's; 0: none */

    /* the resolver's */
    struct aro_resolver *resolver;
    struct aro_lookup *next;
    struct aro_names_op op;
    int origin;
    bool known; /* row came from the table, and its object is here */
};

/* Starts; done comes later, however long the origin takes (its timeouts bound it). */
void aro_resolver_lookup(struct aro_resolver *resolver, struct aro_lookup *lookup);

/* It need not wait any more: ends soon. A pull that nobody else ever joined ends with it. */
void aro_resolver_leave(struct aro_resolver *resolver, struct aro_lookup *lookup);

/* A pull that clients were told of. NULL: unknown, or forgotten. */
struct aro_pull *aro_resolver_pull(struct aro_resolver *resolver, unsigned number);
/* A held pull stays in memory. */
void aro_pull_hold(struct aro_pull *pull);
void aro_pull_release(struct aro_pull *pull);

/* Operations of the table that need no origin (list, set); the purges go through here, too. */
void aro_resolver_names(struct aro_resolver *resolver, struct aro_names_op *op);

int64_t aro_now_unix(void);
const struct aro_origins *aro_resolver_origins(const struct aro_resolver *resolver);
void aro_resolver_stats(const struct aro_resolver *resolver, struct aro_origin_stats *ret);

#endif
