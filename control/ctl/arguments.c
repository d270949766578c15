/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/arguments.h"

#include <string.h>

#include "cache/base/id.h"
#include "control/api/suggest.h"
#include "control/api/units.h"

/* --chunk-bytes for chunk_bytes; length: of the word without a value behind '='. */
static bool same_name(const char *word, size_t length, const char *name)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (word[i] != name[i] && !(word[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

static const struct aro_param *option_find(const struct aro_command *command, const char *word,
                                           size_t length)
{
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        if (!param->positional && same_name(word, length, param->name))
            return param;
    return NULL;
}

static const struct aro_param *positional_at(const struct aro_command *command, unsigned i)
{
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        if (param->positional && i-- == 0)
            return param;
    return NULL;
}

static int set_number(const struct aro_param *param, const char *text, json_t *params,
                      struct aro_error *error)
{
    uint64_t value;
    int result = aro_count_parse(text, &value);

    if (result != 0 && param->type == ARO_PARAM_BYTES)
        result = aro_bytes_parse(text, &value);
    if (result != 0 || value < param->min || value > param->max)
        return aro_error_set(error, ARO_E_USAGE, "%s: '%s' is not a number in %llu..%llu",
                             param->name, text, (unsigned long long)param->min,
                             (unsigned long long)param->max);
    json_object_set_new(params, param->name, json_integer((json_int_t)value));
    return 0;
}

static int set(const struct aro_param *param, const char *text, struct aro_arguments *to,
               struct aro_error *error)
{
    struct aro_id id;
    enum aro_kind kind;
    json_t *string;

    switch (param->type) {
    case ARO_PARAM_COUNT:
    case ARO_PARAM_BYTES:
        return set_number(param, text, to->params, error);
    case ARO_PARAM_FLAG:
        json_object_set_new(to->params, param->name, json_true());
        return 0;
    case ARO_PARAM_SOURCE:
        to->source = text;
        return 0;
    case ARO_PARAM_ID:
        if (aro_id_parse(text, &id, &kind) != 0)
            return aro_error_set(error, ARO_E_ID_INVALID, "'%s' is not an id", text);
        break;
    default:
        break;
    }
    string = json_string(text);
    if (string == NULL)
        return aro_error_set(error, ARO_E_USAGE, "%s: not UTF-8", param->name);
    json_object_set_new(to->params, param->name, string);
    return 0;
}

static int unknown_option(const struct aro_command *command, const char *word,
                          struct aro_error *error)
{
    struct aro_suggestion best = {0};

    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        if (!param->positional)
            aro_suggest(&best, word + 2, param->name);
    return aro_error_set(error, ARO_E_USAGE, "%s has no option %s%s%s%s", command->name, word,
                         best.word != NULL ? "; did you mean --" : "",
                         best.word != NULL ? best.word : "", best.word != NULL ? "?" : "");
}

/* Word i is an option; returns how many words it took, or -1. */
static int read_option(const struct aro_command *command, int left, char *const words[],
                       struct aro_arguments *to, struct aro_error *error)
{
    const char *name = words[0] + 2, *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct aro_param *param = option_find(command, name, length);

    if (param == NULL)
        return unknown_option(command, words[0], error);
    if (param->type == ARO_PARAM_FLAG) {
        if (equals != NULL)
            return aro_error_set(error, ARO_E_USAGE, "--%s takes no value", param->name);
        return set(param, "", to, error) == 0 ? 1 : -1;
    }
    if (equals != NULL)
        return set(param, equals + 1, to, error) == 0 ? 1 : -1;
    if (left < 2)
        return aro_error_set(error, ARO_E_USAGE, "--%s needs a value", param->name);
    return set(param, words[1], to, error) == 0 ? 2 : -1;
}

static int read_words(const struct aro_command *command, int count, char *const words[],
                      struct aro_arguments *to, struct aro_error *error)
{
    unsigned positionals = 0;
    bool options = true;

    for (int i = 0, took = 1; i < count; i += took, took = 1) {
        const struct aro_param *param;
        if (options && strcmp(words[i], "--") == 0) {
            options = false;
            continue;
        }
        if (options && strncmp(words[i], "--", 2) == 0) {
            took = read_option(command, count - i, words + i, to, error);
            if (took < 0)
                return -1;
            continue;
        }
        param = positional_at(command, positionals++);
        if (param == NULL)
            return aro_error_set(error, ARO_E_USAGE, "%s does not take '%s'", command->name,
                                 words[i]);
        if (set(param, words[i], to, error) != 0)
            return -1;
    }
    return 0;
}

int aro_arguments_style(int count, char *words[], bool *json, bool *quiet)
{
    bool ours = true;
    int left = 0;

    for (int i = 0; i < count; i++) {
        ours = ours && strcmp(words[i], "--") != 0;
        if (ours && (strcmp(words[i], "-j") == 0 || strcmp(words[i], "--json") == 0))
            *json = true;
        else if (ours && (strcmp(words[i], "-q") == 0 || strcmp(words[i], "--quiet") == 0))
            *quiet = true;
        else
            words[left++] = words[i];
    }
    return left;
}

static int check_required(const struct aro_command *command, const struct aro_arguments *from,
                          struct aro_error *error)
{
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++) {
        bool source = param->type == ARO_PARAM_SOURCE;
        if ((source && from->source == NULL) ||
            (param->required && json_object_get(from->params, param->name) == NULL))
            return aro_error_set(error, ARO_E_USAGE, "%s needs %s: %s", command->name, param->name,
                                 param->help);
    }
    return 0;
}

int aro_arguments_read(const struct aro_command *command, int count, char *const words[],
                       struct aro_arguments *ret, struct aro_error *error)
{
    *ret = (struct aro_arguments){.params = json_object()};
    if (read_words(command, count, words, ret, error) == 0 &&
        check_required(command, ret, error) == 0)
        return 0;
    json_decref(ret->params);
    ret->params = NULL;
    return -1;
}
