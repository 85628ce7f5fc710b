/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libraft's messages as bytes of our own (message Raft of cluster.proto), and
 * back, checked: what comes out of here can't make the engine assert or read
 * beyond its memory. No state, no I/O. For consensus.c only.
 */
#ifndef HCD_CONSENSUS_WIRE_H
#define HCD_CONSENSUS_WIRE_H

#include <raft.h>
#include <stddef.h>
#include <stdint.h>

#define HCD_RAFT_MESSAGE_MAX	(8 * 1024 * 1024)
#define HCD_RAFT_ENTRIES_MAX	8192
#define HCD_RAFT_SERVERS_MAX	256
#define HCD_RAFT_ADDRESS_LEN	16

/* What the engine calls a server: its node id in digits. */
void hcd_raft_address(uint32_t id, char ret_address[HCD_RAFT_ADDRESS_LEN]);

/* Return: 0 and *@ret_data of malloc(); -ENOMEM, -EMSGSIZE, -EINVAL. */
int hcd_raft_pack(const struct raft_message *msg, uint64_t stamp_ms, uint8_t **ret_data,
		  size_t *ret_len);

/**
 * hcd_raft_unpack - check and take apart
 * @ret_msg: server_id and server_address are the caller's to set; what it points
 *	at is of raft_malloc() and goes to the engine, or to hcd_raft_message_free()
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int hcd_raft_unpack(const uint8_t *data, size_t len, struct raft_message *ret_msg,
		    uint64_t *ret_stamp_ms);

void hcd_raft_message_free(struct raft_message *msg);

/* The term of a message, whatever its kind. */
uint64_t hcd_raft_term(const struct raft_message *msg);

#endif /* HCD_CONSENSUS_WIRE_H */
