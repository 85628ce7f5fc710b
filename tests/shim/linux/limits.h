/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Userspace stand-in for the kernel's header: what kmod/policy uses of it, no more. */
#ifndef _SHIM_LINUX_LIMITS_H
#define _SHIM_LINUX_LIMITS_H

#include_next <linux/limits.h>

#define U8_MAX		0xffU
#define U16_MAX		0xffffU
#define U32_MAX		0xffffffffU
#define U64_MAX		0xffffffffffffffffULL

#endif /* _SHIM_LINUX_LIMITS_H */
