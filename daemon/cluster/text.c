// SPDX-License-Identifier: GPL-2.0-or-later
/* Text that came from elsewhere: see text.h. */
#include "daemon/cluster/text.h"

#include <stdio.h>
#include <string.h>

#include <linux/hyperchain.h>

void hcd_text_clean(char *buf, size_t len, const char *src, const char *fallback)
{
	snprintf(buf, len, "%s", src && *src ? src : fallback);
	for (char *c = buf; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

bool hcd_text_is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strnlen(text, HC_NAME_LEN + 1);

	return len >= 1 && len <= HC_NAME_LEN && strspn(text, allowed) == len &&
	       text[0] != '.' && text[0] != '-';
}
