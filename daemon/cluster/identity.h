/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who this node is in its cluster: its own key, the cluster's key, and where the
 * other members are found before the log says so. <state>/cluster.json, mode 0600,
 * replaced as a whole. Without the file the node is in no cluster.
 */
#ifndef HCD_IDENTITY_H
#define HCD_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/cluster/fsm.h"
#include "daemon/cluster/secret.h"
#include "daemon/node/config.h"

#define HCD_IDENTITY_FILE	"cluster.json"

struct hcd_known {
	struct hcd_peer_config at;
	uint8_t key[HCD_NODE_KEY_LEN];
};

struct hcd_identity {
	bool is_member;			/* else only the key below is set, or nothing */
	bool is_removed;		/* the cluster took this node out */
	uint8_t secret[HCD_KEY_LEN];	/* our key, private and public; kept over a refused join */
	uint8_t key[HCD_NODE_KEY_LEN];
	uint8_t cluster_key[HCD_KEY_LEN];
	uint8_t cluster[HCD_CLUSTER_ID_LEN];
	char name[HC_NAME_LEN + 1];	/* of the cluster */
	uint64_t incarnation;
	enum hcd_encrypt encrypt;	/* how members reach each other */
	bool is_founder;		/* the log's first entry is ours to give: file "begin" */
	struct hcd_known self;
	struct hcd_known members[HCD_MEMBERS_MAX];	/* others too, as known last */
	size_t nr_members;
};

/* Return: 0 (no file: all zero); -EBADMSG damaged, or -errno; @error says which and the way out. */
int hcd_identity_load(const char *dir, struct hcd_identity *ret_identity,
		      char error[HCD_ERROR_LEN]);

/* Durable when it returns 0. Else -errno and @error. */
int hcd_identity_save(const char *dir, const struct hcd_identity *identity,
		      char error[HCD_ERROR_LEN]);

/* "0123abcd...": lower case; @ret_text has 2 * len + 1 bytes. */
void hcd_hex_print(const uint8_t *bytes, size_t len, char *ret_text);

#endif /* HCD_IDENTITY_H */
