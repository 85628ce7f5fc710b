// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree, by libfuse3's low-level interface. An inode number says what it is, so that it means
 * the same to a server that took over:
 *
 *	1 /   2 /proc   3 /cpu   16.. files of /proc   32.. files of /cpu
 *	CPU_BASE + 64 n: /cpu/cpuN   +1 topology   +2 online   +8.. files of topology
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "view.h"

#define ROOT		1
#define PROC		2
#define CPU		3
#define PROC_FILES	16
#define CPU_FILES	32
#define CPU_BASE	65536
#define CPU_STEP	64
#define TOPOLOGY	1
#define ONLINE		2
#define TOPOLOGY_FILES	8
#define OPEN_MAX	1024	/* open files whose text is kept */

static const char *const proc_names[] = {
	"cpuinfo", "meminfo", "stat", "loadavg", "uptime", "swaps", NULL
};

static const char *const cpu_names[] = {
	"online", "possible", "present", "offline", "kernel_max", "isolated", NULL
};

static const char *const topology_names[] = {
	"core_id", "physical_package_id", "thread_siblings", "thread_siblings_list", "core_cpus",
	"core_cpus_list", "core_siblings", "core_siblings_list", "package_cpus",
	"package_cpus_list", NULL
};

struct open_file {
	uint64_t id;		/* 0 = free */
	char *text;
	size_t len;
};

static struct open_file open_files[OPEN_MAX];
static uint64_t last_id;

static const struct view_source *source_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static uint32_t nr_cpus(fuse_req_t req)
{
	struct view_figures f;

	view_figures_read(source_of(req), &f);
	return f.cpus_local + f.cpus_remote;
}

/* ---- what an inode is -------------------------------------------------------------- */

static bool is_cpu(fuse_ino_t ino, uint32_t *ret_n, uint32_t *ret_part)
{
	if (ino < CPU_BASE || ino >= CPU_BASE + (fuse_ino_t)CPU_STEP * VIEW_CPUS_MAX)
		return false;
	*ret_n = (uint32_t)(ino - CPU_BASE) / CPU_STEP;
	*ret_part = (uint32_t)(ino - CPU_BASE) % CPU_STEP;
	return true;
}

static bool is_dir(fuse_ino_t ino)
{
	uint32_t n, part;

	return ino <= CPU || (is_cpu(ino, &n, &part) && part <= TOPOLOGY);
}

static void fill(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = is_dir(ino) ? S_IFDIR | 0555 : S_IFREG | 0444;
	st->st_nlink = is_dir(ino) ? 2 : 1;
	st->st_blksize = 4096;
}

static fuse_ino_t find_name(const char *const names[], const char *name, fuse_ino_t first)
{
	for (size_t i = 0; names[i]; i++) {
		if (!strcmp(names[i], name))
			return first + i;
	}
	return 0;
}

/* "cpu12" of a machine with @cpus */
static fuse_ino_t find_cpu(const char *name, uint32_t cpus)
{
	unsigned int n;
	char again[32];

	if (sscanf(name, "cpu%9u", &n) != 1 || n >= cpus)
		return 0;
	snprintf(again, sizeof(again), "cpu%u", n);
	return strcmp(again, name) ? 0 : CPU_BASE + (fuse_ino_t)n * CPU_STEP;
}

static fuse_ino_t child(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	uint32_t n, part;
	fuse_ino_t ino;

	if (parent == ROOT)
		return !strcmp(name, "proc") ? PROC : !strcmp(name, "cpu") ? CPU : 0;
	if (parent == PROC)
		return find_name(proc_names, name, PROC_FILES);
	if (parent == CPU) {
		ino = find_name(cpu_names, name, CPU_FILES);
		return ino ? ino : find_cpu(name, nr_cpus(req));
	}
	if (!is_cpu(parent, &n, &part))
		return 0;
	if (part == 0)
		return !strcmp(name, "topology") ? parent + TOPOLOGY :
		       !strcmp(name, "online") ? parent + ONLINE : 0;
	return part == TOPOLOGY ? find_name(topology_names, name,
					    parent - TOPOLOGY + TOPOLOGY_FILES) : 0;
}

/* ---- texts ----------------------------------------------------------------------------- */

/* "0-47", or a mask "ffff,ffffffff" */
static void print_range(FILE *out, uint32_t cpus)
{
	if (cpus > 1)
		fprintf(out, "0-%u\n", cpus - 1);
	else
		fputs("0\n", out);
}

static void print_mask(FILE *out, uint32_t first, uint32_t last, uint32_t cpus)
{
	for (int word = (int)(cpus - 1) / 32; word >= 0; word--) {
		uint32_t mask = 0;

		for (uint32_t bit = 0; bit < 32; bit++) {
			uint32_t cpu = (uint32_t)word * 32 + bit;

			if (cpu >= first && cpu <= last)
				mask |= 1u << bit;
		}
		fprintf(out, "%08x%s", mask, word ? "," : "\n");
	}
}

/* Each processor is a core of its own, all in one package. */
static void print_topology(FILE *out, uint32_t n, size_t which, uint32_t cpus)
{
	switch (which) {
	case 0:
		fprintf(out, "%u\n", n);
		break;
	case 1:
		fputs("0\n", out);
		break;
	case 2:
	case 4:
		print_mask(out, n, n, cpus);
		break;
	case 3:
	case 5:
		fprintf(out, "%u\n", n);
		break;
	case 6:
	case 8:
		print_mask(out, 0, cpus - 1, cpus);
		break;
	default:
		print_range(out, cpus);
	}
}

static char *cpu_text(fuse_ino_t ino, uint32_t cpus, size_t *ret_len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);
	uint32_t n, part;

	if (!out)
		return NULL;
	if (is_cpu(ino, &n, &part)) {
		if (part == ONLINE)
			fputs("1\n", out);
		else
			print_topology(out, n, part - TOPOLOGY_FILES, cpus);
	} else if (ino - CPU_FILES <= 2) {
		print_range(out, cpus);
	} else if (ino - CPU_FILES == 4) {
		fprintf(out, "%u\n", cpus - 1);
	} else {
		fputs("\n", out);
	}
	fclose(out);
	return text;
}

static char *text_of(fuse_req_t req, fuse_ino_t ino, size_t *ret_len)
{
	struct view_figures f;

	view_figures_read(source_of(req), &f);
	if (ino >= PROC_FILES && ino < PROC_FILES + VIEW_FILES)
		return view_render((enum view_file)(ino - PROC_FILES), &f, ret_len);
	return cpu_text(ino, f.cpus_local + f.cpus_remote, ret_len);
}

/* ---- operations ------------------------------------------------------------------------ */

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = child(req, parent, name) };

	if (!e.ino) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill(e.ino, &e.attr);
	e.attr_timeout = e.entry_timeout = 1.0;
	fuse_reply_entry(req, &e);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill(ino, &st);
	fuse_reply_attr(req, &st, 1.0);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_file *o = NULL;

	if (is_dir(ino)) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EACCES);
		return;
	}
	for (size_t i = 0; i < OPEN_MAX && !o; i++) {
		if (!open_files[i].id)
			o = &open_files[i];
	}
	/* The text as it is now; without room for it each read makes its own. */
	if (o) {
		o->text = text_of(req, ino, &o->len);
		if (o->text) {
			o->id = ++last_id;
			fi->fh = o->id;
		}
	}
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static struct open_file *find_open(uint64_t id)
{
	for (size_t i = 0; i < OPEN_MAX && id; i++) {
		if (open_files[i].id == id)
			return &open_files[i];
	}
	return NULL;
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct open_file *o = find_open(fi->fh);
	size_t len = 0;
	char *text = NULL;

	/* Read from the start again: as it is now, as files of /proc do. */
	if (!o || off == 0) {
		text = text_of(req, ino, &len);
		if (!text) {
			fuse_reply_err(req, ENOMEM);
			return;
		}
		if (o) {
			free(o->text);
			o->text = text;
			o->len = len;
			text = NULL;
		}
	}
	if (o)
		len = o->len;
	if ((size_t)off >= len)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, (o ? o->text : text) + off, len - (size_t)off < size ?
			       len - (size_t)off : size);
	free(text);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_file *o = find_open(fi->fh);

	(void)ino;
	if (o) {
		free(o->text);
		*o = (struct open_file){ 0 };
	}
	fuse_reply_err(req, 0);
}

struct listing {
	fuse_req_t req;
	char buf[8192];
	size_t have, size;
	off_t number, off;
	bool is_full;
};

static void list(struct listing *l, const char *name, fuse_ino_t ino)
{
	struct stat st;
	size_t n;

	l->number++;
	if (l->is_full || l->number <= l->off)
		return;
	fill(ino, &st);
	n = fuse_add_direntry(l->req, l->buf + l->have, l->size - l->have, name, &st, l->number);
	if (n > l->size - l->have)
		l->is_full = true;
	else
		l->have += n;
}

static void list_names(struct listing *l, const char *const names[], fuse_ino_t first)
{
	for (size_t i = 0; names[i]; i++)
		list(l, names[i], first + i);
}

static void list_cpus(struct listing *l, uint32_t cpus)
{
	for (uint32_t n = 0; n < cpus; n++) {
		char name[32];

		snprintf(name, sizeof(name), "cpu%u", n);
		list(l, name, CPU_BASE + (fuse_ino_t)n * CPU_STEP);
	}
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct listing l = { .req = req, .off = off };
	uint32_t n, part;

	(void)fi;
	l.size = size < sizeof(l.buf) ? size : sizeof(l.buf);
	list(&l, ".", ino);
	list(&l, "..", ROOT);
	if (ino == ROOT) {
		list(&l, "proc", PROC);
		list(&l, "cpu", CPU);
	} else if (ino == PROC) {
		list_names(&l, proc_names, PROC_FILES);
	} else if (ino == CPU) {
		list_names(&l, cpu_names, CPU_FILES);
		list_cpus(&l, nr_cpus(req));
	} else if (is_cpu(ino, &n, &part) && part == 0) {
		list(&l, "topology", ino + TOPOLOGY);
		list(&l, "online", ino + ONLINE);
	} else if (is_cpu(ino, &n, &part) && part == TOPOLOGY) {
		list_names(&l, topology_names, ino - TOPOLOGY + TOPOLOGY_FILES);
	}
	fuse_reply_buf(req, l.buf, l.have);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.open = do_open,
	.read = do_read,
	.release = do_release,
	.readdir = do_readdir,
};

/*
 * The kernel has said INIT to the one before us, and libfuse answers nothing before it has heard
 * it: so we say it. The kernel does not know the answer's number and drops it. With MAX_PAGES, else
 * its buffer is smaller than what the kernel was promised.
 */
static void say_init(struct fuse_session *se)
{
	struct {
		struct fuse_in_header head;
		struct fuse_init_in init;
	} msg = {
		.head = { .len = sizeof(msg), .opcode = FUSE_INIT, .unique = UINT64_MAX - 1 },
		.init = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
			  .max_readahead = 131072, .flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES },
	};
	struct fuse_buf buf = { .size = sizeof(msg), .mem = &msg };

	fuse_session_process_buf(se, &buf);
}

int view_serve(int fd, bool is_successor, const struct view_source *src)
{
	char name[] = "hyperchain-view", at[32], *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se;
	int r;

	/* Not those of the one before, which may come back with a file that it opened. */
	last_id = (uint64_t)getpid() << 32;
	se = fuse_session_new(&args, &ops, sizeof(ops), (void *)src);
	if (!se)
		return -ENOMEM;
	snprintf(at, sizeof(at), "/dev/fd/%d", fd);
	if (fuse_session_mount(se, at) < 0) {
		fuse_session_destroy(se);
		return -EIO;
	}
	if (is_successor)
		say_init(se);
	r = fuse_session_loop(se);
	fuse_session_destroy(se);
	return r;
}
