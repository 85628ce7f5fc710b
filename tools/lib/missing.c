// SPDX-License-Identifier: GPL-2.0-or-later
/* Why the module is not there, as one sentence, and the way out. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/utsname.h>

#include "hcnl.h"

/* The firmware's variable has 4 bytes of attributes before its one byte of value. */
static bool has_secure_boot(void)
{
	static const char path[] =
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	unsigned char v[5];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool on;

	if (fd < 0)
		return false;
	on = read(fd, v, sizeof(v)) == sizeof(v) && v[4] == 1;
	close(fd);
	return on;
}

/* Is a built module where modprobe looks? DKMS puts it under updates/dkms. */
static bool is_installed(const char *release)
{
	static const char *const places[] = { "updates/dkms", "updates", "extra", "kernel/extra" };
	static const char *const ends[] = { "", ".xz", ".zst", ".gz" };
	char path[512];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
			snprintf(path, sizeof(path), "/lib/modules/%s/%s/hyperchain.ko%s", release,
				 places[i], ends[k]);
			if (!access(path, F_OK))
				return true;
		}
	return false;
}

void hcnl_missing_reason(char *buf, size_t len)
{
	struct utsname u = { 0 };

	uname(&u);
	if (access("/proc/modules", F_OK) < 0) {
		snprintf(buf, len,
			 "The kernel module hyperchain is not there, and this kernel (%s) cannot load modules: boot a stock Debian kernel.",
			 u.release);
	} else if (!is_installed(u.release)) {
		snprintf(buf, len,
			 "The kernel module hyperchain is not built for this kernel (%s): install linux-headers-%s and run \"dkms autoinstall\", then \"modprobe hyperchain\".",
			 u.release, u.release);
	} else if (has_secure_boot()) {
		snprintf(buf, len,
			 "The kernel module hyperchain is not loaded, and Secure Boot is on: run \"modprobe hyperchain\"; if that says \"Key was rejected\", enrol the DKMS key (\"mokutil --import /var/lib/dkms/mok.pub\", then reboot) or turn Secure Boot off.");
	} else {
		snprintf(buf, len,
			 "The kernel module hyperchain is not loaded: run \"modprobe hyperchain\" as root, and see \"dmesg\" if that fails.");
	}
}
