/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that tell what the machine has, answered by the container's first process. */
#ifndef HCH_FILTER_H
#define HCH_FILTER_H

/* Where the first process takes listeners from who comes in later; inside of the container. */
#define HCH_SOCKET	"/run/hyperchain-init"

/**
 * hch_filter_join() - the caller's thread, and all that it starts, see the sum of the nodes
 *
 * From inside of the container, as its root: sched_getaffinity(2), sched_setaffinity(2) and
 * sysinfo(2) are then answered by hch_answer_start()'s thread. Can't be undone.
 *
 * Return: 0, or -errno, and then they tell the truth as before
 */
int hch_filter_join(void);

/**
 * hch_answer_start() - begin to answer, in a thread of the container's first process
 *
 * To be called before that process joins itself: the thread must see the truth.
 *
 * Return: 0 or -errno
 */
int hch_answer_start(void);

#endif /* HCH_FILTER_H */
