/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeds that nobody outside can know: of tables whose keys strangers choose. */
#ifndef ARO_CONTROL_SECRET_H
#define ARO_CONTROL_SECRET_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

static inline uint64_t secret(void)
{
    uint64_t value;

    if (getrandom(&value, sizeof(value), 0) != sizeof(value))
        abort(); /* cannot happen once the kernel is up: at most 256 bytes are never short */
    return value;
}

#endif
