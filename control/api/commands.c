/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/commands.h"

#include <stdio.h>
#include <string.h>

#include "cache/base/id.h"
#include "control/api/limits.h"
#include "control/api/suggest.h"

#define OBJECT_ID(required, help)                                                                  \
    {                                                                                              \
        ARO_PARAM_ID, "id", required, true, 0, ARO_ID_TEXT_MAX - 1, help                           \
    }
#define FLAG(name, help)                                                                           \
    {                                                                                              \
        ARO_PARAM_FLAG, name, false, false, 0, 1, help                                             \
    }
#define TEXT(name, required, positional, max, help)                                                \
    {                                                                                              \
        ARO_PARAM_TEXT, name, required, positional, 1, max, help                                   \
    }
#define COUNT(name, required, positional, min, max, help)                                          \
    {                                                                                              \
        ARO_PARAM_COUNT, name, required, positional, min, max, help                                \
    }

/* clang-format off */
const struct aro_command aro_commands[] = {
    {"status", ARO_ROLE_READ, false, false,
     "What runs: version, uptime, cache, store, ports, memory pools", {{0}}},
    {"stats", ARO_ROLE_READ, false, false,
     "Every counter, and whether requests and answers balance", {{0}}},
    {"cache", ARO_ROLE_READ, false, false,
     "How the cache does: hits by tier, queues, sizes, the chunks asked for most",
     {TEXT("part", false, true, 15, "only this: tiers, queues, sizes or top"),
      COUNT("limit", false, false, 1, ARO_TOP_CHUNKS_MAX, "list at most so many top chunks (default 10)")}},
    {"ports", ARO_ROLE_READ, false, false,
     "Ports: device, driver, link, zero copy and checksums with their reasons", {{0}}},
    {"disks", ARO_ROLE_READ, false, false,
     "Disks: state and why, how they are read, space, reads, errors", {{0}}},
    {"disks_out", ARO_ROLE_OPERATE, false, false,
     "Take a disk out: as if it were not there, until it is brought in",
     {TEXT("store", true, true, 31, "the disk's name, the title of its store block")}},
    {"disks_in", ARO_ROLE_OPERATE, false, false,
     "Bring a disk in again that was taken out, by an operator or because it failed",
     {TEXT("store", true, true, 31, "the disk's name, the title of its store block")}},
    {"lcores", ARO_ROLE_READ, false, false,
     "Packet-path threads: what they hold now and how busy they are", {{0}}},
    {"put", ARO_ROLE_OPERATE, true, false,
     "Take content in; the answer comes when it is durable",
     {{ARO_PARAM_SOURCE, "path", false, true, 1, 4095,
       "file to take in, - for standard input (over the socket: a path, or a descriptor)"},
      {ARO_PARAM_BYTES, "chunk_bytes", false, false, 4096, ARO_CHUNK_BYTES_MAX,
       "chunk size, a multiple of 4 KiB (default 64KiB)"},
      {ARO_PARAM_TEXT, "label", false, false, 0, 127, "what to call it in ls (default: the file's name)"}}},
    {"ls", ARO_ROLE_READ, false, false,
     "Objects, oldest first",
     {COUNT("after", false, false, 0, UINT32_MAX, "skip so many objects"),
      COUNT("limit", false, false, 1, ARO_LS_MAX, "list at most so many")}},
    {"stat", ARO_ROLE_READ, true, false,
     "What is known about an object or a chunk, and where its chunks are",
     {OBJECT_ID(true, "object, chunk, or sha256:<digest of whole content>")}},
    {"evict", ARO_ROLE_OPERATE, true, false,
     "Remove an object and the chunks that no other object uses, from memory and disk",
     {OBJECT_ID(true, "object, chunk, or sha256:<digest of whole content>"),
      FLAG("force", "remove a chunk even if an object uses it")}},
    {"pin", ARO_ROLE_OPERATE, true, false,
     "Bring an object or chunk into memory and keep it there, until unpin or a restart",
     {OBJECT_ID(true, "object, chunk, or sha256:<digest of whole content>")}},
    {"unpin", ARO_ROLE_OPERATE, true, false,
     "Let the eviction policy have a pinned object or chunk again",
     {OBJECT_ID(true, "object, chunk, or sha256:<digest of whole content>")}},
    {"flush", ARO_ROLE_OPERATE, false, false,
     "Empty the memory tier; the disk keeps everything",
     {FLAG("force", "even without a store, when everything is lost")}},
    {"verify", ARO_ROLE_OPERATE, true, false,
     "Read objects back and check every digest",
     {OBJECT_ID(false, "only this object (default: all)")}},
    {"store_stat", ARO_ROLE_READ, false, false,
     "The stores: space, segments, chunks, records, what the last start found", {{0}}},
    {"store_check", ARO_ROLE_OPERATE, true, false,
     "Check the structure of the stores: files, tables and index against each other",
     {TEXT("store", false, true, 31, "only this one (default: all)")}},
    {"store_scrub", ARO_ROLE_OPERATE, true, false,
     "The same, and read every stored chunk back with its checksum",
     {TEXT("store", false, true, 31, "only this one (default: all)"),
      {ARO_PARAM_BYTES, "bytes_per_s", false, false, 1 << 20, UINT64_C(1) << 40,
       "read at most so much per second (default 256MiB)"}}},
    {"pull", ARO_ROLE_OPERATE, true, false,
     "Fetch a URL of a configured origin, even if its name is still fresh",
     {TEXT("url", true, true, 1535, "for example http://10.0.0.5:8080/film.mp4"),
      TEXT("name", false, false, 1023, "name it gets (default: by the origin's prefix)"),
      {ARO_PARAM_BYTES, "chunk_bytes", false, false, 4096, ARO_CHUNK_BYTES_MAX,
       "chunk size, a multiple of 4 KiB (default 64KiB)"}}},
    {"resolve", ARO_ROLE_READ, false, false,
     "The object behind a name; what is not here is fetched from its origin",
     {TEXT("name", true, true, 1023, "for example cdn.example/film.mp4"),
      COUNT("wait_ms", false, false, 0, ARO_HELD_MS_MAX, "wait at most so long (default 10000)")}},
    {"chunks", ARO_ROLE_READ, false, false,
     "Chunks of a pull that can be fetched already, in order",
     {COUNT("pull", true, true, 1, UINT32_MAX, "number of the pull, from resolve"),
      COUNT("after", false, false, 0, UINT32_MAX, "skip so many chunks (default 0)"),
      COUNT("wait_ms", false, false, 0, ARO_HELD_MS_MAX, "wait so long for more (default 0)")}},
    {"names", ARO_ROLE_READ, false, false,
     "The table of names, in alphabetical order",
     {TEXT("prefix", false, true, 1023, "only names that begin so"),
      TEXT("after", false, false, 1023, "only names behind this one"),
      COUNT("limit", false, false, 1, ARO_NAMES_MAX, "list at most so many")}},
    {"purge", ARO_ROLE_OPERATE, false, false,
     "Forget names, so that their origin is asked again; their objects stay (see evict)",
     {TEXT("name", false, true, 1023, "this name"),
      TEXT("prefix", false, false, 1023, "every name that begins so"),
      TEXT("url", false, false, 1535, "every name of this URL")}},
    {"name", ARO_ROLE_OPERATE, false, false,
     "Give a name to an object that is here; it never expires",
     {TEXT("name", true, true, 1023, "for example cdn.example/film.mp4"),
      OBJECT_ID(true, "object, or sha256:<digest of whole content>"),
      TEXT("type", false, false, 127, "its content type, for example video/mp4")}},
    {"config", ARO_ROLE_READ, false, false,
     "The effective configuration", {{0}}},
    {"job", ARO_ROLE_READ, false, false,
     "Long commands under way",
     {COUNT("job", false, true, 1, UINT32_MAX, "only this one")}},
    {"cancel", ARO_ROLE_OPERATE, false, false,
     "Cancel a long command and undo what it did",
     {COUNT("job", true, true, 1, UINT32_MAX, "number of the job")}},
    {"explain", ARO_ROLE_READ, false, true,
     "What an error id means and what to do",
     {{ARO_PARAM_ERROR, "error", true, true, 1, 15, "for example ARO-2003"}}},
    {"version", ARO_ROLE_READ, false, false,
     "Version of the daemon and of this interface", {{0}}},
    {"schema", ARO_ROLE_READ, false, false,
     "This table, for programs", {{0}}},
    {"stop", ARO_ROLE_OPERATE, false, false,
     "Stop the daemon cleanly", {{0}}},
};
/* clang-format on */

const size_t aro_commands_count = sizeof(aro_commands) / sizeof(aro_commands[0]);

const struct aro_command *aro_command_find_words(const char *first, const char *second,
                                                 unsigned *ret_words)
{
    char name[32];

    *ret_words = 2;
    if (second != NULL &&
        snprintf(name, sizeof(name), "%s_%s", first, second) < (int)sizeof(name) &&
        aro_command_find(name) != NULL)
        return aro_command_find(name);
    *ret_words = 1;
    return aro_command_find(first);
}

const struct aro_command *aro_command_find(const char *name)
{
    for (size_t i = 0; i < aro_commands_count; i++)
        if (strcmp(aro_commands[i].name, name) == 0)
            return &aro_commands[i];
    return NULL;
}

const char *aro_command_suggest(const char *name)
{
    struct aro_suggestion best = {0};

    for (size_t i = 0; i < aro_commands_count; i++)
        aro_suggest(&best, name, aro_commands[i].name);
    return best.word;
}

const struct aro_param *aro_param_find(const struct aro_command *command, const char *name)
{
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        if (strcmp(param->name, name) == 0)
            return param;
    return NULL;
}

const char *aro_param_json_type(enum aro_param_type type)
{
    switch (type) {
    case ARO_PARAM_COUNT:
    case ARO_PARAM_BYTES:
        return "integer";
    case ARO_PARAM_FLAG:
        return "boolean";
    default:
        return "string";
    }
}
