// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls of ioctl(2) that are done at home: the right ones, with the right lengths. */
#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "policy/ioctl.h"
#include "unit.h"

static void is_form(uint32_t cmd, uint32_t in_len, uint32_t out_len)
{
	const struct hc_ioctl_form *form = hc_ioctl_form(cmd);

	ck_assert_ptr_nonnull(form);
	MUST_EQ(form->in_len, in_len);
	MUST_EQ(form->out_len, out_len);
	ck_assert_uint_le(form->in_len + form->out_len, HC_IOCTL_LEN_MAX);
}

START_TEST(known)
{
	is_form(TCGETS, 0, sizeof(struct termios));
	is_form(TCSETSW, sizeof(struct termios), 0);
	is_form(TCGETS2, 0, sizeof(struct termios2));
	is_form(TCSETSF2, sizeof(struct termios2), 0);
	is_form(TIOCGWINSZ, 0, sizeof(struct winsize));
	is_form(TIOCSWINSZ, sizeof(struct winsize), 0);
	is_form(TIOCGPGRP, 0, sizeof(pid_t));
	is_form(TIOCSPGRP, sizeof(pid_t), 0);
	is_form(FIONREAD, 0, sizeof(int));
	is_form(TIOCGPTN, 0, sizeof(int));
	is_form(TCFLSH, 0, 0);
}
END_TEST

/* What would type for others, take the terminal over, or carry pointers. */
START_TEST(refused)
{
	const uint32_t cmds[] = { 0, TIOCSTI, TIOCSCTTY, TIOCNOTTY, TIOCSETD, TIOCCONS, TIOCLINUX,
				  TIOCGSERIAL, 0x4b66, ~0U };

	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		ck_assert_ptr_null(hc_ioctl_form(cmds[i]));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("ioctl");
	TCase *t = tcase_create("ioctl");

	tcase_add_test(t, known);
	tcase_add_test(t, refused);
	suite_add_tcase(suite, t);
	return suite;
}
