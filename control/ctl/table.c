/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct aro_table {
    unsigned columns;
    bool right[ARO_COLUMNS_MAX];
    int width[ARO_COLUMNS_MAX];
    char **cell; /* the titles first */
    size_t cells;
};

static void push(struct aro_table *table, char *text)
{
    size_t column = table->columns > 0 ? table->cells % table->columns : 0;
    char **grown = reallocarray(table->cell, table->cells + 1, sizeof(*grown));

    if (grown == NULL || text == NULL)
        abort(); /* a tool that prints a few rows */
    table->cell = grown;
    table->cell[table->cells++] = text;
    if (table->columns > 0 && (int)strlen(text) > table->width[column])
        table->width[column] = (int)strlen(text);
}

struct aro_table *aro_table_create(const char *titles)
{
    struct aro_table *table = calloc(1, sizeof(*table));
    unsigned columns = 0;

    if (table == NULL)
        abort();
    while (columns < ARO_COLUMNS_MAX) {
        size_t length = strcspn(titles, "|");
        bool right = *titles == '>';
        table->right[columns] = right;
        push(table, strndup(titles + right, length - right));
        table->width[columns] = (int)strlen(table->cell[columns]);
        columns++;
        if (titles[length] == '\0')
            break;
        titles += length + 1;
    }
    table->columns = columns;
    return table;
}

void aro_table_add(struct aro_table *table, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    push(table, text);
}

void aro_table_print(struct aro_table *table, bool bold, FILE *out)
{
    for (size_t i = 0; i < table->cells; i++) {
        unsigned column = (unsigned)(i % table->columns);
        bool last = column == table->columns - 1;
        int width = last && !table->right[column] ? 0 : table->width[column];
        if (i == 0 && bold)
            fputs("\033[1m", out);
        fprintf(out, table->right[column] ? "%*s" : "%-*s", width, table->cell[i]);
        if (last && i == table->columns - 1u && bold)
            fputs("\033[0m", out);
        fputs(last ? "\n" : "  ", out);
        free(table->cell[i]);
    }
    free(table->cell);
    free(table);
}
