/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: one table of keys (config_keys.def) drives parsing, ranges, defaults, the
 * dump of `arocached -T` and the documentation.
 *
 * Read once at start into a plain struct that owns no memory. One thread.
 */
#ifndef ARO_CONTROL_CONFIG_H
#define ARO_CONTROL_CONFIG_H

#include <stdio.h>

#include "cache/base/error.h"
#include "cache/disk/disks.h"
#include "control/origin/origins.h"
#include "dataplane/dataplane.h"

enum {
    ARO_CONFIG_PATH_BYTES = 256,
    ARO_CONFIG_WORD_BYTES = 16,
    ARO_EAL_ARGS_MAX = 16,
    ARO_EAL_ARG_BYTES = 256,
};

enum aro_hugepages {
    ARO_HUGEPAGES_AUTO = 0, /* when enough are free */
    ARO_HUGEPAGES_OFF = 1,
    ARO_HUGEPAGES_ON = 2,
};

enum aro_store_io {
    ARO_STORE_IO_AUTO = 0, /* io_uring, and threads where it is refused */
    ARO_STORE_IO_THREADS = 1,
};

enum aro_store_admit {
    ARO_ADMIT_ALWAYS = 0,
    ARO_ADMIT_SECOND_HIT = 1, /* what was pulled: when it is asked for again */
};

enum aro_log_level {
    ARO_LOG_ERROR = 0,
    ARO_LOG_WARNING = 1,
    ARO_LOG_INFO = 2,
    ARO_LOG_DEBUG = 3,
};

/* A part of something: so many bytes, or so many hundredths of the whole. */
struct aro_share {
    uint64_t bytes;   /* valid when percent is 0 */
    uint64_t percent; /* 1..100; 0: bytes */
};

/* A block "store": one disk. */
struct aro_disk_config {
    char name[ARO_DISK_NAME_BYTES];
    char path[ARO_CONFIG_PATH_BYTES];
    uint64_t size_bytes;
    uint64_t segment_bytes;
    uint64_t chunks_max;
    uint64_t io;
    enum aro_choice recycle; /* auto: with an origin */
    enum aro_choice poll;
    uint64_t admit; /* one store's word is for all */
};

/* A list of EAL lcore ids. */
struct aro_lcore_list {
    unsigned id[ARO_LCORES_MAX];
    unsigned count;
};

struct aro_config {
    char runtime_dir[ARO_CONFIG_PATH_BYTES];
    char profile_dir[ARO_CONFIG_PATH_BYTES]; /* "": where the profiles were installed */
    uint64_t log_level;

    uint64_t cache_memory_bytes;
    uint64_t cache_chunks_max;
    char cache_policy[ARO_CONFIG_WORD_BYTES];
    struct aro_share cache_pin_max; /* of cache_memory_bytes */

    struct aro_disk_config disk[ARO_DISKS_MAX];
    unsigned disks;

    struct aro_lcore_list lcores;
    uint64_t idle;
    uint64_t service_port;
    uint64_t jobs, pending, reads;
    uint64_t pending_deadline_us;

    uint64_t ceiling_bytes_per_s, ceiling_net_bytes_per_s;
    uint64_t challenges_per_s, challenges_net_per_s;

    char socket[ARO_CONFIG_PATH_BYTES]; /* effective: never empty after reading */
    uint64_t socket_mode;
    char socket_group[32];

    char http_listen[64];   /* "": off */
    bool http_listen_given; /* by the file: then it must work */

    uint64_t requests_sample;                /* one of so many is logged; 0: none */
    char request_log[ARO_CONFIG_PATH_BYTES]; /* "": the log */

    uint64_t eal_memory_bytes; /* 0: from the number of queues */
    uint64_t eal_hugepages;
    char eal_args[ARO_EAL_ARGS_MAX][ARO_EAL_ARG_BYTES];
    unsigned eal_args_count;

    uint64_t names_max;
    char names_dir[ARO_CONFIG_PATH_BYTES]; /* "": the store's */
    struct aro_origin origin[ARO_ORIGINS_MAX];
    unsigned origins;

    struct aro_port_config port[ARO_PORTS_MAX];
    unsigned ports;
};

/* Reads and checks path. 0, or -1 with *error (2001..2005, 2007); *ret is unspecified then. */
int aro_config_read(const char *path, struct aro_config *ret, struct aro_error *error);

struct aro_settings;
/*
 * The file as it stands, with lines, its values unjudged: for those who edit it. NULL with *error
 * (2001..2003); ends with aro_settings_destroy.
 */
struct aro_settings *aro_config_settings(const char *path, struct aro_error *error);

/* Every key with its effective value, range, change class and sentence; reads back the same. */
void aro_config_dump(const struct aro_config *config, FILE *out);

/* A configuration of one port and one store with every default; what has none stands as <range>. */
void aro_config_template(FILE *out);

/* What a key needs in order to take effect. */
enum aro_change {
    ARO_CHANGE_LIVE,    /* at once */
    ARO_CHANGE_DRAIN,   /* after answers under way are sent */
    ARO_CHANGE_RESTART, /* with a new process */
};

/* A key as programs and documents see it: key i, in dump order; false past the end. */
struct aro_key_info {
    const char *block; /* "" for the top level */
    const char *name;
    const char *initial; /* default as text; NULL: required */
    const char *sentence;
    enum aro_change change;
    char range[96];
};
bool aro_config_key(size_t i, struct aro_key_info *ret);
const char *aro_change_name(enum aro_change change);

/* How many blocks of this kind there are, and the title of one ("" where they have none). */
unsigned aro_config_copies(const struct aro_config *config, const char *block);
const char *aro_config_title(const struct aro_config *config, const char *block, unsigned block_no);

/* What is pulled has to be asked for twice. */
bool aro_config_second_hit(const struct aro_config *config);

/* In bytes. */
uint64_t aro_share_of(const struct aro_share *share, uint64_t whole_bytes);

/* The value of key i in block number `block_no` as text; returns text. */
enum { ARO_CONFIG_VALUE_BYTES = ARO_EAL_ARGS_MAX * (ARO_EAL_ARG_BYTES + 4) + 8 };
char *aro_config_value(const struct aro_config *config, size_t i, unsigned block_no,
                       char text[ARO_CONFIG_VALUE_BYTES]);

#endif
