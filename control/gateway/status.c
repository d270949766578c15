/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/status.h"

/* Names come from the nodes with the 8xxx ids of whoever resolves them (docs/control-api.md). */
enum {
    NAME_UNKNOWN = 8001,
    NAME_ORIGIN_HAS_NOT = 8002,
    NAME_ORIGIN_UNREACHABLE = 8003,
    NAME_ORIGIN_WRONG = 8004,
    NAME_BUSY = 8005,
};

unsigned aro_http_status(enum aro_error_id id)
{
    switch ((int)id) {
    case ARO_E_HTTP_MALFORMED:
    case ARO_E_HTTP_TARGET:
    case ARO_E_HTTP_HOST:
    case ARO_E_HTTP_BODY:
    case ARO_E_HTTP_CID:
        return 400;
    case ARO_E_DENIED:
        return 403;
    case ARO_E_HTTP_NOTHING:
    case ARO_E_NAMES_OFF:
    case ARO_E_NOT_FOUND:
    case ARO_E_MANIFEST_INVALID: /* the id of a chunk that is no manifest, asked for as an object */
    case ARO_E_NOT_HERE:
    case NAME_UNKNOWN:
    case NAME_ORIGIN_HAS_NOT:
        return 404;
    case ARO_E_HTTP_METHOD:
        return 405;
    case ARO_E_HTTP_PRECONDITION:
        return 412;
    case ARO_E_HTTP_TARGET_LONG:
        return 414;
    case ARO_E_HTTP_RANGE:
        return 416;
    case ARO_E_NAMES_FULL:
    case ARO_E_GATE_FULL:
    case ARO_E_GATE_MEMORY:
    case ARO_E_GATE_STOPPING:
    case ARO_E_CLIENT_MEMORY:
    case ARO_E_JOBS_FULL:
    case NAME_BUSY:
        return 503;
    case ARO_E_NO_ANSWER:
    case ARO_E_STALLED:
    case ARO_E_NAME_TIMEOUT:
    case ARO_E_DAEMON_UNREACHABLE:
    case ARO_E_DAEMON_TIMEOUT:
    case NAME_ORIGIN_UNREACHABLE:
        return 504;
    default:
        return 502;
    }
}

const char *aro_registry_code(unsigned status)
{
    switch (status) {
    case 404:
        return "BLOB_UNKNOWN";
    case 400:
        return "DIGEST_INVALID";
    case 403:
        return "DENIED";
    case 405:
    case 416:
        return "UNSUPPORTED";
    case 503:
        return "TOOMANYREQUESTS";
    default:
        return "UNKNOWN";
    }
}
