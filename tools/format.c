// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format.h"

static const char units[] = "KMGTP";

/* What follows the number: "" B K KiB M MiB ...; the shift, or -EINVAL. */
static int unit_shift(const char *unit)
{
	const char *at;

	if (!*unit || !strcmp(unit, "B"))
		return 0;
	at = strchr(units, toupper((unsigned char)*unit));
	if (!at || (unit[1] && strcmp(unit + 1, "iB")))
		return -EINVAL;
	return 10 * (at - units + 1);
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole = 0, part = 0, scale = 1, bytes;
	const char *p = text;
	int shift;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		/* Three places are exact enough for K and up, and can't overflow. */
		for (; isdigit((unsigned char)*p); p++)
			if (scale < 1000) {
				part = part * 10 + (*p - '0');
				scale *= 10;
			}
	}
	if (*p == ' ')
		p++;
	shift = unit_shift(p);
	if (shift < 0)
		return shift;
	if (scale > 1 && !shift)
		return -EINVAL;
	if (whole > (uint64_t)INT64_MAX >> shift)
		return -ERANGE;
	if (__builtin_add_overflow(whole << shift, (part << shift) / scale, &bytes) ||
	    bytes > INT64_MAX)
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

const char *size_format(uint64_t bytes, char buf[FORMAT_LEN])
{
	double n = bytes;
	int unit = -1;

	while (n >= 1023.95 && unit < 4) {
		n /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, FORMAT_LEN, bytes ? "%llu B" : "0", (unsigned long long)bytes);
	else if (n < 99.95 && (int)(n * 10 + 0.5) % 10)
		snprintf(buf, FORMAT_LEN, "%.1f %ciB", n, units[unit]);
	else
		snprintf(buf, FORMAT_LEN, "%.0f %ciB", n, units[unit]);
	return buf;
}

const char *size_exact(uint64_t bytes, char buf[FORMAT_LEN])
{
	int unit = -1;

	while (bytes && !(bytes & 1023) && unit < 4) {
		bytes >>= 10;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, FORMAT_LEN, "%llu", (unsigned long long)bytes);
	else
		snprintf(buf, FORMAT_LEN, "%llu%c", (unsigned long long)bytes, units[unit]);
	return buf;
}

const char *count_format(uint64_t n, char buf[FORMAT_LEN])
{
	static const char names[] = "kMGTPE";
	double x = n;
	int unit = -1;

	while (x >= 999.5 && unit < 5) {
		x /= 1000;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, FORMAT_LEN, "%llu", (unsigned long long)n);
	else
		snprintf(buf, FORMAT_LEN, x < 99.95 ? "%.1f%c" : "%.0f%c", x, names[unit]);
	return buf;
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_n)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return -ERANGE;
	}
	if (n < min || n > max)
		return -ERANGE;
	*ret_n = n;
	return 0;
}

/* One id at *@p, which is moved behind it. */
static int id_parse(const char **p, uint32_t *ret_id)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > INT32_MAX)
			return -ERANGE;
	}
	if (!n)
		return -ERANGE;
	*ret_id = n;
	return 0;
}

static int id_add(uint32_t id, uint32_t *ids, size_t *n, size_t max)
{
	for (size_t i = 0; i < *n; i++)
		if (ids[i] == id)
			return -EEXIST;
	if (*n == max)
		return -E2BIG;
	ids[(*n)++] = id;
	return 0;
}

int id_list_parse(const char *text, uint32_t *ret_ids, size_t max)
{
	const char *p = text;
	size_t n = 0;

	for (;;) {
		uint32_t from, to;
		int r = id_parse(&p, &from);

		if (r < 0)
			return r;
		to = from;
		if (*p == '-') {
			p++;
			r = id_parse(&p, &to);
			if (r < 0)
				return r;
			if (to < from)
				return -EINVAL;
		}
		for (uint64_t id = from; id <= to; id++) {
			r = id_add(id, ret_ids, &n, max);
			if (r < 0)
				return r;
		}
		if (!*p)
			return n;
		if (*p++ != ',')
			return -EINVAL;
	}
}

const char *time_format(uint64_t ns, char buf[FORMAT_LEN])
{
	time_t s = ns / 1000000000;
	char date[24] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, FORMAT_LEN, "%s.%03uZ", date, (unsigned int)(ns / 1000000 % 1000));
	return buf;
}

const char *text_clean(const char *text, char *buf, size_t len)
{
	size_t n = 0;

	for (; *text && n + 1 < len; text++) {
		unsigned char c = *text;

		if (c == 0xc2 && (text[1] & 0xe0) == 0x80 && text[1]) {
			/* U+0080..U+009F: control characters in two bytes */
			text++;
			c = 1;
		}
		buf[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	/* No half character at the end of what was cut. */
	if (*text)
		while (n && (buf[n - 1] & 0xc0) == 0x80)
			n--;
	if (*text && n && (buf[n - 1] & 0xc0) == 0xc0)
		n--;
	buf[n] = 0;
	return buf;
}

size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}
