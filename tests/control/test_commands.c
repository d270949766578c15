/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/commands.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(commands, every_command_and_parameter_has_a_name_and_help)
{
    for (size_t i = 0; i < aro_commands_count; i++) {
        const struct aro_command *command = &aro_commands[i];
        bool optional_seen = false;
        cr_assert_gt(strlen(command->help), 5u, "%s", command->name);
        cr_assert_eq(aro_command_find(command->name), command, "%s is unique", command->name);
        for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE;
             param++) {
            cr_assert_gt(strlen(param->help), 5u, "%s", param->name);
            cr_assert_leq(param->min, param->max, "%s", param->name);
            cr_assert_eq(aro_param_find(command, param->name), param);
            cr_assert_not(param->required && optional_seen, "%s: required ones first", param->name);
            optional_seen |= !param->required;
        }
    }
}

Test(commands, whatever_changes_something_needs_an_operator)
{
    static const char *const changing[] = {
        "put",  "evict", "flush", "verify",      "cancel",      "stop",      "pull",    "purge",
        "name", "pin",   "unpin", "store_check", "store_scrub", "disks_out", "disks_in"};
    size_t found = 0;

    for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
        cr_assert_eq(aro_command_find(changing[i])->role, ARO_ROLE_OPERATE, "%s", changing[i]);
    for (size_t i = 0; i < aro_commands_count; i++)
        found += aro_commands[i].role == ARO_ROLE_OPERATE;
    cr_assert_eq(found, sizeof(changing) / sizeof(changing[0]));
}

Test(commands, a_slip_is_answered_with_the_nearest_command)
{
    cr_assert_str_eq(aro_command_suggest("stast"), "stats");
    cr_assert_str_eq(aro_command_suggest("verfy"), "verify");
    cr_assert_null(aro_command_suggest("frobnicate"));
    cr_assert_null(aro_command_find("frobnicate"));
}
