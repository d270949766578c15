/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection to a node's control socket that never blocks: many questions at once, each with a
 * deadline, answers as they come. It connects when it is first asked, and again after it broke.
 *
 * One thread, that of the loop. docs/control-api.md is the other half of the contract.
 */
#ifndef ARO_CONTROL_GATEWAY_RPC_LINK_H
#define ARO_CONTROL_GATEWAY_RPC_LINK_H

#include <jansson.h>

#include "cache/base/error.h"
#include "control/loop.h"

struct aro_rpc_link;

enum {
    ARO_RPC_QUESTIONS_MAX = 1024, /* under way on one link: what a node holds for one client */
};

/*
 * result is borrowed; NULL: *error says what the node, or the way to it, had against it (6014,
 * 6030..6033, and whatever nodes answer). Never called inside aro_rpc_ask.
 */
typedef void aro_rpc_answer(void *arg, json_t *result, const struct aro_error *error);

/*
 * name: of the node, in messages, which reach clients of the gateway: never the path. Both
 * borrowed. NULL with errno.
 */
struct aro_rpc_link *aro_rpc_link_create(struct aro_loop *loop, const char *name, const char *path);
/* What is under way is never answered. Takes NULL. */
void aro_rpc_link_destroy(struct aro_rpc_link *link);

/* Takes params over. 0, or -1 with *error and no answer to come. */
int aro_rpc_ask(struct aro_rpc_link *link, const char *method, json_t *params, uint64_t deadline_us,
                aro_rpc_answer *answer, void *arg, struct aro_error *error);
/* Answers those whose deadline passed. Returns when the next one does; UINT64_MAX: none. */
uint64_t aro_rpc_link_timeout(struct aro_rpc_link *link, uint64_t now_us);

#endif
