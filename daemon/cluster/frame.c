// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames of the daemons' channel: header only, no allocation, no I/O. */
#include "daemon/cluster/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int hcd_frame_parse(const uint8_t *buf, size_t len, uint32_t max, struct hcd_frame *ret_frame,
		    size_t *ret_need)
{
	struct hcd_frame frame;
	uint32_t le_len;
	uint16_t le_type, le_version;

	if (len < HCD_FRAME_HDR) {
		*ret_need = HCD_FRAME_HDR;
		return 0;
	}
	memcpy(&le_len, buf, sizeof(le_len));
	memcpy(&le_type, buf + 4, sizeof(le_type));
	memcpy(&le_version, buf + 6, sizeof(le_version));
	frame.len = le32toh(le_len);
	frame.type = le16toh(le_type);
	frame.version = le16toh(le_version);
	if (frame.type == HCD_FRAME_INVALID || frame.version == 0)
		return -EBADMSG;
	/* Refused by the header alone: a claimed length never makes us wait or allocate. */
	if (frame.len > max)
		return -EMSGSIZE;
	if (len - HCD_FRAME_HDR < frame.len) {
		*ret_need = HCD_FRAME_HDR + (size_t)frame.len;
		return 0;
	}
	frame.payload = buf + HCD_FRAME_HDR;
	*ret_frame = frame;
	return 1;
}

void hcd_frame_header(uint8_t hdr[HCD_FRAME_HDR], uint16_t type, uint16_t version, uint32_t len)
{
	uint32_t le_len = htole32(len);
	uint16_t le_type = htole16(type);
	uint16_t le_version = htole16(version);

	memcpy(hdr, &le_len, sizeof(le_len));
	memcpy(hdr + 4, &le_type, sizeof(le_type));
	memcpy(hdr + 6, &le_version, sizeof(le_version));
}
