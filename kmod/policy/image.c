// SPDX-License-Identifier: GPL-2.0-or-later
/* Form of a stopped program's image (SPEC R21); everything here comes from a peer. */
#include <linux/string.h>
#include <linux/types.h>

#include "image.h"

#define PAGE		4096ULL
#define USER_MIN	65536ULL
#define USER_END	((1ULL << 47) - PAGE)

struct walk {
	const struct hci_head *head;
	const struct hci_vma *vma;	/* the last one */
	u64 vma_end;			/* of all so far */
	u64 run_end;			/* of the runs of @vma so far */
	const struct hci_rec *files;	/* the first one */
	u32 nr_threads, nr_vmas, nr_files, nr_pages, nr_signals;
	u32 last_type;
	s64 last_fd;
	bool thread_open;		/* a THREAD whose XSTATE has not come */
};

/* A string of at least one byte in @room bytes, and nothing after it. */
static bool text_ok(const char *text, u64 room)
{
	u64 i, len = 0;

	while (len < room && text[len])
		len++;
	for (i = len; i < room; i++)
		if (text[i])
			return false;
	return len && len < room;
}

static const char *head_check(const struct hci_head *h, u64 len)
{
	unsigned int i;

	if (h->rec.type != HCI_HEAD || h->rec.len != sizeof(*h) || h->magic != HCI_MAGIC)
		return "this is no image of a program";
	if (h->version != HCI_VERSION)
		return "the image is of another version";
	if (h->len != len)
		return "the image is not whole";
	if (!h->nr_threads || h->nr_threads > HCI_THREADS_MAX ||
	    !h->nr_vmas || h->nr_vmas > HCI_VMAS_MAX || h->nr_files > HCI_FILES_MAX ||
	    h->nr_pages > HCI_PAGES_MAX || h->nr_groups > HCI_GROUPS_MAX)
		return "the image has too many parts";
	if (!text_ok(h->exe, sizeof(h->exe)) || h->exe[0] != '/' ||
	    !text_ok(h->cwd, sizeof(h->cwd)) || h->cwd[0] != '/')
		return "the image has a path that is none";
	if (!h->pid || h->pid > 0x400000 || h->ppid > 0x400000 || h->pgid > 0x400000 ||
	    h->sid > 0x400000)
		return "the image has a process id that can't be";
	if (h->vdso & (PAGE - 1) || h->vvar & (PAGE - 1) || h->vdso_end & (PAGE - 1) ||
	    h->vdso_end > USER_END || h->vdso > h->vdso_end || h->vvar > h->vdso ||
	    h->vdso_end - h->vvar > 64 * PAGE || h->vvar < USER_MIN)
		return "the image has the kernel's code in a place where it can't be";
	for (i = 0; i < HCI_MM_NR; i++)
		if (h->mm[i] > USER_END)
			return "the image has a number of memory that can't be";
	if (h->umask & ~0777U || h->dumpable > 2 || h->no_new_privs > 1 ||
	    h->nice < -20 || h->nice > 19 || h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return "the image has a setting that can't be";
	return NULL;
}

static const char *thread_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_thread *t = (const struct hci_thread *)rec;

	if (rec->len != sizeof(*t) || w->thread_open || w->last_type > HCI_SIGNAL)
		return "the image has a thread in the wrong place";
	if (!t->tid || t->tid > 0x400000 || t->restart > HCI_RESTART_MAX)
		return "the image has a thread that can't be";
	if (!w->nr_threads && t->tid != w->head->pid)
		return "the first thread of the image is not its leader";
	if (t->comm[0] && !text_ok(t->comm, sizeof(t->comm)))
		return "the image has a name without an end";
	w->thread_open = true;
	w->nr_threads++;
	return NULL;
}

static const char *vma_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_vma *v = (const struct hci_vma *)rec;

	if (rec->len < sizeof(*v) || w->thread_open || w->last_type > HCI_RUN)
		return "the image has a mapping in the wrong place";
	if ((v->start | v->end | v->offset) & (PAGE - 1) || v->start < USER_MIN ||
	    v->end > USER_END || v->start >= v->end || v->start < w->vma_end ||
	    v->kind > HCI_VMA_MAX || v->flags & ~HCI_VF_ALL)
		return "the image has a mapping that can't be";
	if (v->kind == HCI_VMA_FILE) {
		const char *path = (const char *)(v + 1);

		if (!text_ok(path, rec->len - sizeof(*v)) || path[0] != '/' ||
		    rec->len - sizeof(*v) > HCI_PATH_LEN || v->offset > 1ULL << 46)
			return "the image has a mapped file without a path";
		if (v->flags & HCI_VF_SHARED && v->flags & HCI_VF_WRITE)
			return "the image has shared memory";
	} else if (rec->len != sizeof(*v) || v->offset || v->flags & HCI_VF_SHARED) {
		return "the image has a mapping that can't be";
	}
	if (v->kind == HCI_VMA_VDSO &&
	    (v->start < w->head->vvar || v->end > w->head->vdso_end))
		return "the image has the kernel's code in two places";
	w->vma = v;
	w->vma_end = v->end;
	w->run_end = v->start;
	w->nr_vmas++;
	return NULL;
}

static const char *run_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_run *r = (const struct hci_run *)rec;

	if (rec->len != sizeof(*r) || (w->last_type != HCI_VMA && w->last_type != HCI_RUN) ||
	    w->vma->kind != HCI_VMA_ANON)
		return "the image has content of no mapping";
	if (r->start & (PAGE - 1) || !r->nr || r->start < w->run_end || r->start >= w->vma->end ||
	    r->nr > (w->vma->end - r->start) / PAGE)
		return "the image has content outside its mapping";
	w->run_end = r->start + r->nr * PAGE;
	return NULL;
}

/* A descriptor that is a double of @f's: it came before, and is none itself. */
static bool same_ok(const struct walk *w, const struct hci_file *f)
{
	const struct hci_rec *rec = w->files;

	for (; rec && rec != &f->rec; rec = hc_image_next(w->head, rec)) {
		const struct hci_file *other = (const struct hci_file *)rec;

		if (rec->type == HCI_FILE && other->fd == f->same)
			return other->kind != HCI_FILE_SAME;
	}
	return false;
}

/* Made up from home: of a kind that we know to make. */
static bool home_ok(const struct hci_file *f)
{
	switch (f->mode & 0170000) {
	case 0010000:	/* pipe */
	case 0020000:	/* terminal */
	case 0100000:	/* regular file */
		return !(f->mode & ~0170777U);
	default:
		return false;
	}
}

static const char *file_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_file *f = (const struct hci_file *)rec;
	const char *path = (const char *)(f + 1);

	if (rec->len < sizeof(*f) || w->last_type > HCI_FILE || !w->nr_vmas)
		return "the image has a file in the wrong place";
	if (f->fd > HCI_FD_MAX || (s64)f->fd <= w->last_fd || f->kind > HCI_FILE_MAX ||
	    f->cloexec > 1 || f->pos < 0 || (f->kind == HCI_FILE_SAME && !same_ok(w, f)) ||
	    (f->kind == HCI_FILE_HOME && !home_ok(f)))
		return "the image has a descriptor that can't be";
	if (!text_ok(path, rec->len - sizeof(*f)) || rec->len - sizeof(*f) > HCI_PATH_LEN ||
	    (f->kind == HCI_FILE_PATH && path[0] != '/'))
		return "the image has a file without a name";
	w->last_fd = f->fd;
	if (!w->nr_files++)
		w->files = rec;
	return NULL;
}

static const char *page_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_page *p = (const struct hci_page *)rec;

	if (rec->len != sizeof(*p) || !w->nr_vmas || p->addr & (PAGE - 1) ||
	    p->addr < USER_MIN || p->addr >= USER_END)
		return "the image has a page in the wrong place";
	w->nr_pages++;
	return NULL;
}

static const char *record_check(struct walk *w, const struct hci_rec *rec)
{
	const struct hci_signal *s = (const struct hci_signal *)rec;

	switch (rec->type) {
	case HCI_THREAD:
		return thread_check(w, rec);
	case HCI_XSTATE:
		if (!w->thread_open || rec->len < sizeof(*rec) + 576 ||
		    rec->len > sizeof(*rec) + HCI_XSTATE_MAX)
			return "the image has registers of no thread";
		w->thread_open = false;
		return NULL;
	case HCI_SIGNAL:
		if (rec->len != sizeof(*s) || w->thread_open ||
		    (w->last_type != HCI_XSTATE && w->last_type != HCI_SIGNAL) ||
		    !s->signo || s->signo > HCI_SIGNALS || ++w->nr_signals > HCI_SIGNALS_MAX)
			return "the image has a signal that can't be";
		return NULL;
	case HCI_VMA:
		return vma_check(w, rec);
	case HCI_RUN:
		return run_check(w, rec);
	case HCI_FILE:
		return file_check(w, rec);
	case HCI_PAGE:
		return page_check(w, rec);
	default:
		return "the image has a part that nobody knows";
	}
}

const char *hc_image_check(const void *image, u64 len)
{
	const struct hci_head *head = image;
	struct walk w = { .head = head, .last_type = HCI_HEAD, .last_fd = -1 };
	u64 at = sizeof(*head);
	const char *wrong;

	if (len < sizeof(*head) || len > HCI_LEN_MAX)
		return "the image is too short or too long";
	wrong = head_check(head, len);
	if (wrong)
		return wrong;
	for (;;) {
		const struct hci_rec *rec = (const struct hci_rec *)((const u8 *)image + at);

		if (len - at < sizeof(*rec) || rec->len < sizeof(*rec) || rec->len % 8 ||
		    rec->len > len - at)
			return "the image has a part without an end";
		if (rec->type == HCI_END)
			break;
		wrong = record_check(&w, rec);
		if (wrong)
			return wrong;
		w.last_type = rec->type;
		at += rec->len;
	}
	if (at + sizeof(struct hci_rec) != len || w.thread_open ||
	    w.nr_threads != head->nr_threads || w.nr_vmas != head->nr_vmas ||
	    w.nr_files != head->nr_files || w.nr_pages != head->nr_pages)
		return "the image has not what it says";
	return NULL;
}

const struct hci_rec *hc_image_next(const void *image, const struct hci_rec *rec)
{
	const struct hci_rec *next;

	if (!rec)
		return image;
	next = (const struct hci_rec *)((const u8 *)rec + rec->len);
	return rec->type == HCI_END ? NULL : next;
}

const struct hci_rec *hc_image_find(const void *image, const struct hci_rec *rec, u32 type)
{
	do {
		rec = hc_image_next(image, rec);
	} while (rec && rec->type != type);
	return rec;
}
