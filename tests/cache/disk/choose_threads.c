/* SPDX-License-Identifier: BSD-3-Clause */
/* Linked to a test: the same, with threads instead of io_uring. */
#include "cache/disk/uring.h"

__attribute__((constructor)) static void choose(void)
{
    aro_uring_choose_threads();
}
