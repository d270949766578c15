/* SPDX-License-Identifier: BSD-3-Clause */
/* As a service: the user, and a drop-in for each device class that wants one (docs/operations.md).
 */
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/doctor/checks.h"
#include "control/eal_args.h"

#define DROPINS "/etc/systemd/system/arocached.service.d"

static const struct passwd *service_user(void)
{
    return geteuid() == 0 ? getpwnam(ARO_SERVICE_USER) : NULL;
}

const char *aro_doctor_user(void)
{
    return service_user() != NULL ? ARO_SERVICE_USER : "\"$(id -un)\"";
}

bool aro_doctor_may(const char *path, int mode)
{
    const struct passwd *user = service_user();
    int status = 1;
    pid_t child;

    if (user == NULL)
        return access(path, mode) == 0;
    child = fork(); /* the kernel judges by the ids of a process: one of its own */
    if (child == 0)
        _exit(setgroups(0, NULL) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0 &&
                      access(path, mode) == 0
                  ? 0
                  : 1);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool aro_doctor_may_write(const char *path)
{
    return aro_doctor_may(path, W_OK | X_OK);
}

static const char *unit_path(const struct aro_doctor *doctor)
{
    static const char *const paths[] = {"/usr/lib/systemd/system/arocached.service",
                                        "/usr/local/lib/systemd/system/arocached.service",
                                        "/etc/systemd/system/arocached.service"};

    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (aro_file_exists(doctor, paths[i]))
            return paths[i];
    return NULL;
}

/* The drop-in that a device wants; NULL: none. */
static const char *dropin_of(const struct aro_doctor *doctor, const char *device)
{
    static const char *const classes[] = {"af_packet", "af_xdp", "tap"};
    char path[128], driver[64];

    for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(device, "net_", 4) == 0 &&
            strncmp(device + 4, classes[i], strlen(classes[i])) == 0)
            return classes[i];
    if (!aro_device_is_pci(device))
        return NULL;
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.12s/driver", device);
    aro_link_name(doctor, path, driver, sizeof(driver));
    return strcmp(driver, "mlx5_core") == 0 ? "mlx5" : "vfio";
}

/* Any drop-in that holds the word: operators may have written their own. */
static bool dropin_present(const struct aro_doctor *doctor, const char *name)
{
    char pattern[512];
    glob_t found;
    bool present;

    snprintf(pattern, sizeof(pattern), "%s" DROPINS "/*%s*", doctor->root, name);
    present = glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return present;
}

void aro_check_service(struct aro_doctor *doctor)
{
    const char *unit = unit_path(doctor);
    const char *share =
        unit != NULL && strncmp(unit, "/usr/local", 10) == 0 ? "/usr/local/share" : "/usr/share";
    struct aro_finding *finding;

    if (unit == NULL)
        return; /* not installed: started by hand */
    if (getpwnam(ARO_SERVICE_USER) == NULL) {
        finding = aro_doctor_say(doctor, ARO_FAIL, "service", "%s wants the user " ARO_SERVICE_USER,
                                 unit);
        aro_finding_mend(finding, "systemd-sysusers");
        return;
    }
    for (unsigned i = 0; i < doctor->config.ports; i++) {
        const char *name = dropin_of(doctor, doctor->config.port[i].device);
        if (name == NULL || dropin_present(doctor, name))
            continue;
        finding =
            aro_doctor_say(doctor, ARO_WARN, "service",
                           "port %s wants the drop-in %s.conf, " DROPINS " has none: the unit "
                           "cannot open its device",
                           doctor->config.port[i].name, name);
        aro_finding_mend(finding,
                         "install -D -m 644 %s/arocache/systemd/%s.conf " DROPINS
                         "/%s.conf && systemctl daemon-reload",
                         share, name, name);
        return;
    }
    aro_doctor_say(doctor, ARO_PASS, "service",
                   "%s, user " ARO_SERVICE_USER ", drop-ins as the ports want them", unit);
}
