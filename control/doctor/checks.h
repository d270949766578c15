/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checks of control/doctor/ share; private to it. A check looks at one thing and adds one
 * finding, seldom more. Those that need the configuration are not called without one.
 */
#ifndef ARO_CONTROL_DOCTOR_CHECKS_H
#define ARO_CONTROL_DOCTOR_CHECKS_H

#include <net/if.h>
#include <stddef.h>

#include "control/api/interface_lock.h"
#include "control/doctor/doctor.h"

/* ---- doctor.c: findings ---- */

/* A new finding with its evidence; beyond ARO_FINDINGS_MAX the last one is overwritten. */
struct aro_finding *aro_doctor_say(struct aro_doctor *doctor, enum aro_verdict verdict,
                                   const char *check, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The command that mends it. */
void aro_finding_mend(struct aro_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- edit.c ---- */

/*
 * The command that sets a key of the configuration where it stands, or adds it to its block, or
 * adds the block; joined with && to a command that the finding has. title: "" for an untitled
 * block.
 */
void aro_finding_set(const struct aro_doctor *doctor, struct aro_finding *finding,
                     const char *block, const char *title, const char *key, const char *value);

/* ---- files.c: small files of /sys and /proc ---- */

/* The first line of the file without its newline. False: no such file (*text is "" then). */
bool aro_file_line(const struct aro_doctor *doctor, const char *path, char *text, size_t bytes);
/* An unsigned number behind key ("" for the start of the file) in a file of lines. */
bool aro_file_number(const struct aro_doctor *doctor, const char *path, const char *key,
                     unsigned long long *ret);
bool aro_file_exists(const struct aro_doctor *doctor, const char *path);
/* The last component of a symbolic link's target ("vfio-pci"). False: there is no such link. */
bool aro_link_name(const struct aro_doctor *doctor, const char *path, char *text, size_t bytes);

/* ---- interfaces.c: of the kernel ---- */

enum { ARO_INTERFACES_MAX = 64 };

struct aro_interface {
    char name[IFNAMSIZ];
    char pci[16];       /* address of the PCI device behind it; "" for a virtual one */
    bool up;            /* administratively and the link */
    bool default_route; /* IPv4 or IPv6 goes out there */
    bool foreign;       /* another daemon serves it */
};

/* Every one but loopback, by name; returns how many. */
unsigned aro_interfaces_read(const struct aro_doctor *doctor, struct aro_interface ret[],
                             unsigned max);

/* Does another daemon than this configuration's serve it? *pid: 0 when that cannot be seen. */
bool aro_interface_foreign(const struct aro_doctor *doctor, const char *name, pid_t *pid);
/* The interface that a port takes: by name, or the one of its PCI device. NULL: none. */
const struct aro_interface *aro_interface_of(const struct aro_port_config *port,
                                             const struct aro_interface list[], unsigned n);

/* ---- service.c ---- */

/* Whom directories should belong to: the unit's user when root asks and it exists, else "$(id
 * -un)". */
#define ARO_SERVICE_USER "arocache"
const char *aro_doctor_user(void);
/* Whether that user may write and search the directory. */
bool aro_doctor_may_write(const char *path);
bool aro_doctor_may(const char *path, int mode); /* as access(2) */

/* ---- the checks ---- */

void aro_check_runtime(struct aro_doctor *doctor);   /* host.c */
void aro_check_io_uring(struct aro_doctor *doctor);  /* host.c */
void aro_check_http(struct aro_doctor *doctor);      /* host.c */
void aro_check_lcores(struct aro_doctor *doctor);    /* host.c */
void aro_check_hugepages(struct aro_doctor *doctor); /* memory.c */
void aro_check_memory(struct aro_doctor *doctor);    /* memory.c */
void aro_check_memlock(struct aro_doctor *doctor);   /* memory.c */
void aro_check_devices(struct aro_doctor *doctor);   /* device.c */
void aro_check_iommu(struct aro_doctor *doctor);     /* device.c */
void aro_check_control(struct aro_doctor *doctor);   /* device.c */
void aro_check_service(struct aro_doctor *doctor);   /* service.c */
void aro_check_store(struct aro_doctor *doctor);     /* store.c */

#endif
