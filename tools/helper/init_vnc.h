/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The desktop of an environment's user, for hyperchain-init: see init_vnc.c. */
#ifndef HC_INIT_VNC_H
#define HC_INIT_VNC_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#define INIT_VNC_FDS	2

/* Make the socket of @login, who is in /etc/passwd. Where that fails there is no desktop. */
void init_vnc_start(const char *login);

/* What to wait for; -1 = not now. */
void init_vnc_poll(struct pollfd fds[INIT_VNC_FDS]);

/* After that, and each second: go on. @is_leader: the desktop may be here. */
void init_vnc_step(const struct pollfd fds[INIT_VNC_FDS], bool is_leader);

/* A child has ended, one of ours or not. */
void init_vnc_ended(pid_t pid, int status);

#endif /* HC_INIT_VNC_H */
