// SPDX-License-Identifier: GPL-2.0-or-later
/* Why the module is not there, as one sentence, and the way out. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Does modprobe know the module? "updates/dkms/hyperchain.ko.xz: ..." in what depmod wrote. */
static bool is_installed(const char *release)
{
	char path[512], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		const char *name;

		line[strcspn(line, ":")] = 0;
		name = strrchr(line, '/');
		found = !strncmp(name ? name + 1 : line, "hyperchain.ko", strlen("hyperchain.ko"));
	}
	free(line);
	fclose(f);
	return found;
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
