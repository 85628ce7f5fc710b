/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plain dm-crypt mapping with a random key that only the kernel ever knows:
 * what is written there is unreadable after the next boot, which is what second
 * copies of other programs' memory need. By the device-mapper ioctls themselves:
 * no cryptsetup needed, and the key is on no command line and in no file.
 */
#ifndef HCNL_DMCRYPT_H
#define HCNL_DMCRYPT_H

#include <stddef.h>

/**
 * hcnl_dmcrypt_prepare - have device-mapper and dm-crypt loaded, as far as we may
 *
 * Needs CAP_SYS_MODULE, which the daemon has given up: the command line calls it
 * before it asks the daemon. Blocks for as long as modprobe(8) takes.
 */
void hcnl_dmcrypt_prepare(void);

/**
 * hcnl_dmcrypt_open - map block device @dev as @name
 * @ret_path: gets /dev/dm-N
 *
 * Return: 0, -EEXIST when @name exists, -ENXIO without device-mapper in the
 * kernel, -EINVAL without its crypt target or cipher, -EBUSY when @dev is in use.
 */
int hcnl_dmcrypt_open(const char *dev, const char *name, char *ret_path, size_t len);

/* Remove the mapping. 0 also when there is none; -EBUSY while it is open. */
int hcnl_dmcrypt_close(const char *name);

#endif /* HCNL_DMCRYPT_H */
