/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Userspace stand-in for the kernel's header: what kmod/policy uses of it, no more. */
#ifndef _SHIM_LINUX_BITOPS_H
#define _SHIM_LINUX_BITOPS_H

#include <linux/types.h>

#define BITS_PER_LONG	((unsigned int)sizeof(long) * 8)
#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))

static inline unsigned int hweight32(u32 w)
{
	return __builtin_popcount(w);
}

static inline unsigned int hweight64(u64 w)
{
	return __builtin_popcountll(w);
}

static inline unsigned long __ffs(unsigned long w)
{
	return __builtin_ctzl(w);
}

static inline unsigned long __ffs64(u64 w)
{
	return __builtin_ctzll(w);
}

#endif /* _SHIM_LINUX_BITOPS_H */
