/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup attributes: what a function took is given back however it returns. */
#ifndef HCD_CLEANUP_H
#define HCD_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void hcd_freep(void *p)
{
	free(*(void **)p);
}

static inline void hcd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void hcd_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_free_	_cleanup_(hcd_freep)
#define _cleanup_close_	_cleanup_(hcd_closep)
#define _cleanup_fclose_ _cleanup_(hcd_fclosep)

#endif /* HCD_CLEANUP_H */
