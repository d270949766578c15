/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/status.h"

#include <criterion/criterion.h>

#include <string.h>

Test(status, every_error_of_the_catalogue_is_one_of_client_or_server)
{
    for (size_t i = 0; aro_error_at(i) != NULL; i++) {
        unsigned status = aro_http_status(aro_error_at(i)->id);
        cr_assert(status >= 400 && status < 600, "%s", aro_error_at(i)->name);
        cr_assert_gt(strlen(aro_registry_code(status)), 3u);
    }
}

Test(status, what_clients_act_on_is_told_apart)
{
    cr_assert_eq(aro_http_status(ARO_E_NOT_FOUND), 404u);
    cr_assert_eq(aro_http_status(ARO_E_HTTP_CID), 400u);
    cr_assert_eq(aro_http_status(ARO_E_GATE_FULL), 503u);
    cr_assert_eq(aro_http_status(ARO_E_NO_ANSWER), 504u);
    cr_assert_eq(aro_http_status(ARO_E_SOURCE_LIES), 502u);
    cr_assert_eq(aro_http_status(ARO_E_ORIGIN_ABSENT), 404u);
    cr_assert_eq(aro_http_status(ARO_E_ORIGIN_DOWN), 504u);
    cr_assert_str_eq(aro_registry_code(404), "BLOB_UNKNOWN");
}
