/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/control/arrival.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "control/loop.h"

enum { CHUNK = 64 << 10 };

struct arrival arrival_begin(struct fixture *fixture, int file)
{
    struct arrival arrival = {.fixture = fixture, .file = file};
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    arrival.pipe = ends[1];
    arrival.put = fixture_put_start(fixture, ends[0]);
    close(ends[0]);
    return arrival;
}

void arrive(struct arrival *arrival, off_t until_bytes)
{
    static uint8_t piece[4096];
    uint8_t chunk[CHUNK];
    struct aro_id last;

    cr_assert_eq(pread(arrival->file, chunk, CHUNK, (until_bytes / CHUNK - 1) * CHUNK), CHUNK);
    last = aro_sha256(chunk, CHUNK);
    while (arrival->sent_bytes < until_bytes ||
           !aro_content_in_memory(arrival->fixture->content, &last)) {
        ssize_t got = pread(arrival->file, piece, sizeof(piece), arrival->sent_bytes);
        if (arrival->sent_bytes < until_bytes && write(arrival->pipe, piece, (size_t)got) == got)
            arrival->sent_bytes += got;
        cr_assert_geq(aro_put_turn(arrival->put, aro_now_ns()), 0, "not over before the end");
        fixture_turn(arrival->fixture);
    }
}

int arrival_end(struct arrival *arrival, struct aro_put_result *ret, struct aro_error *error)
{
    static uint8_t rest[CHUNK];
    ssize_t got = pread(arrival->file, rest, sizeof(rest), arrival->sent_bytes);

    cr_assert_eq(pread(arrival->file, rest, 1, arrival->sent_bytes + got), 0, "there is more");
    while (write(arrival->pipe, rest, (size_t)got) != got) {
        cr_assert_geq(aro_put_turn(arrival->put, aro_now_ns()), 0);
        fixture_turn(arrival->fixture);
    }
    close(arrival->pipe);
    return fixture_put_end(arrival->fixture, arrival->put, ret, error);
}
