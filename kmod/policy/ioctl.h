/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which ioctl(2) calls on a terminal, pipe or socket are done at home for a program
 * that runs elsewhere (SPEC R21), and what they carry. Every other one is refused at
 * both ends: its argument could be anything, a pointer too.
 */
#ifndef _HC_POLICY_IOCTL_H
#define _HC_POLICY_IOCTL_H

#include <linux/types.h>

#define HC_IOCTL_LEN_MAX 64

struct hc_ioctl_form {
	u32 cmd;
	u8 in_len;	/* bytes that the argument points at, for the call */
	u8 out_len;	/* and that it leaves there */
};

/** hc_ioctl_form() - that of @cmd, or NULL. Neither in nor out: the argument is a number */
const struct hc_ioctl_form *hc_ioctl_form(u32 cmd);

#endif /* _HC_POLICY_IOCTL_H */
