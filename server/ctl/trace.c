#include "server/ctl/trace.h"

#include "lib/file.h"
#include "server/ctl/ctl.h"
#include "server/ctl/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of all workers, tens of megabytes through a loopback. */
#define TRACE_DEADLINE_MS 20000

#define PATH_BYTES 128

static void put_path(char path[PATH_BYTES], const struct ctl_trace_wish *wish)
{
	const char *worker = wish->worker, *seconds = wish->seconds;

	(void)snprintf(path, PATH_BYTES, "/trace.json%s%s%s%s%s%s", worker || seconds ? "?" : "",
		worker ? "worker=" : "", worker ? worker : "", worker && seconds ? "&" : "",
		seconds ? "seconds=" : "", seconds ? seconds : "");
}

/* A device or a pipe is written to, not replaced. */
static int write_in_place(const char *file, const struct buffer *text)
{
	const int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = file_write_all(fd, text->data, text->len);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int write_trace(const char *file, const struct buffer *text)
{
	struct stat status;

	if (!file)
		return file_write_all(STDOUT_FILENO, text->data, text->len);
	if (stat(file, &status) == 0 && !S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : write_in_place(file, text);
	return file_replace(file, text->data, text->len);
}

/* Whatever answers there, it is no trace unless it begins and ends like one. */
static bool is_trace(const struct buffer *body)
{
	static const char end[] = "]}\n";

	return body->len > sizeof(end) && body->data[0] == '{' &&
	       memmem(body->data, body->len < 512 ? body->len : 512, "\"traceEvents\":[", 15) &&
	       memcmp(body->data + body->len - (sizeof(end) - 1), end, sizeof(end) - 1) == 0;
}

static int save(const char *address, const struct ctl_trace_wish *wish, const struct buffer *body)
{
	if (!is_trace(body)) {
		(void)fprintf(stderr,
			"quernctl: what answers at %s is not quernd's admin process\n", address);
		return EXIT_FAILED;
	}
	const int r = write_trace(wish->file, body);
	if (r == 0)
		return EXIT_DONE;
	(void)fprintf(stderr, "quernctl: cannot write %s: %s\n",
		wish->file ? wish->file : "the trace", strerror(-r));
	return EXIT_FAILED;
}

int ctl_trace(const char *address, const struct ctl_trace_wish *wish)
{
	char why[CTL_WHY_BYTES], path[PATH_BYTES];
	struct buffer body;
	int code = EXIT_FAILED;

	put_path(path, wish);
	buffer_init(&body);
	if (fetch_get(address, path, TRACE_DEADLINE_MS, &body, why) == 0)
		code = save(address, wish, &body);
	else
		(void)fprintf(stderr, "quernctl: %s\n", why);
	buffer_done(&body);
	return code;
}
