/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/doctor/checks.h"

/* ---- findings ---- */

struct aro_finding *aro_doctor_say(struct aro_doctor *doctor, enum aro_verdict verdict,
                                   const char *check, const char *format, ...)
{
    struct aro_finding *finding;
    va_list args;

    if (doctor->findings < ARO_FINDINGS_MAX)
        doctor->findings++;
    finding = &doctor->finding[doctor->findings - 1];
    *finding = (struct aro_finding){.verdict = verdict};
    snprintf(finding->check, sizeof(finding->check), "%s", check);
    va_start(args, format);
    vsnprintf(finding->evidence, sizeof(finding->evidence), format, args);
    va_end(args);
    return finding;
}

void aro_finding_mend(struct aro_finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(finding->mend, sizeof(finding->mend), format, args);
    va_end(args);
}

enum aro_verdict aro_doctor_verdict(const struct aro_doctor *doctor)
{
    enum aro_verdict worst = ARO_PASS;

    for (unsigned i = 0; i < doctor->findings; i++)
        if (doctor->finding[i].verdict > worst)
            worst = doctor->finding[i].verdict;
    return worst;
}

const char *aro_verdict_name(enum aro_verdict verdict)
{
    static const char *const names[] = {"PASS", "WARN", "FAIL"};

    return names[verdict];
}

/* ---- the examination ---- */

static void check_config(struct aro_doctor *doctor)
{
    struct aro_error error = {0};
    struct aro_finding *finding;
    char tag[16];

    if (aro_config_read(doctor->config_path, &doctor->config, &error) == 0) {
        doctor->has_config = true;
        aro_doctor_say(doctor, ARO_PASS, "config", "%s: %u ports, %u lcores, %u stores",
                       doctor->config_path, doctor->config.ports, doctor->config.lcores.count,
                       doctor->config.disks);
        return;
    }
    finding = aro_doctor_say(doctor, ARO_FAIL, "config", "%s (%s)", error.text,
                             aro_error_tag(error.id, tag));
    if (access(doctor->config_path, F_OK) != 0)
        aro_finding_mend(finding, "cp " ARO_DOCTOR_CONFIG ".example '%s'", doctor->config_path);
    else
        aro_finding_mend(finding, "editor '%s' && arocached -c '%s' -t", doctor->config_path,
                         doctor->config_path);
}

void aro_doctor_examine(struct aro_doctor *doctor)
{
    check_config(doctor);
    if (doctor->has_config) {
        aro_check_runtime(doctor); /* first: the others want to know whether a daemon runs */
        aro_check_lcores(doctor);
        aro_check_hugepages(doctor);
        aro_check_memory(doctor);
        aro_check_memlock(doctor);
        aro_check_devices(doctor);
    }
    aro_check_iommu(doctor);
    aro_check_control(doctor);
    aro_check_io_uring(doctor);
    if (doctor->has_config) {
        aro_check_store(doctor);
        aro_check_http(doctor);
        aro_check_service(doctor);
    }
}
