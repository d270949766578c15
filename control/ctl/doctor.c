/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/doctor.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "control/doctor/doctor.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char help[] =
    "aroctl doctor [-c FILE] [-j]\n"
    "  Has this machine what the configuration asks for? Needs no daemon and changes nothing.\n"
    "  -c, --config FILE  configuration of arocached (" ARO_DOCTOR_CONFIG ")\n"
    "  -j, --json         one object per finding: check, verdict, evidence, mend\n"
    "  PASS as wanted, WARN works with less, FAIL does not work; 'try' is the command that mends "
    "it.\n"
    "  exit codes: 0 nothing failed, 1 something did, 2 usage\n";

static void print_json(const struct aro_finding *finding)
{
    json_t *json = json_pack("{s:s, s:s, s:s+, s:s+}", "check", finding->check, "verdict",
                             aro_verdict_name(finding->verdict), "evidence", finding->evidence, "",
                             "mend", finding->mend, "");

    if (json == NULL) /* a path that is no UTF-8 */
        json = json_pack("{s:s, s:s, s:s}", "check", finding->check, "verdict",
                         aro_verdict_name(finding->verdict), "evidence", "?");
    json_dumpf(json, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(json);
}

static void print_text(const struct aro_finding *finding, const struct aro_style *style)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[1;31m"};

    if (style->quiet && finding->verdict == ARO_PASS)
        return;
    printf("%s%s%s  %-18s %s\n", style->bold ? colors[finding->verdict] : "",
           aro_verdict_name(finding->verdict), style->bold ? "\033[0m" : "", finding->check,
           finding->evidence);
    if (*finding->mend != '\0')
        printf("      try: %s\n", finding->mend);
}

static int report(const struct aro_doctor *doctor, const struct aro_style *style)
{
    unsigned count[ARO_FAIL + 1] = {0};

    for (unsigned i = 0; i < doctor->findings; i++) {
        count[doctor->finding[i].verdict]++;
        if (style->json)
            print_json(&doctor->finding[i]);
        else
            print_text(&doctor->finding[i], style);
    }
    if (!style->json && !style->quiet)
        printf("%u failed, %u warnings, %u passed\n", count[ARO_FAIL], count[ARO_WARN],
               count[ARO_PASS]);
    return count[ARO_FAIL] > 0 ? EXIT_FAILED : 0;
}

int aro_doctor_command(int argc, char **argv, struct aro_style style)
{
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct aro_doctor *doctor;
    const char *path = ARO_DOCTOR_CONFIG;
    int option, code;

    optind = 0; /* a second scan */
    while ((option = getopt_long(argc, argv, "c:jqh", names, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (option == '?')
            return EXIT_USAGE;
        path = option == 'c' ? optarg : path;
        style.json |= option == 'j';
        style.quiet |= option == 'q';
    }
    if (optind != argc) {
        fprintf(stderr,
                "aroctl: doctor does not take '%s' (ARO-1001)\n  try: aroctl doctor --help\n",
                argv[optind]);
        return EXIT_USAGE;
    }
    doctor = calloc(1, sizeof(*doctor));
    if (doctor == NULL)
        return EXIT_FAILED;
    doctor->root = "";
    doctor->config_path = path;
    aro_doctor_examine(doctor);
    code = report(doctor, &style);
    free(doctor);
    return code;
}
