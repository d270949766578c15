/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf/fail.h"

enum { FOLDERS_MAX = 8 };

static char folders[FOLDERS_MAX][BENCH_FOLDER_BYTES]; /* an empty path: free */

static void empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0); /* "." and "..": refused */
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

static void remove_all(void)
{
    for (unsigned i = 0; i < FOLDERS_MAX; i++)
        if (folders[i][0] != '\0')
            empty(folders[i]);
}

void bench_folder_make(const char *parent, char ret_path[BENCH_FOLDER_BYTES])
{
    static bool watched;
    unsigned at = 0;

    while (at < FOLDERS_MAX && folders[at][0] != '\0')
        at++;
    if (at == FOLDERS_MAX || strlen(parent) > BENCH_FOLDER_BYTES - 32)
        bench_fail(ARO_E_BENCH_RESOURCES, "no directory in %.300s: the name is too long", parent);
    if (!watched && atexit(remove_all) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
    watched = true;
    snprintf(ret_path, BENCH_FOLDER_BYTES, "%s/arobench-XXXXXX", parent);
    if (mkdtemp(ret_path) == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no directory in %.300s: %s", parent, strerror(errno));
    memcpy(folders[at], ret_path, BENCH_FOLDER_BYTES);
}

void bench_folder_remove(const char *path)
{
    for (unsigned i = 0; i < FOLDERS_MAX; i++)
        if (strcmp(folders[i], path) == 0)
            folders[i][0] = '\0';
    empty(path);
}
