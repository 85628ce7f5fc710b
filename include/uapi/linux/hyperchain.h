/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * hyperchain: generic netlink contract between hyperchain.ko and userspace.
 *
 * The family is called "hyperchain". A *node* is a network namespace; every
 * request acts on the node of the namespace that the netlink socket was made
 * in. The swap disk is the module's: there is at most one, and it uses the
 * peers of the node that added it.
 *
 * Who may do what
 *   Commands marked "admin" need CAP_SYS_ADMIN and CAP_NET_ADMIN in the initial
 *   user namespace and a caller outside every cgroup that is bound to an
 *   environment (-EPERM otherwise). Namespaces other than the first are refused
 *   unless the module was loaded with allow_netns=1. A GET from a process of a
 *   bound cgroup shows that environment and its donors only. Identity is that
 *   of the sending task, never what a message claims.
 *
 * Errors
 *   Every refusal carries an extack sentence, and the offending attribute
 *   where one attribute is to blame. Unknown attributes, commands and flags
 *   are refused. Every command has a policy of its own.
 *
 * Typical life of a node, as its daemon drives it
 *   DAEMON_REGISTER          the sender's port becomes the daemon of this node
 *   NODE_SET                 id and name of this node, its lease epoch
 *   POOL_SET                 how much memory this node lends
 *   PEER_ADD  (per socket)   a connected TCP socket to another node; the module
 *                            exchanges hello messages on it and owns it from
 *                            then on: the daemon must close its copy
 *   BACKING_ADD              block device for second copies and fallback
 *   DISK_ADD                 /dev/hcswap0 appears; mkswap and swapon as usual
 *   ENV_ADD, CGROUP_BIND     which cgroup may use whose memory, and how much
 *
 * A program moves (MOVE_START) from the node where it was started, its *home*, to
 * another one that takes programs in (NODE_SET with HC_A_NODE_MOVES=1). The process
 * at home becomes a *shadow* with the same pid, parent, terminal and descriptors.
 * <linux/hyperchain_move.h> is what the module and its two helpers say to each other.
 *
 * A peer that loses its last connection is *lost*: requests to it fail over at
 * once. If it does not come back within peer_grace_ms it is *dropped*: its
 * pages are given up, copied anew from the other replica, and its lease epoch
 * is raised, so that whatever it still holds is refused when it returns.
 *
 * Enums are append-only. Sizes are in bytes unless the name says pages.
 */
#ifndef _UAPI_LINUX_HYPERCHAIN_H
#define _UAPI_LINUX_HYPERCHAIN_H

#include <linux/types.h>

#define HC_GENL_NAME		"hyperchain"
#define HC_GENL_VERSION		1
#define HC_GENL_MCGRP_EVENTS	"events"	/* needs CAP_NET_ADMIN to join */

#define HC_NAME_LEN		63	/* bytes in a name, without the NUL */
#define HC_TEXT_LEN		255	/* bytes in an event's sentence */
#define HC_PEERS_MAX		255	/* peers of one node */
#define HC_CONNS_MAX		8	/* connections to one peer */
#define HC_ENVS_MAX		1023	/* environments of one node */
#define HC_ENV_DONORS_MAX	64	/* donors of one environment */
#define HC_REPLICAS_MAX		2	/* remote copies of one page */
#define HC_REQUEST_LEN		65000	/* bytes in a relayed request or answer */
#define HC_POOL_SIZE_MAX	(1ULL << 46)
#define HC_DISK_SIZE_MIN	(1ULL << 20)
#define HC_DISK_SIZE_MAX	(1ULL << 42)

/**
 * enum hc_cmd - commands
 *
 * @HC_CMD_NODE_GET:	do; anyone. Reply: HC_A_NODE_*
 * @HC_CMD_NODE_SET:	admin. HC_A_NODE_ID, _NAME, _EPOCH. The id may be set
 *			once, before the first peer
 * @HC_CMD_DAEMON_REGISTER: admin. The sender's port gets relayed requests; one
 *			daemon a node (-EBUSY)
 * @HC_CMD_PEER_ADD:	admin. HC_A_PEER_ID, _FD, _CONN (required), _NAME.
 *			Answers when the hello exchange is done
 * @HC_CMD_PEER_SET:	admin. HC_A_PEER_ID and _MIN_EPOCH: requests and slabs
 *			of that peer with an older epoch are refused from now on
 *			(fencing); or _DRAIN: 1 moves our pages off it, 0 ends that
 * @HC_CMD_PEER_DEL:	admin. HC_A_PEER_ID. Refused (-EBUSY) while it holds a page
 *			of this node, unless HC_A_PEER_FORCE
 * @HC_CMD_PEER_GET:	do (HC_A_PEER_ID) and dump; anyone
 * @HC_CMD_POOL_SET:	admin. HC_A_POOL_LIMIT, _RESERVE, _DRAIN
 * @HC_CMD_POOL_GET:	do; anyone
 * @HC_CMD_LEASE_GET:	dump: who borrows how much of our pool (HC_A_LEASE_*)
 * @HC_CMD_BACKING_ADD:	admin. HC_A_BACKING_PATH: a block device, opened
 *			exclusively and overwritten
 * @HC_CMD_BACKING_DEL:	admin. -EBUSY while pages are there
 * @HC_CMD_DISK_ADD:	admin. HC_A_DISK_SIZE; HC_A_DISK_CHECKSUM
 * @HC_CMD_DISK_DEL:	admin. -EBUSY while open (swapoff first)
 * @HC_CMD_DISK_GET:	do; anyone. -ENODEV where there is none
 * @HC_CMD_ENV_ADD:	admin. HC_A_ENV_ID, _NAME, _QUOTA, _REPLICAS, _DONORS
 * @HC_CMD_ENV_SET:	admin. HC_A_ENV_ID and what changes. A donor taken off
 *			the list is emptied in the background
 * @HC_CMD_ENV_DEL:	admin. -EBUSY while cgroups are bound. Its pages keep their
 *			copies; the last one that the kernel frees takes it along
 * @HC_CMD_ENV_GET:	do (HC_A_ENV_ID) and dump
 * @HC_CMD_CGROUP_BIND:	admin. HC_A_ENV_ID and HC_A_ENV_CGROUP (cgroup v2 id =
 *			inode number of its directory). Everything below belongs
 *			to it too. Several cgroups may be bound to one environment
 * @HC_CMD_CGROUP_UNBIND: admin. HC_A_ENV_CGROUP
 * @HC_CMD_REQUEST:	anyone; relayed to the node's daemon. HC_A_REQ_PAYLOAD.
 *			The answer is a HC_CMD_ANSWER message with the sequence
 *			number of the request. -ENOTCONN without a daemon,
 *			-ETIMEDOUT after 30 s, -EAGAIN when too many wait
 * @HC_CMD_ANSWER:	daemon only. HC_A_REQ_COOKIE, _PAYLOAD or _ERROR
 * @HC_CMD_EVENT:	multicast only. HC_A_EV_*
 * @HC_CMD_MOVE_CHECK:	admin. HC_A_MOVE_PID. Reply: a HC_A_MOVE_REASON for everything
 *			that keeps the program from moving; none: it can. Costs it nothing
 * @HC_CMD_MOVE_START:	admin. HC_A_MOVE_PID (in the caller's pid namespace),
 *			HC_A_MOVE_PEER; HC_A_MOVE_WHOLE. Answers with HC_A_MOVE_ID when it is
 *			under way; MOVE_GET tells how it goes on. -EOPNOTSUPP with the first
 *			reason when the program can't be moved
 * @HC_CMD_MOVE_GET:	admin. do (HC_A_MOVE_ID) and dump. Moves that ended are kept for
 *			some minutes
 * @HC_CMD_MOVE_RESOLVE: admin. HC_A_MOVE_ID, HC_A_MOVE_RESOLVE: ends a move in doubt
 *			(HC_MOVE_DOUBT); stops one that has not committed yet
 */
enum hc_cmd {
	HC_CMD_UNSPEC,
	HC_CMD_NODE_GET,
	HC_CMD_NODE_SET,
	HC_CMD_DAEMON_REGISTER,
	HC_CMD_PEER_ADD,
	HC_CMD_PEER_SET,
	HC_CMD_PEER_DEL,
	HC_CMD_PEER_GET,
	HC_CMD_POOL_SET,
	HC_CMD_POOL_GET,
	HC_CMD_LEASE_GET,
	HC_CMD_BACKING_ADD,
	HC_CMD_BACKING_DEL,
	HC_CMD_DISK_ADD,
	HC_CMD_DISK_DEL,
	HC_CMD_DISK_GET,
	HC_CMD_ENV_ADD,
	HC_CMD_ENV_SET,
	HC_CMD_ENV_DEL,
	HC_CMD_ENV_GET,
	HC_CMD_CGROUP_BIND,
	HC_CMD_CGROUP_UNBIND,
	HC_CMD_REQUEST,
	HC_CMD_ANSWER,
	HC_CMD_EVENT,
	HC_CMD_MOVE_CHECK,
	HC_CMD_MOVE_START,
	HC_CMD_MOVE_GET,
	HC_CMD_MOVE_RESOLVE,
	__HC_CMD_MAX,
};
#define HC_CMD_MAX (__HC_CMD_MAX - 1)

/* The node itself. */
enum hc_a_node {
	HC_A_NODE_UNSPEC,
	HC_A_NODE_PAD,
	HC_A_NODE_ID,		/* u32, 1.. ; 0 = not set yet */
	HC_A_NODE_NAME,		/* string */
	HC_A_NODE_EPOCH,	/* u64, lease epoch; only grows */
	HC_A_NODE_VERSION,	/* string, module version */
	HC_A_NODE_DAEMON,	/* u32, port of the registered daemon, 0 = none */
	HC_A_NODE_PEERS,	/* u32, peers known */
	HC_A_NODE_PEERS_LIVE,	/* u32, of these connected */
	HC_A_NODE_MEM_TOTAL,	/* u64, RAM of the machine */
	HC_A_NODE_MEM_AVAILABLE, /* u64 */
	HC_A_NODE_WIRE_VERSION,	/* u32, newest page-fabric version spoken */
	HC_A_NODE_MOVES,	/* u8: 1 = programs of peers may move here; default 0 */
	__HC_A_NODE_MAX,
};
#define HC_A_NODE_MAX (__HC_A_NODE_MAX - 1)

/**
 * enum hc_peer_state - how a peer is seen from here
 * @HC_PEER_NEW:	known, never connected, or dropped
 * @HC_PEER_LIVE:	at least one connection answers
 * @HC_PEER_LOST:	no connection; its pages are kept for peer_grace_ms
 * @HC_PEER_DROPPING:	its pages are being given up
 */
enum hc_peer_state {
	HC_PEER_NEW,
	HC_PEER_LIVE,
	HC_PEER_LOST,
	HC_PEER_DROPPING,
};

enum hc_a_peer {
	HC_A_PEER_UNSPEC,
	HC_A_PEER_PAD,
	HC_A_PEER_ID,		/* u32, node id of the peer */
	HC_A_PEER_NAME,		/* string */
	HC_A_PEER_FD,		/* u32, connected TCP socket */
	HC_A_PEER_CONN,		/* u32, 0..HC_CONNS_MAX-1: which connection this is;
				 * both ends must use the same number
				 */
	HC_A_PEER_MIN_EPOCH,	/* u64, least lease epoch it is served with; 0 = no fence */
	HC_A_PEER_DRAIN,	/* u8: we move our pages off it */
	HC_A_PEER_FORCE,	/* flag */
	HC_A_PEER_STATE,	/* u8, enum hc_peer_state */
	HC_A_PEER_CONNS,	/* u32, live connections */
	HC_A_PEER_EPOCH,	/* u64, our lease epoch at that peer */
	HC_A_PEER_THEIR_EPOCH,	/* u64, its lease epoch here */
	HC_A_PEER_VERSION,	/* u32, negotiated page-fabric version */
	HC_A_PEER_FEATURES,	/* u64, negotiated feature bits */
	HC_A_PEER_RTT_US,	/* u32, smoothed round trip of a ping */
	HC_A_PEER_SUSPECT,	/* u8: answers late */
	HC_A_PEER_THEY_DRAIN,	/* u8: it asked its borrowers to leave */
	HC_A_PEER_FREE,		/* u64, bytes it would still lend */
	HC_A_PEER_SLABS,	/* u64, bytes leased by us from it */
	HC_A_PEER_USED,		/* u64, bytes of our pages on it */
	HC_A_PEER_LENT,		/* u64, bytes it leases from us */
	HC_A_PEER_TX_BYTES,	/* u64 */
	HC_A_PEER_RX_BYTES,	/* u64 */
	HC_A_PEER_READS,	/* u64, pages we read from it */
	HC_A_PEER_WRITES,	/* u64, pages we wrote to it */
	HC_A_PEER_SERVED_READS,	/* u64, pages it read from us */
	HC_A_PEER_SERVED_WRITES, /* u64, pages it wrote to us */
	HC_A_PEER_ERRORS,	/* u64, protocol errors, bad checksums */
	HC_A_PEER_INFLIGHT,	/* u32, requests waiting for it */
	__HC_A_PEER_MAX,
};
#define HC_A_PEER_MAX (__HC_A_PEER_MAX - 1)

enum hc_a_pool {
	HC_A_POOL_UNSPEC,
	HC_A_POOL_PAD,
	HC_A_POOL_LIMIT,	/* u64, bytes lent at most */
	HC_A_POOL_RESERVE,	/* u64, keep this much available for ourselves:
				 * below it slabs are called back
				 */
	HC_A_POOL_DRAIN,	/* u8: 1 = lend nothing more and call all back */
	HC_A_POOL_LENT,		/* u64, bytes in leased slabs */
	HC_A_POOL_USED,		/* u64, bytes written by borrowers */
	HC_A_POOL_RECALLED,	/* u64, bytes called back and not yet returned */
	HC_A_POOL_PRESSURE,	/* u8: below the reserve now */
	HC_A_POOL_ENV,		/* u32, POOL_SET: environment that _ENV_LIMIT is for */
	HC_A_POOL_ENV_LIMIT,	/* u64, bytes lent to that environment at most */
	__HC_A_POOL_MAX,
};
#define HC_A_POOL_MAX (__HC_A_POOL_MAX - 1)

/* One row of LEASE_GET: one borrower and environment. */
enum hc_a_lease {
	HC_A_LEASE_UNSPEC,
	HC_A_LEASE_PAD,
	HC_A_LEASE_PEER,	/* u32, borrower */
	HC_A_LEASE_ENV,		/* u32 */
	HC_A_LEASE_EPOCH,	/* u64 */
	HC_A_LEASE_BYTES,	/* u64, leased */
	HC_A_LEASE_USED,	/* u64, written */
	HC_A_LEASE_LIMIT,	/* u64, 0 = only the pool's */
	__HC_A_LEASE_MAX,
};
#define HC_A_LEASE_MAX (__HC_A_LEASE_MAX - 1)

enum hc_a_backing {
	HC_A_BACKING_UNSPEC,
	HC_A_BACKING_PATH,	/* string, block device */
	__HC_A_BACKING_MAX,
};
#define HC_A_BACKING_MAX (__HC_A_BACKING_MAX - 1)

enum hc_a_disk {
	HC_A_DISK_UNSPEC,
	HC_A_DISK_PAD,
	HC_A_DISK_SIZE,		/* u64, multiple of the page size */
	HC_A_DISK_CHECKSUM,	/* u8, default 1 */
	HC_A_DISK_OPEN,		/* u8: in use, as swap or by hand */
	HC_A_DISK_USED,		/* u64, bytes in slots that hold data */
	HC_A_DISK_ZERO,		/* u64, bytes in slots known to be zero */
	HC_A_DISK_DEGRADED,	/* u64, bytes with fewer copies than wanted */
	HC_A_DISK_LOST,		/* u64, bytes in slots without any copy left */
	HC_A_DISK_LOCAL,	/* u64, bytes that (also) are on the backing device */
	HC_A_DISK_READS,	/* u64, pages */
	HC_A_DISK_WRITES,	/* u64, pages */
	HC_A_DISK_ERRORS,	/* u64, pages answered with an I/O error */
	HC_A_DISK_REFUSED,	/* u64, pages refused: no environment, no quota */
	HC_A_DISK_RETRIES,	/* u64, requests sent again after a loss */
	HC_A_DISK_REPAIRED,	/* u64, pages copied again by the module */
	HC_A_DISK_BAD_SUMS,	/* u64, pages whose checksum did not match */
	HC_A_DISK_FREED,	/* u64, slots freed by the kernel */
	HC_A_DISK_BACKING_PATH,	/* string, absent = none */
	HC_A_DISK_BACKING_SIZE,	/* u64 */
	HC_A_DISK_BACKING_ERRORS, /* u64, requests that the backing device failed */
	__HC_A_DISK_MAX,
};
#define HC_A_DISK_MAX (__HC_A_DISK_MAX - 1)

enum hc_a_env {
	HC_A_ENV_UNSPEC,
	HC_A_ENV_PAD,
	HC_A_ENV_ID,		/* u32, 1..HC_ENVS_MAX */
	HC_A_ENV_NAME,		/* string */
	HC_A_ENV_QUOTA,		/* u64, bytes swapped out at most, each page counted
				 * once; 0 = as much as the disk holds
				 */
	HC_A_ENV_REPLICAS,	/* u8, 1..HC_REPLICAS_MAX, default 2 */
	HC_A_ENV_DONORS,	/* nested list of HC_A_ENV_DONOR */
	HC_A_ENV_DONOR,		/* u32, node id */
	HC_A_ENV_CGROUP,	/* u64, cgroup id; repeated in GET */
	HC_A_ENV_USED,		/* u64 */
	HC_A_ENV_DEGRADED,	/* u64 */
	HC_A_ENV_LOST,		/* u64, bytes lost since it was added */
	HC_A_ENV_READS,		/* u64, pages */
	HC_A_ENV_WRITES,	/* u64, pages */
	HC_A_ENV_REFUSED,	/* u64, pages refused by the quota or for want of room */
	__HC_A_ENV_MAX,
};
#define HC_A_ENV_MAX (__HC_A_ENV_MAX - 1)

/**
 * enum hc_move_state - where a move is; source and target have states of their own
 * @HC_MOVE_NEW:	source: nothing was sent yet
 * @HC_MOVE_OFFERED:	source: the target prepares, the program runs
 * @HC_MOVE_STOPPED:	source: the program is stopped, its state travels
 * @HC_MOVE_DOUBT:	source: told to run there, not answered yet: stopped here
 * @HC_MOVE_AWAY:	source: it runs there, some of its memory is still here
 * @HC_MOVE_SETTLED:	source: it runs there; only the shadow is left
 * @HC_MOVE_STAYED:	source: over, it runs here as if nothing had been
 * @HC_MOVE_OVER:	source: over, the program has ended
 * @HC_MOVE_INVITED:	target: a helper prepares or loads the state
 * @HC_MOVE_LOADED:	target: ready to run, waits for the word
 * @HC_MOVE_RUNNING:	target: it runs here, some of its memory is still at the source
 * @HC_MOVE_WHOLE:	target: it runs here with all its memory
 * @HC_MOVE_NEVER:	target: over, it never ran here
 * @HC_MOVE_GONE:	target: over, the program has ended
 */
enum hc_move_state {
	HC_MOVE_NEW,
	HC_MOVE_OFFERED,
	HC_MOVE_STOPPED,
	HC_MOVE_DOUBT,
	HC_MOVE_AWAY,
	HC_MOVE_SETTLED,
	HC_MOVE_STAYED,
	HC_MOVE_OVER,
	HC_MOVE_INVITED,
	HC_MOVE_LOADED,
	HC_MOVE_RUNNING,
	HC_MOVE_WHOLE,
	HC_MOVE_NEVER,
	HC_MOVE_GONE,
};

/**
 * enum hc_move_resolve - what an admin decides
 * @HC_MOVE_RESUME:	it goes on here; only when the target surely does not run it
 * @HC_MOVE_DROP:	it lives there; this end becomes the shadow
 */
enum hc_move_resolve {
	HC_MOVE_RESUME = 1,
	HC_MOVE_DROP,
};

enum hc_a_move {
	HC_A_MOVE_UNSPEC,
	HC_A_MOVE_PAD,
	HC_A_MOVE_ID,		/* u64 */
	HC_A_MOVE_PID,		/* u32, at this node, in the initial pid namespace */
	HC_A_MOVE_PEER,		/* u32, node id of the other end */
	HC_A_MOVE_WHOLE,	/* flag: copy all memory while it is stopped */
	HC_A_MOVE_RESOLVE,	/* u8, enum hc_move_resolve */
	HC_A_MOVE_STATE,	/* u8, enum hc_move_state */
	HC_A_MOVE_COMM,		/* string, name of the program */
	HC_A_MOVE_REASON,	/* string, a sentence; repeated in MOVE_CHECK; GET: why it ended */
	HC_A_MOVE_MEMORY,	/* u64, bytes with content when it was stopped */
	HC_A_MOVE_LEFT,		/* u64, of these still at the source */
	HC_A_MOVE_STOP_US,	/* u64, from the stop to the answer that it runs there */
	HC_A_MOVE_FAULTS,	/* u64, times the program waited for memory, known at the target */
	HC_A_MOVE_THREADS,	/* u32 */
	__HC_A_MOVE_MAX,
};
#define HC_A_MOVE_MAX (__HC_A_MOVE_MAX - 1)

enum hc_a_req {
	HC_A_REQ_UNSPEC,
	HC_A_REQ_PAD,
	HC_A_REQ_COOKIE,	/* u64, given by the module, returned by the daemon */
	HC_A_REQ_PAYLOAD,	/* binary, 1..HC_REQUEST_LEN */
	HC_A_REQ_ERROR,		/* u32, positive errno instead of an answer */
	HC_A_REQ_ADMIN,		/* u8: the caller is an admin */
	HC_A_REQ_ENV,		/* u32, the caller's environment, 0 = none */
	HC_A_REQ_PID,		/* u32, the caller in the initial pid namespace */
	HC_A_REQ_UID,		/* u32, the caller in the initial user namespace */
	__HC_A_REQ_MAX,
};
#define HC_A_REQ_MAX (__HC_A_REQ_MAX - 1)

/**
 * enum hc_event - what happened; numbers never change their meaning
 * @HC_EV_PEER_LIVE:	a peer answers (first connection)
 * @HC_EV_PEER_LOST:	its last connection went
 * @HC_EV_PEER_DROPPED:	its pages were given up, its lease epoch raised
 * @HC_EV_PEER_REFUSED:	a hello was refused (version, epoch, identity)
 * @HC_EV_CONN_FAILED:	one connection ended, with the reason in the text
 * @HC_EV_PAGES_LOST:	pages of an environment without any copy left; count in pages
 * @HC_EV_DEGRADED:	pages with fewer copies than wanted; count in pages
 * @HC_EV_REPAIRED:	every page has its copies again
 * @HC_EV_QUOTA:	an environment reached its quota
 * @HC_EV_NO_ROOM:	no donor had room; local backing used, or write refused
 * @HC_EV_RECALL:	the pool calls memory back (pressure or drain)
 * @HC_EV_DRAINED:	a drain is complete
 * @HC_EV_BAD_SUM:	a donor returned wrong bytes
 * @HC_EV_DAEMON_GONE:	the registered daemon closed its socket
 * @HC_EV_BACKING_ERROR: the local backing device failed requests; count of them
 * @HC_EV_MOVED:	a program runs at another node from now on; count is its pid
 * @HC_EV_MOVE_FAILED:	a move ended and the program runs on where it was
 * @HC_EV_MOVE_DOUBT:	a target does not say whether it runs the program
 * @HC_EV_MOVE_LOST:	a moved program died with a node
 * @HC_EV_READ_FAILED:	a page could not be read: no copy is left, or none is in reach
 */
enum hc_event {
	HC_EV_UNSPEC,
	HC_EV_PEER_LIVE,
	HC_EV_PEER_LOST,
	HC_EV_PEER_DROPPED,
	HC_EV_PEER_REFUSED,
	HC_EV_CONN_FAILED,
	HC_EV_PAGES_LOST,
	HC_EV_DEGRADED,
	HC_EV_REPAIRED,
	HC_EV_QUOTA,
	HC_EV_NO_ROOM,
	HC_EV_RECALL,
	HC_EV_DRAINED,
	HC_EV_BAD_SUM,
	HC_EV_DAEMON_GONE,
	HC_EV_BACKING_ERROR,
	HC_EV_MOVED,
	HC_EV_MOVE_FAILED,
	HC_EV_MOVE_DOUBT,
	HC_EV_MOVE_LOST,
	HC_EV_READ_FAILED,
	__HC_EV_MAX,
};
#define HC_EV_MAX (__HC_EV_MAX - 1)

enum hc_a_ev {
	HC_A_EV_UNSPEC,
	HC_A_EV_PAD,
	HC_A_EV_KIND,		/* u32, enum hc_event */
	HC_A_EV_SEQ,		/* u64, counts the events of this node: gaps show */
	HC_A_EV_TIME,		/* u64, nanoseconds since 1970 */
	HC_A_EV_PEER,		/* u32, 0 = none */
	HC_A_EV_ENV,		/* u32, 0 = none */
	HC_A_EV_COUNT,		/* u64 */
	HC_A_EV_TEXT,		/* string, one sentence */
	__HC_A_EV_MAX,
};
#define HC_A_EV_MAX (__HC_A_EV_MAX - 1)

#endif /* _UAPI_LINUX_HYPERCHAIN_H */
