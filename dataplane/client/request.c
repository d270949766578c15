/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/request.h"

#include <string.h>

void aro_requests_init(struct aro_requests *requests)
{
    memset(requests, 0, sizeof(*requests));
    requests->oldest = ARO_REQUEST_NONE;
    requests->newest = ARO_REQUEST_NONE;
}

static void list_append(struct aro_requests *requests, uint16_t place)
{
    struct aro_request *request = &requests->entries[place];

    request->before = requests->newest;
    request->after = ARO_REQUEST_NONE;
    if (requests->newest == ARO_REQUEST_NONE)
        requests->oldest = place;
    else
        requests->entries[requests->newest].after = place;
    requests->newest = place;
}

static void list_remove(struct aro_requests *requests, const struct aro_request *request)
{
    if (request->before == ARO_REQUEST_NONE)
        requests->oldest = request->after;
    else
        requests->entries[request->before].after = request->after;
    if (request->after == ARO_REQUEST_NONE)
        requests->newest = request->before;
    else
        requests->entries[request->after].before = request->before;
}

struct aro_request *aro_requests_open(struct aro_requests *requests, uint64_t random,
                                      uint64_t now_us)
{
    if (requests->live == ARO_REQUESTS_MAX)
        return NULL;
    while (requests->entries[requests->cursor].live)
        requests->cursor = (requests->cursor + 1) % ARO_REQUESTS_MAX;
    uint16_t place = requests->cursor;
    requests->cursor = (place + 1) % ARO_REQUESTS_MAX;
    struct aro_request *request = &requests->entries[place];
    *request = (struct aro_request){.sent_us = now_us, .active_us = now_us, .live = true};
    request->echo = (random & ~(uint64_t)(ARO_REQUESTS_MAX - 1)) | place;
    if (request->echo == 0)
        request->echo = ARO_REQUESTS_MAX; /* place 0 and all random bits zero */
    list_append(requests, place);
    requests->live++;
    return request;
}

void aro_requests_close(struct aro_requests *requests, struct aro_request *request)
{
    if (!request->live)
        return;
    list_remove(requests, request);
    request->live = false;
    requests->live--;
}

void aro_requests_touch(struct aro_requests *requests, struct aro_request *request, uint64_t now_us)
{
    uint16_t place = (uint16_t)(request - requests->entries);

    request->active_us = now_us;
    if (requests->newest == place)
        return;
    list_remove(requests, request);
    list_append(requests, place);
}
