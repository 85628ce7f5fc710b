/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.swap.max=0 on the host's own cgroups, while the swap disk is on.
 *
 * The module refuses pages of cgroups that are bound to no environment; this is
 * the second line: the kernel does not even try. What each file said before is
 * kept in HCNL_SWAP_STATE_DIR/swap-max.json until it is restored, so that a
 * crash in between loses nothing.
 */
#ifndef HCNL_CGROUP_H
#define HCNL_CGROUP_H

struct hcnl;

/**
 * hcnl_swapmax_close - keep every top-level cgroup without a bound one in it out of swap
 * @h: tells which cgroups are bound
 *
 * Cgroups that are closed already stay so; a failure in the middle leaves what
 * was done in the state file. Return: 0 or a negative errno.
 */
int hcnl_swapmax_close(struct hcnl *h);

/* Give every cgroup its old value back, where it still has ours. Return: 0, -errno. */
int hcnl_swapmax_restore(void);

/**
 * hcnl_swapmax_allow - open the way for a cgroup that is about to be bound
 * @path: absolute path of the cgroup; its top-level ancestor gets its old value back
 *
 * Return: 0, also when nothing was closed, or a negative errno.
 */
int hcnl_swapmax_allow(const char *path);

#endif /* HCNL_CGROUP_H */
