// SPDX-License-Identifier: GPL-2.0-or-later
/* Dumps: a growing array, one element a message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sock.h"

#define ROOM 512

#define OUT_OF_MEMORY "Out of memory."

static int take_item(struct hcnl *h, struct nlmsghdr *nlh, void *ctx)
{
	struct genlmsghdr *g = hcnl_genl(h, nlh);
	struct hcnl_list *l = ctx;
	char *at;
	int r;

	if (!g)
		return 0;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 8;
		void *items = reallocarray(l->items, room, l->size);

		if (!items)
			return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
		l->items = items;
		l->room = room;
	}
	at = (char *)l->items + l->n * l->size;
	memset(at, 0, l->size);
	r = hcnl_decode(l->fields, genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0), at);
	if (r < 0)
		return hcnl_fail(h, r, "The module's answer does not fit this program: are both of one version?");
	l->n++;
	return 0;
}

int hcnl_dump(struct hcnl *h, uint8_t cmd, struct hcnl_list *l, void *ret_items, size_t *ret_n)
{
	int r, tries = 5;

	do {
		HCNL_MSG_FREE struct nl_msg *msg = hcnl_msg(h, cmd, NLM_F_DUMP, ROOM);

		free(l->items);
		l->items = NULL;
		l->n = l->room = 0;
		if (!msg)
			return hcnl_fail(h, -ENOMEM, OUT_OF_MEMORY);
		r = hcnl_talk(h, msg, take_item, l);
	} while (r == -EINTR && --tries);
	/* Changing all the time: the last answer is as good as any. */
	if (r < 0 && r != -EINTR) {
		free(l->items);
		return r;
	}
	if (l->n)
		qsort(l->items, l->n, l->size, l->cmp);
	*(void **)ret_items = l->items;
	*ret_n = l->n;
	return 0;
}
