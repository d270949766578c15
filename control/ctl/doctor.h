/* SPDX-License-Identifier: BSD-3-Clause */
/* The command doctor: its options, and findings as people and scripts read them. */
#ifndef ARO_CONTROL_CTL_DOCTOR_H
#define ARO_CONTROL_CTL_DOCTOR_H

#include "control/ctl/render.h"

/* argv[0] is "doctor". Returns the exit code: 0, 1 when something failed, 2 usage. */
int aro_doctor_command(int argc, char **argv, struct aro_style style);

#endif
