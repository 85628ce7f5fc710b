// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls of ioctl(2) that can be done at home (SPEC R21); numbers of x86-64. */
#include <linux/types.h>

#include "ioctl.h"

#define TERMIO		18	/* sizes of the structures */
#define TERMIOS		36
#define TERMIOS2	44
#define WINSIZE		8
#define INT		4

static const struct hc_ioctl_form forms[] = {
	{ 0x5401,	0,		TERMIOS },	/* TCGETS: isatty() */
	{ 0x5402,	TERMIOS,	0 },		/* TCSETS */
	{ 0x5403,	TERMIOS,	0 },		/* TCSETSW */
	{ 0x5404,	TERMIOS,	0 },		/* TCSETSF */
	{ 0x5405,	0,		TERMIO },	/* TCGETA */
	{ 0x5406,	TERMIO,		0 },		/* TCSETA */
	{ 0x5407,	TERMIO,		0 },		/* TCSETAW */
	{ 0x5408,	TERMIO,		0 },		/* TCSETAF */
	{ 0x5409,	0,		0 },		/* TCSBRK: tcdrain() */
	{ 0x540a,	0,		0 },		/* TCXONC: tcflow() */
	{ 0x540b,	0,		0 },		/* TCFLSH: tcflush() */
	{ 0x540c,	0,		0 },		/* TIOCEXCL */
	{ 0x540d,	0,		0 },		/* TIOCNXCL */
	{ 0x540f,	0,		INT },		/* TIOCGPGRP */
	{ 0x5410,	INT,		0 },		/* TIOCSPGRP */
	{ 0x5411,	0,		INT },		/* TIOCOUTQ */
	{ 0x5413,	0,		WINSIZE },	/* TIOCGWINSZ */
	{ 0x5414,	WINSIZE,	0 },		/* TIOCSWINSZ */
	{ 0x541b,	0,		INT },		/* FIONREAD */
	{ 0x5420,	INT,		0 },		/* TIOCPKT */
	{ 0x5424,	0,		INT },		/* TIOCGETD */
	{ 0x5425,	0,		0 },		/* TCSBRKP */
	{ 0x5427,	0,		0 },		/* TIOCSBRK */
	{ 0x5428,	0,		0 },		/* TIOCCBRK */
	{ 0x5429,	0,		INT },		/* TIOCGSID */
	{ 0x802c542a,	0,		TERMIOS2 },	/* TCGETS2 */
	{ 0x402c542b,	TERMIOS2,	0 },		/* TCSETS2 */
	{ 0x402c542c,	TERMIOS2,	0 },		/* TCSETSW2 */
	{ 0x402c542d,	TERMIOS2,	0 },		/* TCSETSF2 */
	{ 0x80045430,	0,		INT },		/* TIOCGPTN */
	{ 0x40045431,	INT,		0 },		/* TIOCSPTLCK */
	{ 0x80045439,	0,		INT },		/* TIOCGPTLCK */
	{ }
};

const struct hc_ioctl_form *hc_ioctl_form(u32 cmd)
{
	const struct hc_ioctl_form *form;

	for (form = forms; form->cmd; form++)
		if (form->cmd == cmd)
			return form;
	return NULL;
}
