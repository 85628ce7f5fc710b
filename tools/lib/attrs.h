/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One table per attribute set: which attribute goes into which field of which
 * struct, and under which key it is shown. Decoding, encoding (tests, fuzzing),
 * the names in error messages and the CLI's JSON all come from these tables, so
 * a new attribute is one field in hcnl.h and one line in attrs.c.
 */
#ifndef HCNL_ATTRS_H
#define HCNL_ATTRS_H

#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nl_msg;

enum hcnl_kind {
	HCNL_NONE,	/* named only, has no field */
	HCNL_U8,
	HCNL_BOOL,	/* u8 on the wire, true or false for people */
	HCNL_U32,
	HCNL_U64,
	HCNL_STRING,	/* char[size], always terminated */
	HCNL_U32_NEST,	/* nest of u32; field uint32_t[size], counter size_t */
	HCNL_U64_MULTI,	/* repeated u64; field uint64_t[size], counter size_t */
};

struct hcnl_field {
	uint16_t attr;
	uint8_t kind;		/* enum hcnl_kind */
	uint16_t size;		/* STRING: bytes; NEST, MULTI: elements */
	uint16_t off;		/* of the field */
	uint16_t off_n;		/* of the counter (NEST, MULTI) */
	uint16_t nested;	/* attribute inside the nest */
	const char *attr_name;
	const char *key;	/* in JSON; NULL = not shown */
};

/* A set ends with an entry whose attr_name is NULL. */
extern const struct hcnl_field hcnl_node_fields[];
extern const struct hcnl_field hcnl_peer_fields[];
extern const struct hcnl_field hcnl_pool_fields[];
extern const struct hcnl_field hcnl_lease_fields[];
extern const struct hcnl_field hcnl_backing_fields[];
extern const struct hcnl_field hcnl_disk_fields[];
extern const struct hcnl_field hcnl_env_fields[];
extern const struct hcnl_field hcnl_move_fields[];
extern const struct hcnl_field hcnl_req_fields[];
extern const struct hcnl_field hcnl_event_fields[];

/* The set that @cmd's attributes are of, NULL for an unknown command. */
const struct hcnl_field *hcnl_cmd_fields(unsigned int cmd);

/**
 * hcnl_decode - fill the struct at @obj from @len bytes of attributes
 * @obj: zeroed by the caller
 *
 * Unknown attributes and list elements beyond the field's size are passed over.
 * Return: 0, -EBADMSG where one has the wrong size or the attributes don't add up.
 */
int hcnl_decode(const struct hcnl_field *fields, const struct nlattr *attrs, int len, void *obj);

/* Append every field of @obj that is not zero. -EMSGSIZE when @msg is full. */
int hcnl_encode(const struct hcnl_field *fields, const void *obj, struct nl_msg *msg);

#endif /* HCNL_ATTRS_H */
