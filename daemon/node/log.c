// SPDX-License-Identifier: GPL-2.0-or-later
/* Journal or standard error: see log.h. */
#include "daemon/node/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LIMIT_LINES	10
#define LIMIT_REFILL_MS	6000

static bool is_journal;

/* systemd tells by $JOURNAL_STREAM=dev:inode that our standard error is the journal. */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!text || sscanf(text, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void hcd_log_init(bool to_stderr)
{
	is_journal = !to_stderr && stderr_is_journal();
}

void hcd_log(int priority, uint32_t peer, const char *env, const char *format, ...)
{
	char text[1024], prio_field[16], text_field[1040], peer_field[24], env_field[80];
	struct iovec fields[5];
	va_list args;
	int n = 0;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c; c++) {
		if (*c == '\n')
			*c = ' ';
	}
	if (!is_journal) {
		fprintf(stderr, "<%d>hyperchaind: %s\n", priority, text);
		return;
	}
#define FIELD(buf, ...) \
	do { \
		snprintf(buf, sizeof(buf), __VA_ARGS__); \
		fields[n++] = (struct iovec){ buf, strlen(buf) }; \
	} while (0)
	FIELD(text_field, "MESSAGE=%s", text);
	FIELD(prio_field, "PRIORITY=%d", priority);
	if (peer)
		FIELD(peer_field, "HC_PEER=%u", peer);
	if (env)
		FIELD(env_field, "HC_ENV=%s", env);
#undef FIELD
	sd_journal_sendv(fields, n);
}

bool hcd_log_allow(struct hcd_log_limit *limit, uint64_t now_ms)
{
	uint64_t refill = (now_ms - limit->at_ms) / LIMIT_REFILL_MS;

	if (refill) {
		limit->used = refill >= limit->used ? 0 : limit->used - (uint32_t)refill;
		limit->at_ms += refill * LIMIT_REFILL_MS;
	}
	if (limit->used >= LIMIT_LINES) {
		limit->suppressed++;
		return false;
	}
	limit->used++;
	if (limit->suppressed) {
		hcd_warn("%u lines of this kind were left out", limit->suppressed);
		limit->suppressed = 0;
	}
	return true;
}
