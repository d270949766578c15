/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/request.h"

#include <criterion/criterion.h>

#include <stdlib.h>

Test(request, an_echo_finds_its_request_until_the_place_is_used_again)
{
    struct aro_requests *requests = malloc(sizeof(*requests));

    aro_requests_init(requests);
    struct aro_request *request = aro_requests_open(requests, 0xabcdef0123456789u, 5);
    uint64_t echo = request->echo;
    cr_assert_eq(aro_requests_find(requests, echo), request);
    cr_assert_null(aro_requests_find(requests, echo + ARO_REQUESTS_MAX));
    cr_assert_null(aro_requests_find(requests, echo + 1));
    cr_assert_null(aro_requests_find(requests, 0));
    aro_requests_close(requests, request);
    aro_requests_close(requests, request); /* twice is once */
    cr_assert_eq(requests->live, 0);
    cr_assert_eq(aro_requests_find(requests, echo), request);
    for (uint64_t i = 0; i < ARO_REQUESTS_MAX; i++)
        cr_assert_not_null(aro_requests_open(requests, i << 20, 6));
    cr_assert_null(aro_requests_find(requests, echo));
    free(requests);
}

Test(request, a_full_table_opens_no_more_and_skips_live_places)
{
    struct aro_requests *requests = malloc(sizeof(*requests));
    struct aro_request *some = NULL;

    aro_requests_init(requests);
    for (uint64_t i = 0; i < ARO_REQUESTS_MAX; i++) {
        struct aro_request *request = aro_requests_open(requests, i << 32, i);
        some = i == 500 ? request : some;
    }
    cr_assert_null(aro_requests_open(requests, 1, 1));
    aro_requests_close(requests, some);
    cr_assert_eq(aro_requests_open(requests, 1, 1), some);
    free(requests);
}

Test(request, the_list_runs_from_the_least_to_the_most_recently_active)
{
    struct aro_requests *requests = malloc(sizeof(*requests));
    struct aro_request *opened[4];

    aro_requests_init(requests);
    cr_assert_null(aro_requests_oldest(requests));
    for (uint64_t i = 0; i < 4; i++)
        opened[i] = aro_requests_open(requests, i << 32, i);
    aro_requests_touch(requests, opened[0], 10);
    aro_requests_touch(requests, opened[2], 11);
    aro_requests_touch(requests, opened[2], 12);
    const int order[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(aro_requests_oldest(requests), opened[order[i]]);
        aro_requests_close(requests, opened[order[i]]);
    }
    cr_assert_null(aro_requests_oldest(requests));
    cr_assert_eq(opened[2]->active_us, 12);
    free(requests);
}

Test(request, no_echo_is_ever_zero)
{
    struct aro_requests *requests = malloc(sizeof(*requests));

    aro_requests_init(requests);
    for (int i = 0; i < 3; i++) {
        struct aro_request *request = aro_requests_open(requests, 0, 0);
        cr_assert_neq(request->echo, 0);
        cr_assert_eq(aro_requests_find(requests, request->echo), request);
    }
    free(requests);
}
