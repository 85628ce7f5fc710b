// SPDX-License-Identifier: GPL-2.0-or-later
/* hyperchain-view of an environment: started before its container, ended after it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"

#define VIEW_DIR "/run/hyperchain/view"

int hcc_view_start(const struct hcc_place *place, char error[HCC_ERROR_LEN])
{
	static const char *const load[] = { "modprobe", "-q", "fuse", NULL };
	char program[HCC_PATH_LEN], ignored[HCC_ERROR_LEN];
	const char *const start[] = {
		program, place->view, place->figures, place->cgroup, NULL
	};
	int r = hcc_sibling("hyperchain-view", program);

	if (r < 0)
		return hcc_fail(error, r, "hyperchain-view is not beside hyperchain-container: install the package anew.");
	hcc_view_stop(place);
	if ((mkdir(VIEW_DIR, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(place->view, 0755) < 0 && errno != EEXIST))
		return hcc_fail(error, -errno, "Cannot make %s: %m.", place->view);
	/* Built in, or loaded already: then there is nothing to load. */
	hcc_run(load, NULL, ignored);
	return hcc_run(start, NULL, error);
}

void hcc_view_stop(const struct hcc_place *place)
{
	/* Its server ends with the last mount of it; the container's have gone with it. */
	while (umount2(place->view, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	unlink(place->figures);
	rmdir(place->view);
}
