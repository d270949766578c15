/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/status.h"

unsigned aro_http_status(enum aro_error_id id)
{
    switch (id) {
    case ARO_E_HTTP_MALFORMED:
    case ARO_E_HTTP_TARGET:
    case ARO_E_HTTP_HOST:
    case ARO_E_HTTP_BODY:
    case ARO_E_HTTP_CID:
    case ARO_E_NAME_INVALID:
        return 400;
    case ARO_E_DENIED:
        return 403;
    case ARO_E_HTTP_NOTHING:
    case ARO_E_GATE_NAMES_OFF:
    case ARO_E_NOT_FOUND:
    case ARO_E_INCOMPLETE:
    case ARO_E_MANIFEST_INVALID: /* the id of a chunk that is no manifest, asked for as an object */
    case ARO_E_NOT_HERE:
    case ARO_E_NAME_UNKNOWN:
    case ARO_E_ORIGIN_ABSENT:
    case ARO_E_ORIGIN_OUTSIDE:
        return 404;
    case ARO_E_HTTP_METHOD:
        return 405;
    case ARO_E_HTTP_PRECONDITION:
        return 412;
    case ARO_E_HTTP_TARGET_LONG:
        return 414;
    case ARO_E_HTTP_RANGE:
        return 416;
    case ARO_E_GATE_NAMES_FULL:
    case ARO_E_GATE_FULL:
    case ARO_E_GATE_MEMORY:
    case ARO_E_GATE_STOPPING:
    case ARO_E_CLIENT_MEMORY:
    case ARO_E_JOBS_FULL:
    case ARO_E_ORIGIN_BUSY:
    case ARO_E_CLIENTS_FULL:
    case ARO_E_STOPPING:
        return 503;
    case ARO_E_NO_ANSWER:
    case ARO_E_STALLED:
    case ARO_E_GATE_NAME_TIMEOUT:
    case ARO_E_DAEMON_UNREACHABLE:
    case ARO_E_DAEMON_TIMEOUT:
    case ARO_E_ORIGIN_DOWN:
    case ARO_E_NAME_WAIT:
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
