/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking hyperchain-container, which has the privileges that this daemon gave up. Blocks. */
#ifndef HCD_HELPER_H
#define HCD_HELPER_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/node/config.h"

#define HCD_HELPER_SOCKET "container.sock"

/**
 * hcd_helper_ask - have it do something and wait for the end of it
 * @run_dir: where its socket is
 * @request: {"do": ...}; not kept
 * @step: how far it is, called in between; may be NULL
 * @ret_answer: decref
 *
 * In a worker thread. Return: 0, -ENOTCONN when it does not run, or the negative errno it
 * answered, with @error.
 */
int hcd_helper_ask(const char *run_dir, json_t *request,
		   void (*step)(const char *what, uint64_t done, uint64_t total, void *ctx),
		   void *ctx, json_t **ret_answer, char error[HCD_ERROR_LEN]);

#endif /* HCD_HELPER_H */
