/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Userspace stand-in for the kernel's header. */
#ifndef _SHIM_LINUX_STRING_H
#define _SHIM_LINUX_STRING_H

#include <string.h>

#endif /* _SHIM_LINUX_STRING_H */
