// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs, small files, trees. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container.h"

/* The last line that says something. */
static void last_line(char *text, char *buf, size_t len)
{
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (l[strspn(l, " \t")])
			snprintf(buf, len, "%s", l);
	}
	for (char *c = buf; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	}
}

static void child(const char *const argv[], int in, int out)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	execvp(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int hcc_run(const char *const argv[], const char *input, char error[HCC_ERROR_LEN])
{
	char said[4096] = "", line[256] = "it says nothing";
	int in = memfd_create("input", MFD_CLOEXEC), out[2], status;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	if (in < 0 || pipe2(out, O_CLOEXEC) < 0)
		return hcc_fail(error, -errno, "Cannot start %s: %m.", argv[0]);
	if (input && write(in, input, strlen(input)) < 0)
		return hcc_fail(error, -errno, "Cannot start %s: %m.", argv[0]);
	lseek(in, 0, SEEK_SET);
	pid = fork();
	if (pid == 0)
		child(argv, in, out[1]);
	close(in);
	close(out[1]);
	/* Only the end counts: the first half is dropped when it is full. */
	while (pid > 0 && (n = read(out[0], said + have, sizeof(said) - 1 - have)) > 0) {
		have += (size_t)n;
		if (have == sizeof(said) - 1) {
			memmove(said, said + sizeof(said) / 2, have - sizeof(said) / 2);
			have -= sizeof(said) / 2;
		}
		said[have] = 0;
	}
	close(out[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return hcc_fail(error, -errno, "Cannot start %s: %m.", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_line(said, line, sizeof(line));
	return hcc_fail(error, WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EIO,
			"%s failed: %s.", argv[0], line);
}

int hcc_write(const char *text, const char *fmt, ...)
{
	char path[HCC_PATH_LEN * 2];
	va_list ap;
	int fd, r = 0;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

int hcc_sibling(const char *name, char ret_path[HCC_PATH_LEN])
{
	ssize_t n = readlink("/proc/self/exe", ret_path, HCC_PATH_LEN - 64);

	if (n < 0)
		return -errno;
	ret_path[n] = 0;
	strcpy(strrchr(ret_path, '/') + 1, name);
	return access(ret_path, X_OK) < 0 ? -errno : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DP ? rmdir(path) < 0 : unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return 0;
}

int hcc_remove_tree(const char *path)
{
	int r = nftw(path, remove_one, 64, FTW_PHYS | FTW_DEPTH | FTW_MOUNT);

	return r < 0 && errno == ENOENT ? 0 : r < 0 ? -errno : r;
}
