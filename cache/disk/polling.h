/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * May reads of a directory's files be polled for (IORING_SETUP_IOPOLL) instead of interrupted by?
 * That takes a device with poll queues (NVMe: nvme.poll_queues=N), direct I/O and a file system
 * that passes it on; a kernel that lacks one of them fails each read or, an older one, waits for
 * the interrupt all the same. So it is asked of the device first, then tried.
 *
 * At start-up; any thread.
 */
#ifndef ARO_CACHE_DISK_POLLING_H
#define ARO_CACHE_DISK_POLLING_H

/*
 * NULL: they may; or why not, a constant. path: the store's directory, writable, or
 * its block device.
 */
const char *aro_polling_refused(const char *path);

/* The second half alone: writes a block into a file without a name and reads it back, polled. */
const char *aro_polling_try(const char *path);

#endif
