/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files that are the old or the new one after a crash, never half. */
#ifndef HCD_FILE_H
#define HCD_FILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Replace @dir/@name: new file of mode 0600, fsync, rename, fsync of the directory.
 * Return: 0, durable then; else -errno, and the old one stays.
 */
int hcd_file_replace(const char *dir, const char *name, const void *data, size_t len);

/*
 * Read @dir/@name; @ret_data of malloc(), a NUL behind it. Blocks on the disk.
 * Return: 0, -EFBIG above @max, -ENOMEM, -errno of open(2), read(2).
 */
int hcd_file_read(const char *dir, const char *name, size_t max, uint8_t **ret_data,
		  size_t *ret_len);

#endif /* HCD_FILE_H */
