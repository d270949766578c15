/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aligned tables for terminals: columns as wide as their widest cell, numbers to the right.
 */
#ifndef ARO_CONTROL_CTL_TABLE_H
#define ARO_CONTROL_CTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

enum { ARO_COLUMNS_MAX = 12 };

struct aro_table;

/* titles: separated by '|'; a title that starts with '>' aligns its column right. */
struct aro_table *aro_table_create(const char *titles);
/* The next cell, row by row. */
void aro_table_add(struct aro_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints (bold: the titles) and frees. */
void aro_table_print(struct aro_table *table, bool bold, FILE *out);

#endif
