/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/help.h"

#include <string.h>

static void usage(const struct aro_command *command, char *text, size_t text_bytes)
{
    size_t used = (size_t)snprintf(text, text_bytes, "%s", command->name);

    for (char *at = text; *at != '\0'; at++) /* two words for people */
        *at = *at == '_' ? ' ' : *at;

    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++) {
        const char *name = param->type == ARO_PARAM_SOURCE ? "FILE" : param->name;
        bool bare = param->type == ARO_PARAM_SOURCE || param->required;
        if (used >= text_bytes)
            return;
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s%s%s%s", bare ? " " : " [",
                                 param->positional ? "" : "--", name,
                                 param->positional || param->type == ARO_PARAM_FLAG ? "" : " VALUE",
                                 bare ? "" : "]");
    }
}

void aro_help_print(FILE *out)
{
    char text[128];

    fputs("aroctl " ARO_VERSION " - watches and drives arocached\n"
          "\n"
          "usage: aroctl [OPTION...] COMMAND [ARGUMENT...]\n"
          "\n"
          "  -s, --socket PATH  control socket (AROCACHE_SOCKET; /run/arocache/control.sock)\n"
          "  -j, --json         stable JSON, one object per line for lists (AROCACHE_JSON=1)\n"
          "  -q, --quiet        ids only, no progress (AROCACHE_QUIET=1)\n"
          "      --timeout S    longest silence of the daemon, 0: for ever (AROCACHE_TIMEOUT; 30)\n"
          "      --watch[=S]    repeat a command that looks every S seconds (1); stats, cache: "
          "rates\n"
          "  -h, --help         this text, or that of a command\n"
          "  -V, --version      print the version of aroctl\n"
          "\n"
          "commands:\n",
          out);
    for (size_t i = 0; i < aro_commands_count; i++) {
        usage(&aro_commands[i], text, sizeof(text));
        fprintf(out, "  %s\n        %s\n", text, aro_commands[i].help);
    }
    fputs("  doctor [-c FILE]\n        Has this machine what the configuration asks for? Without a "
          "daemon\n",
          out);
    fputs("  completion\n        Completion for bash: source <(aroctl completion)\n"
          "\n"
          "exit codes: 0 ok, 1 negative answer, 2 usage, 3 no daemon, 4 refused, 5 timeout,\n"
          "6 integrity failure, 7 partial\n",
          out);
}

void aro_help_command_print(const struct aro_command *command, FILE *out)
{
    char text[128];

    usage(command, text, sizeof(text));
    fprintf(out, "aroctl %s\n  %s\n", text, command->help);
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        fprintf(out, "  %s%s  %s\n", param->positional ? "" : "--",
                param->type == ARO_PARAM_SOURCE ? "FILE" : param->name, param->help);
    if (command->role == ARO_ROLE_OPERATE)
        fputs("  for root and the daemon's user only\n", out);
}

void aro_completion_print(FILE *out)
{
    fputs("_aroctl() {\n"
          "    local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"\" i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case \"${COMP_WORDS[i]}\" in\n"
          "        -s | --socket | --timeout) ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) command=\"${COMP_WORDS[i]}\"; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case \"$command\" in\n"
          "    '') COMPREPLY=($(compgen -W \"--socket --json --quiet --timeout --watch --help "
          "--version completion doctor store",
          out);
    for (size_t i = 0; i < aro_commands_count; i++)
        if (strchr(aro_commands[i].name, '_') == NULL)
            fprintf(out, " %s", aro_commands[i].name);
    fputs("\" -- \"$word\")) ;;\n", out);
    for (size_t i = 0; i < aro_commands_count; i++) {
        const struct aro_command *command = &aro_commands[i];
        bool file = false;
        if (strchr(command->name, '_') != NULL)
            continue;
        fprintf(out, "    %s) COMPREPLY=($(compgen -W \"", command->name);
        for (const struct aro_param *at = command->params; at->type != ARO_PARAM_NONE; at++) {
            file |= at->type == ARO_PARAM_SOURCE;
            if (!at->positional)
                fprintf(out, "--%s ", at->name);
        }
        fprintf(out, "\" %s-- \"$word\")) ;;\n", file ? "-f " : "");
    }
    fputs(
        "    store) COMPREPLY=($(compgen -W \"stat check scrub --bytes-per-s\" -- \"$word\")) ;;\n",
        out);
    fputs("    doctor) COMPREPLY=($(compgen -f -W \"--config --json --quiet --help\" -- "
          "\"$word\")) ;;\n",
          out);
    fputs("    esac\n}\ncomplete -F _aroctl aroctl\n", out);
}
