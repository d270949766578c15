/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/doctor/checks.h"

enum { PATH_BYTES = 512, LINE_BYTES = 512 };

static char *rooted(const struct aro_doctor *doctor, const char *path, char text[PATH_BYTES])
{
    snprintf(text, PATH_BYTES, "%s%s", doctor->root, path);
    return text;
}

bool aro_file_line(const struct aro_doctor *doctor, const char *path, char *text, size_t bytes)
{
    char full[PATH_BYTES];
    FILE *in = fopen(rooted(doctor, path, full), "re");

    text[0] = '\0';
    if (in == NULL)
        return false;
    if (fgets(text, (int)bytes, in) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(in);
    return true;
}

bool aro_file_number(const struct aro_doctor *doctor, const char *path, const char *key,
                     unsigned long long *ret)
{
    char full[PATH_BYTES], line[LINE_BYTES];
    FILE *in = fopen(rooted(doctor, path, full), "re");
    size_t length = strlen(key);
    bool found = false;

    while (in != NULL && !found && fgets(line, sizeof(line), in) != NULL)
        found = strncmp(line, key, length) == 0 && sscanf(line + length, "%llu", ret) == 1;
    if (in != NULL)
        fclose(in);
    return found;
}

bool aro_file_exists(const struct aro_doctor *doctor, const char *path)
{
    char full[PATH_BYTES];

    return access(rooted(doctor, path, full), F_OK) == 0;
}

bool aro_link_name(const struct aro_doctor *doctor, const char *path, char *text, size_t bytes)
{
    char full[PATH_BYTES], target[PATH_BYTES];
    ssize_t length = readlink(rooted(doctor, path, full), target, sizeof(target) - 1);
    const char *slash;

    text[0] = '\0';
    if (length < 0)
        return false;
    target[length] = '\0';
    slash = strrchr(target, '/');
    snprintf(text, bytes, "%s", slash != NULL ? slash + 1 : target);
    return true;
}
