/* SPDX-License-Identifier: BSD-3-Clause */
/* Content that comes by a pipe: how much of it has come is the test's to say. */
#ifndef ARO_TESTS_CONTROL_ARRIVAL_H
#define ARO_TESTS_CONTROL_ARRIVAL_H

#include "tests/control/fixture.h"

struct arrival {
    struct fixture *fixture;
    int file, pipe;
    struct aro_put *put; /* in chunks of 64 KiB */
    off_t sent_bytes;
};

struct arrival arrival_begin(struct fixture *fixture, int file);
/* Sends up to there, a chunk at least, and turns until every whole chunk of it is in memory. */
void arrive(struct arrival *arrival, off_t until_bytes);
/* Sends the rest, at most 64 KiB, and ends the put: 0, or -1 and *error. */
int arrival_end(struct arrival *arrival, struct aro_put_result *ret, struct aro_error *error);

#endif
