/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that came from elsewhere, made harmless for logs and JSON. Pure. */
#ifndef HCD_TEXT_H
#define HCD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * hcd_text_clean - copy @src, everything but printable ASCII made '?'
 * @src: may be NULL or empty: then @fallback is taken
 */
void hcd_text_clean(char *buf, size_t len, const char *src, const char *fallback);

/* Is it a name: 1..63 of A-Z a-z 0-9 . _ - and not beginning with . or -? */
bool hcd_text_is_name(const char *text);

#endif /* HCD_TEXT_H */
