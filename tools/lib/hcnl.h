/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hcnl: typed calls of the generic netlink family "hyperchain", the only user
 * of libnl in this tree. The contract itself, command by command, is
 * <linux/hyperchain.h>; this file only gives it C types.
 *
 *	struct hcnl *h;
 *	struct hcnl_node node;
 *	int r = hcnl_open(&h);
 *
 *	if (r < 0)
 *		return r;		// -ENOENT: hcnl_missing_reason() says why
 *	r = hcnl_node_get(h, &node);
 *	if (r < 0)
 *		fprintf(stderr, "%s\n", hcnl_error(h));
 *	hcnl_close(h);
 *
 * Every call returns 0 (or a count where it says so) or a negative errno. The
 * refusal's sentence, as the kernel worded it, and the attribute it blames are
 * in hcnl_error() until the next call on that handle. The library never prints.
 *
 * A handle belongs to one thread at a time. Every call blocks until the kernel
 * has answered, which for PEER_ADD is when the hello exchange is done: a daemon
 * calls it in a worker, with a handle of its own. ret_ arguments are untouched
 * on failure. Sizes are in bytes, counts of pages say so.
 *
 * What the kernel did not tell (an older module) is zero, or an empty string.
 * A newer module's unknown attributes are passed over.
 */
#ifndef HCNL_H
#define HCNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/hyperchain.h>

#define HCNL_PATH_LEN		4096	/* with the NUL */
#define HCNL_ENV_CGROUPS_MAX	64	/* bound cgroups kept of one environment */

struct hcnl;

struct hcnl_node {
	uint32_t id;			/* 0 = not set yet */
	char name[HC_NAME_LEN + 1];
	uint64_t epoch;
	char version[HC_NAME_LEN + 1];	/* of the module */
	uint32_t daemon_port;		/* 0 = no daemon registered */
	uint32_t nr_peers;
	uint32_t nr_peers_live;
	uint64_t mem_total;
	uint64_t mem_available;
	uint32_t wire_version;
	uint8_t accepts_moves;		/* programs of peers may come */
};

#define HCNL_TEXT_LEN		192

/* The move of a program, as one end sees it. */
struct hcnl_move {
	uint64_t id;
	uint32_t pid;
	uint32_t peer;			/* the other end */
	uint8_t state;			/* enum hc_move_state */
	char comm[16];
	char reason[HCNL_TEXT_LEN];	/* why it ended */
	uint64_t memory;		/* with content when it was stopped */
	uint64_t left;			/* of it, still at the source */
	uint64_t stop_us;		/* how long it was stopped */
	uint64_t faults;		/* times it waited for memory */
	uint32_t nr_threads;
};

struct hcnl_peer {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	uint8_t state;			/* enum hc_peer_state */
	uint32_t nr_conns;		/* live connections */
	uint64_t epoch;			/* our lease epoch at that peer */
	uint64_t their_epoch;		/* its lease epoch here */
	uint64_t min_epoch;
	uint32_t version;		/* negotiated, 0 = not connected yet */
	uint64_t features;
	uint32_t rtt_us;
	uint8_t is_suspect;		/* answers late */
	uint8_t is_draining;		/* we move our pages off it */
	uint8_t they_drain;		/* it asked its borrowers to leave */
	uint64_t free;			/* it would still lend */
	uint64_t slabs;			/* leased by us from it */
	uint64_t used;			/* our pages on it */
	uint64_t lent;			/* it leases from us */
	uint64_t tx_bytes;
	uint64_t rx_bytes;
	uint64_t reads;			/* pages we read from it */
	uint64_t writes;		/* pages we wrote to it */
	uint64_t served_reads;		/* pages it read from us */
	uint64_t served_writes;		/* pages it wrote to us */
	uint64_t errors;
	uint32_t inflight;		/* requests waiting for it */
};

struct hcnl_pool {
	uint64_t limit;			/* lent at most */
	uint64_t reserve;		/* kept available for ourselves */
	uint8_t is_draining;
	uint64_t lent;
	uint64_t used;
	uint64_t recalled;		/* called back, not yet returned */
	uint8_t has_pressure;		/* below the reserve now */
};

struct hcnl_lease {
	uint32_t peer;			/* borrower */
	uint32_t env;
	uint64_t epoch;
	uint64_t bytes;
	uint64_t used;
	uint64_t limit;			/* 0 = only the pool's */
};

struct hcnl_disk {
	uint64_t size;
	uint8_t has_checksum;
	uint8_t is_open;
	uint64_t used;
	uint64_t zero;
	uint64_t degraded;
	uint64_t lost;
	uint64_t local;
	uint64_t reads;			/* pages, as are all up to freed */
	uint64_t writes;
	uint64_t errors;
	uint64_t refused;
	uint64_t retries;		/* requests */
	uint64_t repaired;
	uint64_t bad_sums;
	uint64_t freed;			/* slots */
	char backing_path[HCNL_PATH_LEN]; /* "" = none */
	uint64_t backing_size;
	uint64_t backing_errors;	/* requests that it failed */
};

struct hcnl_env {
	uint32_t id;
	char name[HC_NAME_LEN + 1];
	uint64_t quota;			/* 0 = as much as the disk holds */
	uint8_t replicas;
	uint32_t donors[HC_ENV_DONORS_MAX];
	size_t nr_donors;
	uint64_t cgroups[HCNL_ENV_CGROUPS_MAX];
	size_t nr_cgroups;		/* kept in @cgroups; more may be bound */
	uint64_t used;
	uint64_t degraded;
	uint64_t lost;
	uint64_t reads;			/* pages */
	uint64_t writes;		/* pages */
	uint64_t refused;		/* pages */
};

struct hcnl_event {
	uint32_t kind;			/* enum hc_event; newer ones may come */
	uint64_t seq;			/* a gap = events were missed */
	uint64_t time_ns;		/* since 1970 */
	uint32_t peer;			/* 0 = none */
	uint32_t env;			/* 0 = none */
	uint64_t count;
	char text[HC_TEXT_LEN + 1];
};

/* A relayed request as the daemon gets it. @payload is valid in the callback only. */
struct hcnl_request {
	uint64_t cookie;		/* for hcnl_answer() */
	const void *payload;
	size_t len;
	bool is_admin;			/* found out by the kernel, not claimed */
	uint32_t env;			/* the caller's environment, 0 = none */
	uint32_t pid;
	uint32_t uid;
};

/* ---- handles -------------------------------------------------------------- */

/**
 * hcnl_open - connect to the module on the node of this network namespace
 *
 * Return: 0; -ENOENT where the module is not loaded (hcnl_missing_reason()
 * explains), -EPROTONOSUPPORT where it speaks another version of the family,
 * -ENOMEM, or what socket(2) says. *@ret_h is closed with hcnl_close().
 */
int hcnl_open(struct hcnl **ret_h);

/* Free @h and close its socket. NULL is fine. */
void hcnl_close(struct hcnl *h);

static inline void hcnl_closep(struct hcnl **h)
{
	hcnl_close(*h);
}

/* Descriptor of @h for poll(2), owned by @h. It is blocking; hcnl_dispatch() and
 * hcnl_event_next() with a timeout of 0 never wait on it.
 */
int hcnl_fd(const struct hcnl *h);

/* Sentence of the last failed call on @h, "" after success. Valid until the next call. */
const char *hcnl_error(const struct hcnl *h);

/**
 * hcnl_missing_reason - say why the module is not there, and the way out
 * @buf: gets one or two sentences (modprobe, Secure Boot, DKMS)
 */
void hcnl_missing_reason(char *buf, size_t len);

/* ---- node ----------------------------------------------------------------- */

int hcnl_node_get(struct hcnl *h, struct hcnl_node *ret_node);

/* @id 0, @name NULL, @epoch 0: leave as it is. Admin. */
int hcnl_node_set(struct hcnl *h, uint32_t id, const char *name, uint64_t epoch);

/* ---- peers ---------------------------------------------------------------- */

struct hcnl_peer_add {
	uint32_t id;
	const char *name;		/* may be NULL */
	int fd;				/* connected TCP socket; the caller closes
					 * its copy afterwards, also on failure
					 */
	uint32_t conn;			/* 0..HC_CONNS_MAX-1, same at both ends */
};

/* Hand in one connection. Blocks until the hello exchange is done. Admin. */
int hcnl_peer_add(struct hcnl *h, const struct hcnl_peer_add *add);

/* Refuse requests and slabs of @id older than @min_epoch from now on (fencing). Admin. */
int hcnl_peer_fence(struct hcnl *h, uint32_t id, uint64_t min_epoch);

/* Move our pages off @id (true), or end that (false). Admin. */
int hcnl_peer_drain(struct hcnl *h, uint32_t id, bool drain);

/* -EBUSY while it holds pages of this node, unless @force. Admin. */
int hcnl_peer_del(struct hcnl *h, uint32_t id, bool force);

/* The same for a person: -EBUSY and what to do, also while this node lends to @id. Admin. */
int hcnl_peer_forget(struct hcnl *h, uint32_t id, bool force);

int hcnl_peer_get(struct hcnl *h, uint32_t id, struct hcnl_peer *ret_peer);

/* All peers, by id. *@ret_peers is freed by the caller with free(3), NULL when there are none. */
int hcnl_peer_list(struct hcnl *h, struct hcnl_peer **ret_peers, size_t *ret_n);

/* ---- pool: what we lend --------------------------------------------------- */

struct hcnl_pool_set {
	bool set_limit, set_reserve, set_drain, set_env_limit;
	uint64_t limit;
	uint64_t reserve;
	bool drain;
	uint32_t env;			/* with set_env_limit */
	uint64_t env_limit;
};

int hcnl_pool_get(struct hcnl *h, struct hcnl_pool *ret_pool);
int hcnl_pool_set(struct hcnl *h, const struct hcnl_pool_set *set);	/* Admin. */

/* Who borrows how much from us, by peer and environment; free(3). */
int hcnl_lease_list(struct hcnl *h, struct hcnl_lease **ret_leases, size_t *ret_n);

/* ---- swap disk: what we borrow -------------------------------------------- */

/* @path: block device, opened exclusively and overwritten. Admin. */
int hcnl_backing_add(struct hcnl *h, const char *path);
int hcnl_backing_del(struct hcnl *h);					/* Admin. */
int hcnl_disk_add(struct hcnl *h, uint64_t size, bool checksum);	/* Admin. */
int hcnl_disk_del(struct hcnl *h);					/* Admin. */
int hcnl_disk_get(struct hcnl *h, struct hcnl_disk *ret_disk);	/* -ENODEV: none */

/* ---- environments --------------------------------------------------------- */

struct hcnl_env_set {
	uint32_t id;			/* required */
	const char *name;		/* NULL: leave (SET) or none (ADD) */
	bool set_quota, set_replicas, set_donors;
	uint64_t quota;
	uint8_t replicas;
	const uint32_t *donors;		/* borrowed for the call */
	size_t nr_donors;		/* 0..HC_ENV_DONORS_MAX */
};

int hcnl_env_add(struct hcnl *h, const struct hcnl_env_set *env);	/* Admin. */
int hcnl_env_set(struct hcnl *h, const struct hcnl_env_set *env);	/* Admin. */
int hcnl_env_del(struct hcnl *h, uint32_t id);				/* Admin. */

/**
 * hcnl_env_withdraw - unbind an environment's cgroups and remove it. Admin.
 * @ret_used: bytes of it that were on the swap disk; they keep their copies until
 *	the programs end or the kernel frees them
 *
 * Return: 0; -ENOENT; other negative errno.
 */
int hcnl_env_withdraw(struct hcnl *h, uint32_t id, uint64_t *ret_used);

int hcnl_env_get(struct hcnl *h, uint32_t id, struct hcnl_env *ret_env);
int hcnl_env_list(struct hcnl *h, struct hcnl_env **ret_envs, size_t *ret_n); /* free(3) */

/* @cgroup: inode number of its directory, see hcnl_cgroup_id(). Admin. */
int hcnl_cgroup_bind(struct hcnl *h, uint32_t env, uint64_t cgroup);
int hcnl_cgroup_unbind(struct hcnl *h, uint64_t cgroup);

/* cgroup v2 id of a directory. -ENOTDIR, -EMEDIUMTYPE where it isn't in a cgroup v2 tree. */
int hcnl_cgroup_id(const char *path, uint64_t *ret_id);

/* Its directory again, absolute. -ESTALE when it has gone, -EPERM without CAP_DAC_READ_SEARCH. */
int hcnl_cgroup_path(uint64_t id, char *buf, size_t len);

/* ---- programs that move ------------------------------------------------------ */

/* Programs of peers may come here, or may not any more. Admin. */
int hcnl_move_accept(struct hcnl *h, bool accept);

#define HCNL_REASONS_MAX	64

/* Why @pid can't move: *@ret_n sentences, none when it can. Admin. */
int hcnl_move_check(struct hcnl *h, uint32_t pid, char ret_reasons[][HCNL_TEXT_LEN],
		    size_t *ret_n);

/* Begin: *@ret_id is its number. -EOPNOTSUPP when the program can't. Admin. */
int hcnl_move_start(struct hcnl *h, uint32_t pid, uint32_t peer, bool whole, uint64_t *ret_id);
int hcnl_move_get(struct hcnl *h, uint64_t id, struct hcnl_move *ret_move);
int hcnl_move_list(struct hcnl *h, struct hcnl_move **ret_moves, size_t *ret_n); /* free(3) */
int hcnl_move_resolve(struct hcnl *h, uint64_t id, enum hc_move_resolve how);
/* "away", "running" ... Static. */
const char *hcnl_move_state_name(unsigned int state);

/* ---- relay: CLI side ------------------------------------------------------ */

/**
 * hcnl_request - have the node's daemon answer @payload
 * @len: 1..HC_REQUEST_LEN
 * @ret_answer: allocated, NUL-terminated behind *@ret_len bytes; free(3)
 * @timeout_ms: how long to wait here, on top of the module's own
 *	request_timeout_ms; <= 0 leaves it to the module
 *
 * Return: 0, -ENOTCONN without a daemon, -ETIMEDOUT, -EAGAIN when too many
 * wait, -EMSGSIZE, or the errno the daemon answered with.
 */
int hcnl_request(struct hcnl *h, const void *payload, size_t len, char **ret_answer,
		 size_t *ret_len, int timeout_ms);

/* ---- relay: daemon side --------------------------------------------------- */

/* This handle becomes the node's daemon until it is closed. -EBUSY: there is one. Admin. */
int hcnl_daemon_register(struct hcnl *h);

struct hcnl_callbacks {
	/* Must be answered with hcnl_answer(), now or later, from the thread that owns @h. */
	void (*request)(struct hcnl *h, const struct hcnl_request *req, void *ctx);
	void *ctx;
};

/**
 * hcnl_dispatch - deliver the requests that wait, without blocking
 *
 * Call when hcnl_fd() is readable, and while hcnl_pending() is true: requests
 * that arrive while another call on this handle waits for its own answer are
 * kept aside, and poll(2) does not show them.
 *
 * Return: number delivered, or a negative errno: -ENOBUFS means that messages
 * were lost for want of room (their callers get -ETIMEDOUT), go on.
 */
int hcnl_dispatch(struct hcnl *h, const struct hcnl_callbacks *cb);
bool hcnl_pending(const struct hcnl *h);

/**
 * hcnl_answer - answer a relayed request
 * @cookie: of the request
 * @payload, @len: the answer, 1..HC_REQUEST_LEN bytes; ignored when @error > 0
 * @error: 0, or a positive errno instead of an answer
 *
 * Return: 0, -ENOENT where the caller has gone or given up.
 */
int hcnl_answer(struct hcnl *h, uint64_t cookie, const void *payload, size_t len, int error);

/* ---- events --------------------------------------------------------------- */

/* Like hcnl_open(), and joined to the events. -EPERM without CAP_NET_ADMIN. */
int hcnl_events_open(struct hcnl **ret_h);

/**
 * hcnl_event_next - next event
 * @timeout_ms: -1 waits forever, 0 never
 *
 * Return: 0, -EAGAIN when none came in time, -EINTR on a signal, -ENOBUFS when
 * events were lost because we were slow (go on; the next seq shows the gap).
 */
int hcnl_event_next(struct hcnl *h, struct hcnl_event *ret_ev, int timeout_ms);

/* ---- words ---------------------------------------------------------------- */

/* "live", "lost" ...; "state-N" is never needed: unknown gives "unknown". Static. */
const char *hcnl_peer_state_name(unsigned int state);
/* "peer-live", "pages-lost" ...; unknown gives "unknown". Static. */
const char *hcnl_event_name(unsigned int kind);
/* Name of an attribute of @cmd's set, "HC_A_PEER_ID"; NULL where there is none. Static. */
const char *hcnl_attr_name(unsigned int cmd, unsigned int attr);

#endif /* HCNL_H */
