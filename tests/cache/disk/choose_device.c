/* SPDX-License-Identifier: BSD-3-Clause */
/* Linked to a test: the same, on a device instead of in a directory. */
#include "tests/cache/disk/fixture.h"

__attribute__((constructor)) static void choose(void)
{
    fixture_on_device = true;
}
