/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over files and folders: the corpus without libFuzzer, in every build. Each
 * input lies in a heap block of exactly its length. Finding no file at all is a failure.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int file_replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    uint8_t *input;

    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        exit(1);
    }
    input = malloc(info.st_size > 0 ? (size_t)info.st_size : 1);
    if (input == NULL || fread(input, 1, (size_t)info.st_size, file) != (size_t)info.st_size) {
        perror(path);
        exit(1);
    }
    LLVMFuzzerTestOneInput(input, (size_t)info.st_size);
    free(input);
    fclose(file);
    return 1;
}

static int folder_replay(const char *path)
{
    char name[4096];
    DIR *folder = opendir(path);
    int files = 0;

    if (folder == NULL)
        return file_replay(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        files += file_replay(name);
    }
    closedir(folder);
    return files;
}

int main(int argc, char **argv)
{
    int files = 0;

    for (int i = 1; i < argc; i++)
        files += folder_replay(argv[i]);
    printf("%d inputs\n", files);
    return files > 0 ? 0 : 1;
}
