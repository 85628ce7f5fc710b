/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/hyperchain/hyperchain.conf: see hyperchain.conf(5). Strict: an unknown
 * section or key, a key set twice and a value out of range are errors, told
 * with the line.
 */
#ifndef HCD_CONFIG_H
#define HCD_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/hyperchain.h>

#include "daemon/cluster/auth.h"

#define HCD_CONFIG_PATH		"/etc/hyperchain/hyperchain.conf"
#define HCD_PSK_PATH		"/etc/hyperchain/psk"
#define HCD_PORT		7701
#define HCD_CONNS		2
#define HCD_LOG_ENTRIES	512
#define HCD_ENV_NETWORK		"10.88.0.0"
#define HCD_NODE_ID_MAX		0x7fffffffu
#define HCD_CONFIG_SIZE_MAX	(256 * 1024)
#define HCD_CONFIG_LINE_MAX	190		/* inih cuts longer lines in two */
#define HCD_PATH_LEN		512
#define HCD_ERROR_LEN		512

struct hcd_peer_config {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
};

struct hcd_config {
	struct {
		uint32_t id;
		char name[HC_NAME_LEN + 1];	/* default: the host's name */
		char address[INET6_ADDRSTRLEN];	/* "" = none: no other node can be reached */
		uint16_t port;
		bool has_donate, has_reserve;
		uint64_t donate;		/* bytes lent at most */
		uint64_t reserve;		/* bytes kept for ourselves */
		uint32_t conns;			/* page connections to each peer */
		uint32_t log_entries;		/* of the cluster's log, between two snapshots */
		char psk_file[HCD_PATH_LEN];
		char alert_command[HCD_PATH_LEN];	/* "" = none */
	} node;
	struct {
		bool is_auto;			/* on at each start of the module */
		bool encrypt;
		uint64_t size;			/* 0 = not set */
		char backing[HCD_PATH_LEN];	/* "" = none */
	} swap;
	struct {
		char network[INET_ADDRSTRLEN];	/* first address of all environments */
	} env;
	struct hcd_peer_config *peers;		/* sorted by id */
	size_t nr_peers;
};

/* Free what @config points at; zeroed memory is fine. */
void hcd_config_free(struct hcd_config *config);

/**
 * hcd_config_parse - read a whole file's text
 * @name: of the file, for the error
 * @error: one sentence with file, line, reason and way out, on failure
 *
 * Return: 0 and *@ret_config (free with hcd_config_free()), -EINVAL, -ENOMEM.
 */
int hcd_config_parse(const char *text, size_t len, const char *name,
		     struct hcd_config *ret_config, char error[HCD_ERROR_LEN]);

/* The same from a file of at most HCD_CONFIG_SIZE_MAX bytes. Also -errno of open(2), read(2). */
int hcd_config_load(const char *path, struct hcd_config *ret_config, char error[HCD_ERROR_LEN]);

/**
 * hcd_psk_load - read the pre-shared key
 *
 * The whole content is the key. Refused: no regular file, not owned by root,
 * readable by others, shorter than 32 or longer than 4096 bytes, hardly random.
 * Return: 0, -EPERM, -EINVAL, or -errno of open(2), read(2); @error says why.
 */
int hcd_psk_load(const char *path, struct hcd_psk *ret_psk, char error[HCD_ERROR_LEN]);

/* "64M", "4GiB", "4096": bytes. Return: 0 or -EINVAL, -ERANGE. */
int hcd_size_parse(const char *text, uint64_t *ret_bytes);

/* An address of a node: IPv4 or IPv6 in digits, not unspecified nor multicast. */
bool hcd_address_is_valid(const char *text);

/* Socket address from digits and port, of an address that is valid. Return: its length. */
socklen_t hcd_address_make(const char *text, uint16_t port, struct sockaddr_storage *ret_addr);

#endif /* HCD_CONFIG_H */
