/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of the configuration as commands: sed, told the line that the parser found, so that
 * neither comments nor other blocks can be hit.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/doctor/checks.h"
#include "control/settings.h"

/* What sed takes for a value: quoted, or bare up to white space or a brace. */
#define VALUE "(\"[^\"]*\"|[^\" \\t}]+)"

static const struct aro_settings_block *block_find(const struct aro_settings *settings,
                                                   const char *block, const char *title)
{
    for (unsigned i = 0; settings != NULL && i < settings->count; i++)
        if (strcmp(settings->blocks[i].name, block) == 0 &&
            strcmp(settings->blocks[i].title, title) == 0)
            return &settings->blocks[i];
    return NULL;
}

static unsigned line_of(const struct aro_settings_block *block, const char *key)
{
    for (unsigned i = 0; i < block->count; i++)
        if (strcmp(block->settings[i].key, key) == 0)
            return block->settings[i].line;
    return 0;
}

/* What stands for the value behind sed's "s~...~". False: it cannot be put between quotes. */
static bool escape(const char *value, char text[ARO_CONFIG_PATH_BYTES * 2])
{
    size_t used = 0;

    for (; *value != '\0' && used < ARO_CONFIG_PATH_BYTES * 2 - 2; value++) {
        if (*value == '\'' || *value == '"')
            return false;
        if (*value == '\\' || *value == '&' || *value == '~')
            text[used++] = '\\';
        text[used++] = *value;
    }
    text[used] = '\0';
    return true;
}

/* One command behind what the finding has. */
__attribute__((format(printf, 2, 3))) static void append(struct aro_finding *finding,
                                                         const char *format, ...)
{
    size_t used = strlen(finding->mend);
    va_list args;

    if (used > 0)
        used += (size_t)snprintf(finding->mend + used, ARO_MEND_BYTES - used, " && ");
    va_start(args, format);
    if (used < ARO_MEND_BYTES)
        vsnprintf(finding->mend + used, ARO_MEND_BYTES - used, format, args);
    va_end(args);
}

void aro_finding_set(const struct aro_doctor *doctor, struct aro_finding *finding,
                     const char *block, const char *title, const char *key, const char *value)
{
    const char *path = doctor->config_path;
    char text[ARO_CONFIG_PATH_BYTES * 2];
    struct aro_error error;
    struct aro_settings *settings = aro_config_settings(path, &error);
    const struct aro_settings_block *found = block_find(settings, block, title);
    unsigned line = found != NULL ? line_of(found, key) : 0;

    if (!escape(value, text) || strchr(path, '\'') != NULL)
        append(finding, "editor \"%s\"   # %s { %s = %s }", path, block, key, value);
    else if (line != 0)
        append(finding, "sed -i -E '%us~\\b%s *= *" VALUE "~%s = \"%s\"~' '%s'", line, key, key,
               text, path);
    else if (found != NULL && found->count > 0) /* in front of its first setting */
        append(finding, "sed -i -E '%us~\\b%s *=~%s = \"%s\" &~' '%s'", found->settings[0].line,
               found->settings[0].key, key, text, path);
    else
        append(finding, "echo '%s { %s = \"%s\" }' >> '%s'", block, key, value, path);
    aro_settings_destroy(settings);
}
