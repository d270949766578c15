/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fuzz targets share: a check that stays in release builds, and libFuzzer's entry point.
 */
#ifndef ARO_TESTS_FUZZ_FUZZ_H
#define ARO_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

#endif
