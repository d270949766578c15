/* SPDX-License-Identifier: BSD-3-Clause */
/* What every daemon needs of the host: a runtime directory, io_uring, CPUs, the HTTP address. */
#include <errno.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/api/endpoint.h"
#include "control/doctor/checks.h"

/* ---- the runtime directory: one daemon each ---- */

/* Who holds a flock on the file, by /proc/locks: works without the right to open it. 0: nobody. */
static int lock_holder(const struct aro_doctor *doctor, const char *path)
{
    char locks[300], line[256];
    struct stat file;
    int holder = 0;
    FILE *in;

    if (stat(path, &file) != 0)
        return 0;
    snprintf(locks, sizeof(locks), "%s/proc/locks", doctor->root);
    in = fopen(locks, "re");
    while (in != NULL && holder == 0 && fgets(line, sizeof(line), in) != NULL) {
        unsigned long long inode;
        int pid;
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %*x:%*x:%llu", &pid, &inode) == 2 &&
            inode == file.st_ino)
            holder = pid;
    }
    if (in != NULL)
        fclose(in);
    return holder;
}

void aro_check_runtime(struct aro_doctor *doctor)
{
    const char *dir = doctor->config.runtime_dir;
    char path[ARO_CONFIG_PATH_BYTES + 8], parent[ARO_CONFIG_PATH_BYTES], *slash;
    struct aro_finding *finding;
    struct stat status;

    snprintf(path, sizeof(path), "%s/lock", dir);
    doctor->daemon_pid = lock_holder(doctor, path);
    if (doctor->daemon_pid != 0) {
        aro_doctor_say(doctor, ARO_PASS, "runtime_dir",
                       "the daemon runs (pid %d holds %s, /proc/locks)", doctor->daemon_pid, path);
        return;
    }
    snprintf(parent, sizeof(parent), "%s", dir);
    slash = strrchr(parent, '/');
    if (slash != NULL && slash != parent)
        *slash = '\0';
    if (stat(dir, &status) == 0) {
        bool usable = S_ISDIR(status.st_mode) && access(dir, W_OK | X_OK) == 0;
        finding = aro_doctor_say(doctor, usable ? ARO_PASS : ARO_FAIL, "runtime_dir", "%s %s", dir,
                                 usable                    ? "is free"
                                 : S_ISDIR(status.st_mode) ? "may not be written by this user"
                                                           : "is no directory");
        if (!usable)
            aro_finding_mend(finding, "install -d -o %s '%s'", aro_doctor_user(), dir);
    } else if (access(parent, W_OK | X_OK) == 0) {
        aro_doctor_say(doctor, ARO_PASS, "runtime_dir", "%s will be made", dir);
    } else {
        finding = aro_doctor_say(doctor, ARO_FAIL, "runtime_dir",
                                 "%s does not exist and %s: %s (systemd makes it for the unit)",
                                 dir, parent, strerror(errno));
        aro_finding_mend(finding, "install -d -o %s '%s'", aro_doctor_user(), dir);
    }
}

/* ---- io_uring ---- */

void aro_check_io_uring(struct aro_doctor *doctor)
{
    static const char sysctl[] = "/proc/sys/kernel/io_uring_disabled";
    struct io_uring_params params = {0};
    long ring = syscall(__NR_io_uring_setup, 4, &params);
    unsigned long long disabled = 0;
    struct aro_finding *finding;
    int error = errno;

    aro_file_number(doctor, sysctl, "", &disabled);
    if (ring >= 0) {
        close((int)ring);
        aro_doctor_say(doctor, ARO_PASS, "io_uring", "a ring can be made (io_uring_setup)%s",
                       disabled == 0 ? ""
                                     : ", though not by every user (kernel.io_uring_disabled)");
        return;
    }
    finding = aro_doctor_say(doctor, ARO_WARN, "io_uring",
                             "io_uring_setup: %s; %s is %llu: threads would read and write, slower",
                             strerror(error), sysctl, disabled);
    if (disabled != 0)
        aro_finding_mend(finding, "sysctl -w kernel.io_uring_disabled=0");
    else
        aro_finding_mend(finding, error == ENOSYS
                                      ? "uname -r   # a kernel of 5.19 or later, with io_uring"
                                      : "grep Seccomp /proc/self/status   # a sandbox forbids it: "
                                        "allow io_uring_setup, _enter, _register");
}

/* ---- CPUs ---- */

/* Is cpu in a list like "2-3,8"? */
static bool in_list(const char *list, unsigned cpu)
{
    while (*list != '\0') {
        unsigned first, last;
        int read = sscanf(list, "%u-%u", &first, &last);
        if (read >= 1 && cpu >= first && cpu <= (read == 2 ? last : first))
            return true;
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return false;
}

static void lcores_list(const struct aro_lcore_list *lcores, char *text, size_t bytes)
{
    size_t used = 0;

    for (unsigned i = 0; i < lcores->count && used < bytes; i++)
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%u", i > 0 ? "," : "", lcores->id[i]);
}

void aro_check_lcores(struct aro_doctor *doctor)
{
    const struct aro_lcore_list *lcores = &doctor->config.lcores;
    unsigned absent = 0, shared = 0;
    char list[256], isolated[256];
    struct aro_finding *finding;
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof(cpus), &cpus);
    aro_file_line(doctor, "/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
    lcores_list(lcores, list, sizeof(list));
    for (unsigned i = 0; i < lcores->count; i++) {
        bool mine = CPU_ISSET(lcores->id[i], &cpus), alone = in_list(isolated, lcores->id[i]);
        absent += !mine && !alone; /* isolated CPUs are in nobody's set until asked for */
        shared += !alone;
    }
    if (absent > 0 || shared >= (unsigned)CPU_COUNT(&cpus)) {
        finding = aro_doctor_say(
            doctor, ARO_WARN, "lcores", "lcores %s and the control thread share %d CPUs%s", list,
            CPU_COUNT(&cpus), absent > 0 ? "; some of the numbers do not exist" : "");
        aro_finding_mend(finding, "lscpu -e   # then set dataplane { lcores } in %s",
                         doctor->config_path);
    } else if (shared > 0 && doctor->config.idle == ARO_IDLE_POLL) {
        finding = aro_doctor_say(doctor, ARO_WARN, "lcores",
                                 "lcores %s poll, but are not isolated from other work (isolated: "
                                 "\"%s\", /sys/devices/system/cpu/isolated)",
                                 list, isolated);
        aro_finding_mend(finding,
                         "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&isolcpus=%s /' /etc/default/grub && "
                         "update-grub && reboot",
                         list);
    } else {
        aro_doctor_say(doctor, ARO_PASS, "lcores", "lcores %s exist%s", list,
                       shared == 0 ? ", isolated" : "; not isolated, idle = adaptive shares");
    }
}

/* ---- the HTTP address ---- */

void aro_check_http(struct aro_doctor *doctor)
{
    const char *listen = doctor->config.http_listen;
    struct aro_endpoint endpoint;
    struct aro_finding *finding;
    int fd;

    if (*listen == '\0' || doctor->daemon_pid != 0) {
        aro_doctor_say(doctor, ARO_PASS, "http", *listen == '\0' ? "off" : "the daemon has it");
        return;
    }
    fd = aro_endpoint_parse(listen, &endpoint);
    if (fd == 0)
        fd = aro_endpoint_listen(&endpoint, 1);
    if (fd >= 0) {
        close(fd);
        aro_doctor_say(doctor, ARO_PASS, "http", "%s is free", listen);
        return;
    }
    finding = aro_doctor_say(doctor, doctor->config.http_listen_given ? ARO_FAIL : ARO_WARN, "http",
                             "%s: %s", listen, strerror(-fd));
    aro_finding_set(doctor, finding, "http", "", "listen",
                    fd == -EADDRINUSE ? "127.0.0.1:9502" : "127.0.0.1:9501");
}
