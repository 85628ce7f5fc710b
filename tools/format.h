/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes, numbers, lists and times as people write them, both ways. No I/O. */
#ifndef HC_FORMAT_H
#define HC_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_LEN	32

/**
 * size_parse - "512M", "2G", "1.5GiB", "4096", "64KiB", "10B"
 *
 * Powers of 1024 only: K M G T P, alone or with iB. "GB" is refused, because it
 * means something else to different people. 0 is a size.
 * Return: 0, -EINVAL, -ERANGE beyond 2^63-1.
 */
int size_parse(const char *text, uint64_t *ret_bytes);

/* "0", "4 KiB", "1.5 GiB", "512 MiB": at most three digits and a half. Returns @buf. */
const char *size_format(uint64_t bytes, char buf[FORMAT_LEN]);

/* Exact, in the largest unit that fits whole: "1536M". For messages that repeat an option. */
const char *size_exact(uint64_t bytes, char buf[FORMAT_LEN]);

/* "950", "12.3k", "4.0M": for rates and counters. Returns @buf. */
const char *count_format(uint64_t n, char buf[FORMAT_LEN]);

/* Decimal, no sign, no blanks. Return: 0, -EINVAL, -ERANGE. */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_n);

/**
 * id_list_parse - "2,3" or "2-4,7"
 * @max: room in @ret_ids
 *
 * Each id is 1..2^31-1 and named once. Return: how many, -EINVAL, -ERANGE, -E2BIG, -EEXIST.
 */
int id_list_parse(const char *text, uint32_t *ret_ids, size_t max);

/* RFC 3339 in UTC with milliseconds: "2026-11-23T19:43:20.123Z". Returns @buf. */
const char *time_format(uint64_t ns, char buf[FORMAT_LEN]);

/* Copy @text, control characters (terminal escapes too) replaced by '?'; cuts. Returns @buf. */
const char *text_clean(const char *text, char *buf, size_t len);

/* Columns that UTF-8 @text takes on a terminal: one for each character. */
size_t text_width(const char *text);

#endif /* HC_FORMAT_H */
