// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "signature.h"

/* The magic numbers that file systems and partition tables publish. */
static const struct {
	size_t at;
	size_t len;
	const char *magic;
	const char *name;
} signatures[] = {
	{ 0x438,   2, "\x53\xef",		"an ext2/3/4 file system" },
	{ 0,       4, "XFSB",			"an XFS file system" },
	{ 0x10040, 8, "_BHRfS_M",		"a btrfs file system" },
	{ 0x400,   4, "\x10\x20\xf5\xf2",	"an F2FS file system" },
	{ 0,       4, "hsqs",			"a squashfs image" },
	{ 0x8001,  5, "CD001",			"an ISO 9660 image" },
	{ 4086,   10, "SWAPSPACE2",		"a swap area" },
	{ 0,       6, "LUKS\xba\xbe",		"a LUKS volume" },
	{ 512,     8, "LABELONE",		"an LVM physical volume" },
	{ 512,     8, "EFI PART",		"a GPT partition table" },
	{ 4096,    4, "\xfc\x4e\x2b\xa9",	"a RAID member" },
	{ 3,       8, "NTFS    ",		"an NTFS file system" },
	{ 3,       8, "EXFAT   ",		"an exFAT file system" },
	{ 510,     2, "\x55\xaa",		"a partition table or a FAT file system" },
};

const char *signature_find(const unsigned char *buf, size_t len)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (signatures[i].at + signatures[i].len <= len &&
		    !memcmp(buf + signatures[i].at, signatures[i].magic, signatures[i].len))
			return signatures[i].name;
	return NULL;
}
