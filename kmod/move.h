/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The move of one program, seen from one end (SPEC R21). What may happen when is
 * decided by policy/move.h; here is what it is made of. Files:
 *
 *	move.c		the object: life, steps, what an admin sees
 *	move_wire.c	messages to and from the other end
 *	move_source.c	drives a move from its start until it runs there
 *	move_check.c	what keeps a program from moving
 *	move_park.c	stops threads, lets them go on, makes the shadow
 *	move_capture.c	writes the image
 *	move_memory.c	the source's memory, page by page
 *	move_home.c	the shadow's descriptor: signals, end
 *	move_serve.c	files at home, worked on for the program by the shadow's threads
 *	move_target.c	the helper's descriptor
 *	move_restore.c	an image becomes a process
 *	move_store.c	memory that is not here yet: mappings, faults
 *	move_fetch.c	asking for it, until all of it is here
 *	move_proxy.c	files that are served from home: requests, poll, life
 *	move_proxy_file.c	pipes, terminals and regular files among them
 *
 * References: the node's list holds one until the move is over and told; each
 * message under way, each parked thread, each open descriptor of a helper, each
 * store holds one. Each move pins the module: none may be left behind without it.
 */
#ifndef _HC_MOVE_H
#define _HC_MOVE_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <hyperchain/image.h>
#include <uapi/linux/hyperchain_move.h>

#include "policy/image.h"
#include "policy/move.h"
#include "policy/wire_check.h"

struct bio_vec;
struct hc_conn;
struct hc_home;
struct hc_node;
struct hc_park;
struct hc_peer;
struct hc_store;
struct netlink_ext_ack;

struct hc_move {
	struct kref kref;
	struct work_struct free_work;
	struct list_head list;		/* node->moves, node->moves_lock */
	struct hc_node *node;
	struct hc_peer *peer;		/* the other end; reference held */
	u64 peer_incarnation;		/* of its module when the move began */
	u64 id;
	bool is_listed;			/* node->moves_lock */
	unsigned long over_at;		/* jiffies */
	struct delayed_work tick_work;

	spinlock_t lock;
	struct hc_move_sm sm;		/* lock; read racily */
	char reason[HCM_TEXT_LEN];	/* lock; why it ended */
	wait_queue_head_t wq;		/* something of this move has changed */

	u32 pid_nr;			/* as an admin of this node sees it */
	u32 flags;
	char comm[TASK_COMM_LEN];
	u32 nr_threads;
	u64 nr_pages;			/* with content when it was stopped */
	ktime_t stopped_at, runs_at;

	/* source */
	struct pid *pid;		/* of the process, and then of its shadow */
	struct task_struct *leader;
	struct work_struct drive_work;
	struct hc_park *park;
	struct mm_struct *mm;		/* held until the target has all of it; mm_lock */
	struct rw_semaphore mm_lock;
	void *image;
	u32 image_len;
	atomic64_t nr_sent;		/* pages */
	bool is_ready, is_loaded, has_failed, wants_stop;
	struct file *shadow_exe;
	struct hc_home *home;
	bool owes_kill;			/* the target has not heard yet that home was killed */
	u32 end_status;			/* wait status of the program, once ended */

	/* target */
	struct hcw_move_offer offer;
	struct file *ctl;		/* not held: the helper's descriptor, NULL when closed */
	bool is_bound;			/* the helper has opened it */
	bool has_image, is_let_go, is_told;
	u32 nr_joined;
	struct mutex join_lock;
	struct hc_thread_in *threads;	/* image's threads, as they join */
	struct pid *runner;		/* the process that is, or will be, the program */
	struct hc_store *store;
	struct work_struct target_work;	/* starts the helper */
	struct work_struct loaded_work;	/* all threads have joined */
	struct list_head stores;	/* lock */
	unsigned long give_up_at;	/* jiffies */
	s64 mono_off_ns, boot_off_ns;	/* source's clocks minus ours */
	atomic64_t nr_faults;
	atomic_t nr_stores;
	struct list_head ios;		/* requests to home under way; lock */
	struct list_head proxies;	/* files served from home; lock */
	u64 io_id;			/* lock */
	bool has_no_files;		/* lock: home does not serve any more */
	unsigned long away_at;		/* jiffies when home was lost, 0 = it is there */
	bool home_is_gone;
	bool home_is_stopped;		/* it stopped because home did: no news there */
};

#define HC_MOVE_TICK_MS		100
#define HC_MOVE_REMEMBER_MS	5000	/* one that is over can be asked about as long */
#define HC_MOVE_WHOLE_FIRST	0x1	/* all memory is copied while it is stopped */

/* ---- move.c ---- */

struct hc_move *hc_move_new(struct hc_node *node, struct hc_peer *peer, u64 id, u8 state);
struct hc_move *hc_move_get(struct hc_move *move);
void hc_move_put(struct hc_move *move);

/** hc_move_list() - make it found by others; -EEXIST when its id is taken */
int hc_move_list(struct hc_move *move);

/** hc_move_find() - by id, of @peer or of any (NULL); a reference or NULL. Any context but irq */
struct hc_move *hc_move_find(struct hc_node *node, struct hc_peer *peer, u64 id);

/** hc_move_of_pid() - one that is not over, whose process at this node is @pid */
struct hc_move *hc_move_of_pid(struct hc_node *node, struct pid *pid);

/**
 * hc_move_step() - take a step and do what follows from it
 * @fmt: why, for the user, or NULL. Kept when it is the first
 *
 * Return: what the policy said. Context: process, may sleep; not from a parked thread.
 */
__printf(3, 4)
u32 hc_move_do(struct hc_move *move, enum hc_move_event event, const char *fmt, ...);

u8 hc_move_state(const struct hc_move *move);
__printf(2, 3)
void hc_move_say(struct hc_move *move, const char *fmt, ...);

int hc_move_init(void);
void hc_move_exit(void);

/* Every HC_MOVE_TICK_MS, by the side it is on. */
void hc_move_tick_source(struct hc_move *move);
void hc_move_tick_target(struct hc_move *move);

/** hc_moves_drop() - the node goes: no move of it is left */
void hc_moves_drop(struct hc_node *node);

/** hc_move_unlist() - nobody finds it any more; drops the list's reference */
void hc_move_unlist(struct hc_move *move);

/* ---- move_wire.c ---- */

/* A request from the other end. */
struct hc_move_req {
	struct work_struct work;
	struct hc_conn *conn;		/* reference held */
	struct hc_msg msg;
	u8 data[];			/* msg.nr bytes of an HCW_MOVE */
};

/* For the receiver, softirq: NULL when there is no memory. Takes a reference of @conn. */
struct hc_move_req *hc_move_req_new(struct hc_conn *conn, const struct hc_msg *msg);
void hc_move_req_queue(struct hc_move_req *req);
void hc_move_req_free(struct hc_move_req *req);

/**
 * hc_move_send() - send a step and wait for the answer
 * @data, @len: payload, up to HCW_MOVE_DATA_MAX
 * @ret_data: HCW_CTL_MAX bytes for the answer's payload, or NULL when none is expected
 * @ret: the answer, or NULL
 *
 * Bounded by request_timeout_ms. Return: 0 when answered (ret->status counts, without
 * @ret other than OK is -EREMOTEIO), -ENOTCONN, -ECONNRESET.
 */
int hc_move_send(struct hc_move *move, enum hcw_move_op op, u64 arg, const void *data, u32 len,
		 void *ret_data, struct hc_msg *ret);

/** hc_move_peer_alive() - the module at the other end is the one that the move began with */
enum hc_move_peer { HC_MOVE_PEER_LIVE, HC_MOVE_PEER_AWAY, HC_MOVE_PEER_REBORN };
enum hc_move_peer hc_move_peer_state(struct hc_move *move);

/* ---- move_source.c ---- */

int hc_move_start(struct hc_node *node, struct pid *pid, u32 peer, u32 flags, u64 *ret_id,
		  struct netlink_ext_ack *extack);
int hc_move_resolve(struct hc_move *move, enum hc_move_resolve how,
		    struct netlink_ext_ack *extack);
void hc_move_drive(struct work_struct *work);
/** hc_move_kill_away() - home was killed: the target is told, now or by the tick */
void hc_move_kill_away(struct hc_move *move);

/* ---- move_check.c ---- */

#define HC_MOVE_REASONS_MAX	32

struct hc_move_reasons {
	u32 nr;
	char text[HC_MOVE_REASONS_MAX][HCM_TEXT_LEN];
};

__printf(2, 3)
void hc_move_reason(struct hc_move_reasons *r, const char *fmt, ...);

/**
 * hc_move_check() - every reason why @leader's process can't move
 * @by_us: references of ours to its memory, 0 or 1
 */
void hc_move_check(struct task_struct *leader, unsigned int by_us, struct hc_move_reasons *ret);

/** hc_move_file_kind() - enum hci_file_kind for an open file, or -1 with a reason in @r */
int hc_move_file_kind(struct file *file, u32 fd, struct hc_move_reasons *r);

/* Descriptors of a program, ascending; a reference of each file is held. */
struct hc_files {
	u32 nr;
	struct file *file[HCI_FILES_MAX];
	u32 fd[HCI_FILES_MAX];
};

/** hc_files_get() - of @leader; NULL when out of memory or out of range (more than fit) */
struct hc_files *hc_files_get(struct task_struct *leader);
void hc_files_put(struct hc_files *files);

/* ---- move_park.c ---- */

enum hc_park_state { HC_PARK_QUEUED, HC_PARK_PARKED, HC_PARK_GONE };

/* A thread while it is stopped. */
struct hc_thread {
	struct callback_head cb;
	struct hc_move *move;		/* reference held until the callback is through */
	struct task_struct *task;	/* reference held */
	int state;			/* enum hc_park_state; park->lock */
	struct hci_thread out;
	void *xstate;
	u32 xstate_len;
	u32 nr_pending;			/* own pending signals that the image carries */
	bool is_unsupported;		/* interrupted in a call that can't be carried */
	bool rewinds_eintr;
	long raw_ax;
};

struct hc_park {
	spinlock_t lock;
	wait_queue_head_t wq;
	struct hc_thread **threads;	/* HCI_THREADS_MAX */
	u32 nr;
	u32 nr_settled;			/* parked or gone */
	bool is_released;		/* go on */
	bool becomes_shadow;
	bool is_shadow;			/* the leader is past the point of return */
	bool itimer_is_held;		/* lock: the capture stopped it */
	s64 itimer_left_ns;
	ktime_t itimer_at;
};

/** hc_move_park() - stop all threads; -ETIMEDOUT, -EINTR (killed), -E2BIG, -ENOMEM */
int hc_move_park(struct hc_move *move, unsigned int timeout_ms);

/** hc_move_unpark() - let them go on; as the shadow when @shadow. Any context, once counts */
void hc_move_unpark(struct hc_move *move, bool shadow);
void hc_move_park_free(struct hc_move *move);

/* ---- move_capture.c ---- */

/** hc_move_capture() - while parked: image, mm, number of pages. 0, -errno with move->reason set */
int hc_move_capture(struct hc_move *move);

/** hc_move_file_sum() - size and checksum of a file's content; 0 or -errno */
int hc_move_file_sum(struct file *file, u64 *ret_size, u64 *ret_sum);

/* ---- move_memory.c ---- */

/* An image under construction. */
struct hc_image {
	void *data;
	u64 len, room;
	int err;
};

void *hc_image_add(struct hc_image *image, u32 type, u32 len);
bool hc_mm_is_private(struct mm_struct *mm, unsigned long addr);
/** hc_mm_runs() - RUN records for what is there in [start, end); the number of pages */
u64 hc_mm_runs(struct mm_struct *mm, unsigned long start, unsigned long end,
	       struct hc_image *image);
/** hc_move_pages() - pages of the held memory; 0, or -errno with none held */
int hc_move_pages(struct hc_move *move, u64 addr, u32 nr, struct page **ret);
void hc_move_memory_free(struct hc_move *move);
u64 hc_vdso_hash(u64 *ret_len);

/* ---- move_home.c ---- */

/** hc_move_home_prepare() - before anything stops: what can fail then does not fail later */
int hc_move_home_prepare(struct hc_move *move);
/** hc_move_home_fd() - in the leader: a descriptor for the shadow; >= 0 or -errno */
int hc_move_home_fd(struct hc_move *move);
void hc_move_home_news(struct hc_move *move, u32 kind, u32 status);
void hc_move_home_free(struct hc_move *move);
/** hc_move_home_watch() - tell the program about job control of the shadow; by the tick */
void hc_move_home_watch(struct hc_move *move);

/* ---- move_serve.c ---- */

#define HC_IO_WINDOW 4096	/* requests whose numbers are remembered */

struct hc_home {
	struct hc_move *move;
	spinlock_t lock;
	wait_queue_head_t wq;		/* news */
	wait_queue_head_t serve_wq;	/* requests */
	u32 kind[16], status[16];	/* news, a ring */
	u32 head, tail;
	bool is_attached, is_closed;
	bool was_stopped;
	/* lock: */
	struct list_head requests;	/* waiting for a thread */
	struct list_head running;
	u32 nr_queued, nr_idle, nr_wanted; /* requests; threads that wait; threads to be made */
	u64 io_top;			/* the greatest number of a request so far */
	DECLARE_BITMAP(io_seen, HC_IO_WINDOW);
	struct list_head objects;
	atomic_t nr_requests;		/* held in memory */
};

/** hc_serve_add() - from now on @file is there for the program as @id; takes a reference.
 * -ENOMEM; -ESHUTDOWN when the move is over
 */
int hc_serve_add(struct hc_move *move, u32 id, struct file *file);
/**
 * hc_serve_request() - a request of the program, its result is told when it is done
 * @ret_mask: for POLL, which is done at once: what the answer says
 *
 * Return: 0, -EINVAL, -EBADF; -ENOMEM when it may be asked again.
 */
int hc_serve_request(struct hc_move *move, const struct hcw_move_io *io, const void *data,
		     u32 data_len, u64 *ret_mask);
void hc_serve_cancel(struct hc_move *move, u64 id);
long hc_serve(struct hc_home *home, unsigned long scratch);
void hc_serve_close(struct hc_home *home);

/* ---- move_target.c ---- */

/** hc_move_invite() - answer to an offer: 0, or -errno with a sentence in @text */
int hc_move_invite(struct hc_node *node, struct hc_peer *peer, u64 id,
		   const struct hcw_move_offer *offer, char *text);
void hc_move_image_ready(struct hc_move *move, u64 len);
void hc_move_let_go(struct hc_move *move);
void hc_move_discard(struct hc_move *move);
int hc_move_signal(struct hc_move *move, const struct hcw_move_signal *sig);
/** hc_move_settle() - a store is through; the last one tells the source */
void hc_move_fetched(struct hc_move *move);
void hc_move_target_free(struct hc_move *move);

/* ---- move_restore.c ---- */

/* An interrupted call in neutral words, and back. False: not one of those that are known. */
bool hc_restart_save(const struct restart_block *rb, struct hci_thread *ret);
bool hc_restart_load(const struct hci_thread *t, s64 off_ns, struct restart_block *ret);
int hc_restore_init(void);
long hc_move_join(struct hc_move *move, u32 index, struct file *ctl);
void hc_restore_free(struct hc_move *move);

/* ---- move_store.c ---- */

void hc_store_init(void);
struct hc_store *hc_store_new(struct hc_move *move);
void hc_store_put(struct hc_store *store);
int hc_store_add(struct hc_store *store, u64 start, u64 nr);
/** hc_store_graft() - the mapping at @addr gets its pages from @store. mmap_lock for writing */
int hc_store_graft(struct hc_store *store, struct mm_struct *mm, unsigned long addr);
int hc_store_attach(struct hc_store *store, struct mm_struct *mm);
/** hc_store_fill() - a page whose content is known */
int hc_store_fill(struct hc_store *store, u64 addr, const void *data);
void hc_store_start(struct hc_store *store);
/** hc_store_whole() - before it runs: fetch all of it; 0 or -errno */
int hc_store_whole(struct hc_store *store);
void hc_store_fail(struct hc_store *store);
u64 hc_store_left(struct hc_store *store);

/* ---- move_proxy.c ---- */

int hc_proxy_init(void);
void hc_proxy_exit(void);
/** hc_proxy_open() - in the helper: a new descriptor for the file @f at home; >= 0 or -errno */
int hc_proxy_open(struct hc_move *move, const struct hci_file *f);
void hc_proxy_done(struct hc_move *move, const struct hcw_move_done *done, const void *data,
		   u32 data_len);
void hc_proxy_poll(struct hc_move *move, const struct hcw_move_poll *poll);
/** hc_proxy_fail() - home is gone for good: whatever waits for it, and comes later, is EIO */
void hc_proxy_fail(struct hc_move *move);
/** hc_proxy_tick() - what could not be said to home is said now */
void hc_proxy_tick(struct hc_move *move);

#endif /* _HC_MOVE_H */
