/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May the image of a stopped program be what it says? Pure. */
#ifndef _HC_POLICY_IMAGE_H
#define _HC_POLICY_IMAGE_H

#include <linux/types.h>
#include <hyperchain/image.h>

/**
 * hc_image_check() - NULL when @image is well formed, else what is wrong
 * @image: 8-byte aligned
 * @len: bytes that are there
 *
 * What passes can be walked by hc_image_next() without looking at a bound again:
 * every record is whole, strings end, counts are right, threads have their FPU
 * state, mappings ascend without overlap inside the address space of a program,
 * runs lie inside their mapping, pages inside an anonymous or file mapping.
 */
const char *hc_image_check(const void *image, u64 len);

/** hc_image_next() - the record after @rec (NULL: the first); NULL at the end. Checked images */
const struct hci_rec *hc_image_next(const void *image, const struct hci_rec *rec);

/** hc_image_find() - the next record of @type after @rec (NULL: from the start), or NULL */
const struct hci_rec *hc_image_find(const void *image, const struct hci_rec *rec, u32 type);

#endif /* _HC_POLICY_IMAGE_H */
