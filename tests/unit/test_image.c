// SPDX-License-Identifier: GPL-2.0-or-later
/* The image of a stopped program: what passes can be walked, whatever bytes a peer sends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/image.h"
#include "unit.h"

#define ROOM 65536

static uint64_t buf[ROOM / 8];
static size_t len;

static void *put(uint32_t type, uint32_t size)
{
	struct hci_rec *rec = (void *)((char *)buf + len);

	memset(rec, 0, size);
	rec->type = type;
	rec->len = size;
	len += size;
	return rec;
}

/* A small right one: two threads, four mappings, two descriptors, one page. */
static void right(void)
{
	struct hci_head *h;
	struct hci_thread *t;
	struct hci_vma *v;
	struct hci_run *r;
	struct hci_file *f;

	len = 0;
	h = put(HCI_HEAD, sizeof(*h));
	h->magic = HCI_MAGIC;
	h->version = HCI_VERSION;
	h->nr_threads = 2;
	h->nr_vmas = 3;
	h->nr_files = 2;
	h->nr_pages = 1;
	h->pid = 100;
	h->vvar = 0x7f0000000000;
	h->vdso = 0x7f0000004000;
	h->vdso_end = 0x7f0000006000;
	strcpy(h->exe, "/bin/true");
	strcpy(h->cwd, "/");
	for (int i = 0; i < 2; i++) {
		t = put(HCI_THREAD, sizeof(*t));
		t->tid = 100 + i;
		put(HCI_XSTATE, sizeof(struct hci_rec) + 832);
		if (i) {
			struct hci_signal *s = put(HCI_SIGNAL, sizeof(*s));

			s->signo = 10;
		}
	}
	v = put(HCI_VMA, sizeof(*v) + 16);
	v->kind = HCI_VMA_FILE;
	v->start = 0x400000;
	v->end = 0x402000;
	v->flags = HCI_VF_READ | HCI_VF_EXEC;
	strcpy((char *)(v + 1), "/bin/true");
	v = put(HCI_VMA, sizeof(*v));
	v->start = 0x500000;
	v->end = 0x510000;
	v->flags = HCI_VF_READ | HCI_VF_WRITE;
	r = put(HCI_RUN, sizeof(*r));
	r->start = 0x501000;
	r->nr = 3;
	v = put(HCI_VMA, sizeof(*v));
	v->kind = HCI_VMA_VDSO;
	v->start = 0x7f0000004000;
	v->end = 0x7f0000006000;
	for (int i = 0; i < 2; i++) {
		f = put(HCI_FILE, sizeof(*f) + 16);
		f->fd = i;
		f->kind = i ? HCI_FILE_SAME : HCI_FILE_PATH;
		strcpy((char *)(f + 1), "/dev/null");
	}
	((struct hci_page *)put(HCI_PAGE, sizeof(struct hci_page)))->addr = 0x400000;
	put(HCI_END, sizeof(struct hci_rec));
	h->len = len;
}

static void *find(uint32_t type, int n)
{
	const struct hci_rec *rec = NULL;

	do {
		rec = hc_image_find(buf, rec, type);
	} while (n--);
	return (void *)rec;
}

START_TEST(accepts)
{
	right();
	ck_assert_ptr_null(hc_image_check(buf, len));
	((struct hci_file *)find(HCI_FILE, 0))->kind = HCI_FILE_HOME;
	((struct hci_file *)find(HCI_FILE, 0))->mode = 0010600;
	ck_assert_ptr_null(hc_image_check(buf, len));
}
END_TEST

#define FILE_REC(n) ((struct hci_file *)find(HCI_FILE, n))
#define VMA(n) ((struct hci_vma *)find(HCI_VMA, n))
#define WRONG(what)							\
	do {								\
		right();						\
		what;							\
		ck_assert_msg(hc_image_check(buf, len) != NULL, #what);	\
	} while (0)

START_TEST(refusals)
{
	struct hci_head *h = (void *)buf;

	WRONG(h->magic++);
	WRONG(h->version++);
	WRONG(h->len -= 8);
	WRONG(len -= 8);
	WRONG(h->nr_threads = 3);
	WRONG(h->nr_vmas = 2);
	WRONG(h->nr_files = 0);
	WRONG(h->nr_pages = 2);
	WRONG(h->pid = 101);
	WRONG(h->nr_groups = HCI_GROUPS_MAX + 1);
	WRONG(memset(h->exe, 'x', sizeof(h->exe)));
	WRONG(h->vdso_end = 1ULL << 60);
	WRONG(h->mm[HCI_MM_BRK] = -1ULL);
	WRONG(h->nice = 20);
	WRONG(((struct hci_rec *)find(HCI_XSTATE, 0))->type = HCI_SIGNAL);
	WRONG(((struct hci_signal *)find(HCI_SIGNAL, 0))->signo = 65);
	WRONG(VMA(0)->end = 0x400000);
	WRONG(VMA(1)->start = 0x401000);
	WRONG(VMA(1)->end = 1ULL << 62);
	WRONG(VMA(1)->flags = 1U << 31);
	WRONG(VMA(1)->flags = HCI_VF_SHARED);
	WRONG(VMA(0)->flags = HCI_VF_SHARED | HCI_VF_WRITE);
	WRONG(VMA(0)->kind = 7);
	WRONG(memset(VMA(0) + 1, 'x', 16));
	WRONG(((struct hci_run *)find(HCI_RUN, 0))->nr = 16);
	WRONG(((struct hci_run *)find(HCI_RUN, 0))->nr = ~0ULL);
	WRONG(((struct hci_run *)find(HCI_RUN, 0))->start = 0x4ff000);
	WRONG(((struct hci_file *)find(HCI_FILE, 1))->fd = 0);
	WRONG(((struct hci_file *)find(HCI_FILE, 1))->same = 1);
	WRONG(FILE_REC(1)->same = 7);				/* comes later, or never */
	WRONG(FILE_REC(0)->kind = HCI_FILE_SAME);		/* of itself */
	WRONG(FILE_REC(0)->kind = HCI_FILE_HOME);		/* of no kind */
	WRONG(FILE_REC(0)->kind = HCI_FILE_HOME; FILE_REC(0)->mode = 0140644);	/* socket */
	WRONG(FILE_REC(0)->kind = HCI_FILE_HOME; FILE_REC(0)->mode = 0104755);	/* setuid */
	WRONG(((char *)(FILE_REC(0) + 1))[15] = 'x');		/* after its end */
	WRONG(((char *)(VMA(0) + 1))[15] = 'x');
	WRONG(h->exe[sizeof(h->exe) - 1] = 'x');
	WRONG(h->cwd[100] = 'x');
	WRONG(((struct hci_page *)find(HCI_PAGE, 0))->addr = 0x400001);
	WRONG(((struct hci_rec *)find(HCI_PAGE, 0))->len = 8);
	WRONG(((struct hci_rec *)find(HCI_PAGE, 0))->len = ~7U);
	WRONG(((struct hci_rec *)find(HCI_PAGE, 0))->type = 99);
}
END_TEST

/* Random damage: no read outside (the sanitizer watches), and what passes can be walked. */
START_TEST(damage)
{
	uint64_t seed = unit_seed(), n = unit_ops(20000);

	printf("   test_image: seed 0x%llx\n", (unsigned long long)seed);
	seed |= 1;
	while (n--) {
		uint8_t *copy;
		size_t cut;

		right();
		for (uint32_t k = unit_below(&seed, 4) + 1; k; k--)
			((uint8_t *)buf)[unit_below(&seed, len)] = unit_random(&seed) >> 40;
		cut = unit_below(&seed, 8) ? len : unit_below(&seed, len + 1) & ~7U;
		copy = aligned_alloc(8, cut ? cut : 8);
		memcpy(copy, buf, cut);
		if (!hc_image_check(copy, cut)) {
			const struct hci_rec *rec = NULL;
			size_t walked = 0;

			while ((rec = hc_image_next(copy, rec)))
				walked += rec->len;
			MUST_EQ(walked, cut);
		}
		free(copy);
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("image");
	TCase *t = tcase_create("image");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, accepts);
	tcase_add_test(t, refusals);
	tcase_add_test(t, damage);
	suite_add_tcase(suite, t);
	return suite;
}
