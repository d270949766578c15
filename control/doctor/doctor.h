/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Has this machine what a configuration asks for? Reads the configuration, looks at the machine,
 * and says for each requirement PASS, WARN or FAIL, the number it read and from where, and the
 * exact command that mends it. Changes nothing and needs no daemon; what an ordinary user may not
 * see is said so.
 *
 * PASS: as the daemon wants it. WARN: it starts, but slower or with less than configured. FAIL: it
 * does not start, or starts and cannot serve.
 *
 * One thread. Costs some milliseconds.
 */
#ifndef ARO_CONTROL_DOCTOR_DOCTOR_H
#define ARO_CONTROL_DOCTOR_DOCTOR_H

#include <stdbool.h>

#include "control/config.h"

#define ARO_DOCTOR_CONFIG "/etc/arocache/arocached.conf"

enum {
    ARO_FINDINGS_MAX = 128, /* three per store, two per port, a dozen more */
    ARO_EVIDENCE_BYTES = 400,
    ARO_MEND_BYTES = 600,
};

enum aro_verdict { ARO_PASS, ARO_WARN, ARO_FAIL };

struct aro_finding {
    enum aro_verdict verdict;
    char check[48]; /* what was looked at: "hugepages", "device p0" */
    char evidence[ARO_EVIDENCE_BYTES];
    char mend[ARO_MEND_BYTES]; /* a command for a shell; "" when nothing is to be done */
};

struct aro_doctor {
    const char *root;        /* stands in front of /sys and /proc: "" but in tests */
    const char *config_path; /* to be read */
    struct aro_config config;
    bool has_config; /* config is valid */
    int daemon_pid;  /* of the daemon that uses runtime_dir now; 0: none */
    struct aro_finding finding[ARO_FINDINGS_MAX];
    unsigned findings;
};

/* root and config_path are set, the rest is zero. */
void aro_doctor_examine(struct aro_doctor *doctor);

/* The worst verdict of all. */
enum aro_verdict aro_doctor_verdict(const struct aro_doctor *doctor);
const char *aro_verdict_name(enum aro_verdict verdict); /* "PASS" */

#endif
