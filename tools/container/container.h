/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hyperchain-container: what of an environment needs full root, apart from the daemon, which has
 * given that up. The daemon decides and asks over a root-only socket; this program knows how:
 *
 *	/var/lib/hyperchain-env		mode 0711
 *	  env/NAME/			root:<first gid of its range>, 0710: nobody else gets in
 *	    root/			the root file system, in the environment's own uid range
 *	  identity/NAME/		host keys: they outlive the container
 *	  image/debian.tar		made by mmdebstrap when no image is named
 *	  lxc/NAME/			liblxc's own
 *	  job/ID.RUN/			a run of a job: see job.c
 *
 * An environment of several nodes has its root on one of them (the storage node), and the others
 * mount it, at the same place, by NFS.
 *
 * What comes from an image or from the container is touched only by hcc_sandbox(): in the
 * environment's user namespace, with its root directory as the root. All functions return 0 or
 * a negative errno with one sentence in @error, and block.
 */
#ifndef HC_CONTAINER_H
#define HC_CONTAINER_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/hyperchain.h>

#define HCC_DIR		"/var/lib/hyperchain-env"
#define HCC_SOCKET	"/run/hyperchain/container.sock"
#define HCC_ERROR_LEN	512
#define HCC_KEYS_LEN	16384	/* of ssh keys, all together */
#define HCC_IDS		65536	/* uids and gids of one environment */
#define HCC_UID_FIRST	0x70000000u	/* above what systemd gives out, below 2^31 */
#define HCC_PATH_LEN	512
#define HCC_NODES_MAX	62	/* of one environment: pairs of addresses in its /25 */

/* A node of an environment of several. */
struct hcc_node {
	uint32_t id;			/* in the cluster */
	uint32_t slot;			/* which pair of the environment's addresses */
	char address[INET6_ADDRSTRLEN];	/* in the nodes' network */
};

/* One environment on this node, as the daemon wants it. */
struct hcc_spec {
	char name[HC_NAME_LEN + 1];
	uint32_t id;			/* 1..HC_ENVS_MAX; uid range, bridge and addresses follow */
	char image[HCC_PATH_LEN];	/* "" = debian, by mmdebstrap */
	char keys[HCC_KEYS_LEN];	/* authorized_keys */
	char network[16];		/* dotted first address of all environments */
	uint32_t cpus_milli;		/* 0 = no limit */
	uint64_t memory;		/* bytes, 0 = no limit */
	uint64_t swap;			/* bytes, 0 = no limit */
	uint32_t pids;			/* 0 = no limit */
	bool is_shared;			/* of several nodes: then this, too */
	struct hcc_node own;		/* this node; its slot counts where it is among @nodes */
	bool is_member;			/* it is among them: a container is to be here */
	bool is_leader;
	uint32_t leader_slot;
	struct hcc_node nodes[HCC_NODES_MAX];	/* with a container, this one included */
	size_t nr_nodes;
	char storage[INET6_ADDRSTRLEN];	/* where the root is; "" = here */
};

/* Where an environment lives; filled by hcc_place(). */
struct hcc_place {
	uid_t uid;			/* first of its range; gids are the same */
	char dir[HCC_PATH_LEN];
	char root[HCC_PATH_LEN];
	char identity[HCC_PATH_LEN];
	char lxc[HCC_PATH_LEN];
	char cgroup[HCC_PATH_LEN];	/* with the limits; the container is below it */
	char view[HCC_PATH_LEN];	/* hyperchain-view is mounted there */
	char figures[HCC_PATH_LEN];	/* of other nodes, by the daemon */
	char monitor[HCC_PATH_LEN];	/* cgroup of liblxc's watcher */
	char bridge[16];
	char gateway[16], address[16];	/* of the container, and of this node beside it */
	unsigned int prefix;		/* of both: 30, or 25 where several nodes share it */
	char login[16];			/* the same on all nodes, whoever leads */
	char live[HCC_PATH_LEN];	/* what the container may read, and changes while it runs */
};

/* Told while something long goes on; @total 0: without measure. May be NULL. */
typedef void (*hcc_step_fn)(const char *what, uint64_t done, uint64_t total, void *ctx);

__attribute__((format(printf, 3, 4)))
int hcc_fail(char error[HCC_ERROR_LEN], int r, const char *fmt, ...);

/* spec.c */
/* Refuses everything a path, a shell or a file of ours could choke on. */
int hcc_spec_parse(json_t *obj, struct hcc_spec *ret_spec, char error[HCC_ERROR_LEN]);
int hcc_place(const struct hcc_spec *spec, struct hcc_place *ret_place, char error[HCC_ERROR_LEN]);
/* Of the container, or of the node beside it. */
void hcc_address(const struct hcc_spec *spec, uint32_t slot, bool is_container, char buf[16]);
/* A name of [A-Za-z0-9_-], not too long for a host name or a login. */
bool hcc_name_is_good(const char *name);

/* run.c */
/* Run a program with @input on its stdin (may be NULL); its last line of complaint in @error. */
int hcc_run(const char *const argv[], const char *input, char error[HCC_ERROR_LEN]);
/* Write @text into an existing file (of /proc, /sys, cgroups). Return: 0 or -errno. */
int hcc_write(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Remove a tree without following anything out of it. */
int hcc_remove_tree(const char *path);

/* The program that lies beside this one. */
int hcc_sibling(const char *name, char ret_path[HCC_PATH_LEN]);

/* sandbox.c */
/*
 * Run fn(arg) in a child that is root of @uid's user namespace and whose root directory is @root,
 * without network, within @limit_s seconds. What it returns is returned. It may write a sentence
 * into @error, which comes back, and tell steps.
 */
int hcc_sandbox(uid_t uid, const char *root, unsigned int limit_s,
		int (*fn)(void *arg, char error[HCC_ERROR_LEN], int step_fd), void *arg,
		hcc_step_fn step, void *ctx, char error[HCC_ERROR_LEN]);
/* In the child: tell a step. */
void hcc_sandbox_step(int step_fd, const char *what, uint64_t done, uint64_t total);

/* archive.c */
/* In the sandbox: unpack tar @fd (gzip, xz, zstd, bzip2 or plain) into /. */
int hcc_unpack(int fd, bool is_layer, int step_fd, char error[HCC_ERROR_LEN]);

/* oci.c */
/* Check an OCI layout and open its layers, lowest first. Close and free *@ret_fds. */
int hcc_oci_layers(const char *path, int **ret_fds, size_t *ret_n, char error[HCC_ERROR_LEN]);

/* image.c */
/* Fill the empty directory place->root from spec->image. */
int hcc_image(const struct hcc_spec *spec, const struct hcc_place *place, hcc_step_fn step,
	      void *ctx, char error[HCC_ERROR_LEN]);

/* provision.c */
/* What makes an image this environment: names, login, host keys. Before each start. */
int hcc_provision(const struct hcc_spec *spec, const struct hcc_place *place, bool *ret_has_sshd,
		  char error[HCC_ERROR_LEN]);

/* vnc.c */
/* Has it a VNC server now? Its user may have put one there since it was started. */
int hcc_has_vnc(const struct hcc_spec *spec, const struct hcc_place *place, bool *ret_has_vnc,
		char error[HCC_ERROR_LEN]);

/* live.c */
/* What its role is and whose keys open it, where its first process sees it; shared ones only. */
int hcc_live(const struct hcc_spec *spec, const struct hcc_place *place,
	     char error[HCC_ERROR_LEN]);
void hcc_live_remove(const struct hcc_place *place);
/* Its host name as its role has it, while it runs. */
int hcc_live_name(const struct hcc_spec *spec, pid_t init, char error[HCC_ERROR_LEN]);
void hcc_host_name(const struct hcc_spec *spec, char *buf, size_t len);

/* net.c */
int hcc_net_up(const struct hcc_spec *spec, const struct hcc_place *place,
	       char error[HCC_ERROR_LEN]);
void hcc_net_down(const struct hcc_spec *spec, const struct hcc_place *place);

/* net_shared.c: of several nodes */
#define HCC_VXLAN_PORT	4789
/* Of the container (else the bridge) of one of the environment's nodes: always the same. */
void hcc_mac(const struct hcc_spec *spec, uint32_t slot, bool is_container, char buf[18]);
/* How long a packet may be that goes to the others. */
int hcc_net_mtu(const struct hcc_spec *spec, char ret_device[16], unsigned int *ret_mtu,
		char error[HCC_ERROR_LEN]);
/* Join the bridge with those of the other nodes, and lead the login's address to the leader. */
int hcc_net_join(const struct hcc_spec *spec, const struct hcc_place *place,
		 char error[HCC_ERROR_LEN]);
void hcc_net_part(const struct hcc_spec *spec, const struct hcc_place *place);

/* nfs.c */
/* Let spec->nodes mount the root that is here, and nobody else. */
int hcc_nfs_export(const struct hcc_spec *spec, const struct hcc_place *place,
		   char error[HCC_ERROR_LEN]);
void hcc_nfs_withdraw(const struct hcc_spec *spec, const struct hcc_place *place);
/* Mount the root from spec->storage. */
int hcc_nfs_mount(const struct hcc_spec *spec, const struct hcc_place *place,
		  char error[HCC_ERROR_LEN]);
void hcc_nfs_unmount(const struct hcc_spec *spec, const struct hcc_place *place);

/* view.c */
int hcc_view_start(const struct hcc_place *place, char error[HCC_ERROR_LEN]);
void hcc_view_stop(const struct hcc_place *place);

/* limit.c */
/* Make the cgroup that all containers' are below. */
int hcc_cgroup_init(char error[HCC_ERROR_LEN]);
/* Its name below the cgroup2 mount; and the mount. */
const char *hcc_cgroup_base(void);
const char *hcc_cgroup_mount(void);
/* Make the cgroup if need be and write the limits; while it runs, too. */
int hcc_limit(const struct hcc_spec *spec, const struct hcc_place *place,
	      char error[HCC_ERROR_LEN]);
void hcc_limit_remove(const struct hcc_place *place);

/* lxc.c */
int hcc_start(const struct hcc_spec *spec, const struct hcc_place *place,
	      char error[HCC_ERROR_LEN]);
/* Ask it to end, then end it. Also when it does not run. */
int hcc_stop(const struct hcc_place *place, const char *name, char error[HCC_ERROR_LEN]);
/* Pid of its init, 0 = it does not run. */
pid_t hcc_pid(const char *name);
/* Run @argv inside as @argv0's root; on a terminal with one of its own. Exit status, -errno. */
int hcc_exec(const char *name, char *const argv[], char error[HCC_ERROR_LEN]);

/* serve.c */
int hcc_serve(const char *socket_path, char error[HCC_ERROR_LEN]);

#endif /* HC_CONTAINER_H */
