// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether an environment can show a desktop, which hyperchain-init starts (init_vnc.c). */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define LIMIT_S 10

/* In the sandbox, which runs nothing: only whether it is there. */
static int look(void *arg, char error[HCC_ERROR_LEN], int step_fd)
{
	struct stat st;

	(void)arg;
	(void)error;
	(void)step_fd;
	return stat("/usr/bin/Xtigervnc", &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111;
}

int hcc_has_vnc(const struct hcc_spec *spec, const struct hcc_place *place, bool *ret_has_vnc,
		char error[HCC_ERROR_LEN])
{
	int r;

	if (access(place->root, F_OK) < 0)
		return hcc_fail(error, -ENOENT, "Environment %s has no root file system on this node.",
				spec->name);
	r = hcc_sandbox(place->uid, place->root, LIMIT_S, look, NULL, NULL, NULL, error);
	if (r < 0)
		return r;
	*ret_has_vnc = r > 0;
	return 0;
}
