/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a block device hold something that its owner would miss? No I/O. */
#ifndef HC_SIGNATURE_H
#define HC_SIGNATURE_H

#include <stddef.h>

#define SIGNATURE_LEN	(72 * 1024)	/* bytes from the start that are looked at */

/* @buf: the first @len bytes. "an ext2/3/4 file system", or NULL. Static. */
const char *signature_find(const unsigned char *buf, size_t len);

#endif /* HC_SIGNATURE_H */
