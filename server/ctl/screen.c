#include "server/ctl/screen.h"

#include "lib/clock.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 120

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* There is one terminal, and signal handlers have no other way to reach it. */
static struct termios before;
static bool has_keys;
static volatile sig_atomic_t is_open, ended_by, resized, suspended;
static sigset_t unblocked;

struct table_style screen_style(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct table_style style = {.columns = DEFAULT_COLUMNS};
	struct winsize size;

	style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!isatty(fd))
		return style;
	style.colour = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
		style.columns = size.ws_col;
		style.rows = size.ws_row;
	}
	return style;
}

/* Everything in here may be called from a signal handler. */
static void enter(void)
{
	static const char start[] = "\033[?1049h\033[?25l\033[?7l";
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	if (write(STDOUT_FILENO, start, sizeof(start) - 1) > 0)
		is_open = 1;
}

static void leave(void)
{
	static const char end[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

	if (!is_open)
		return;
	is_open = 0;
	if (has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	if (write(STDOUT_FILENO, end, sizeof(end) - 1) < 0)
		return; /* the terminal is gone */
}

static void note_signal(int number)
{
	if (number == SIGWINCH || number == SIGCONT)
		resized = 1;
	else if (number == SIGTSTP)
		suspended = 1;
	else
		ended_by = number;
}

static void crash(int number)
{
	leave();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void catch_signals(void)
{
	struct sigaction note = {.sa_handler = note_signal};
	struct sigaction fatal = {.sa_handler = crash, .sa_flags = (int)SA_RESETHAND};
	const int others[] = {SIGWINCH, SIGCONT, SIGTSTP};
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < COUNT(endings); i++) {
		(void)sigaction(endings[i], &note, NULL);
		(void)sigaddset(&blocked, endings[i]);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		(void)sigaction(others[i], &note, NULL);
		(void)sigaddset(&blocked, others[i]);
	}
	for (size_t i = 0; i < COUNT(crashes); i++)
		(void)sigaction(crashes[i], &fatal, NULL);
	(void)sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	/* Even where whoever started us had them blocked. */
	for (size_t i = 0; i < COUNT(endings); i++)
		(void)sigdelset(&unblocked, endings[i]);
	/* Writing to a terminal that is gone gives EIO or EPIPE, which ends the program. */
	(void)signal(SIGPIPE, SIG_IGN);
}

int screen_open(void)
{
	if (!isatty(STDOUT_FILENO))
		return -ENOTTY;
	has_keys = tcgetattr(STDIN_FILENO, &before) == 0;
	catch_signals();
	if (atexit(leave) != 0)
		return -ENOMEM;
	enter();
	return is_open ? 0 : -EIO;
}

void screen_close(void)
{
	leave();
}

int screen_draw(const struct buffer *text, size_t rows)
{
	struct buffer out;
	size_t at = 0;
	int r = 0;

	/* Lines are cleared behind their ends only, and all is written at once: no flicker. */
	buffer_init(&out);
	buffer_puts(&out, "\033[H");
	for (size_t n = 0; at < text->len && (rows == 0 || n < rows); n++) {
		const char *line = text->data + at;
		const char *end = memchr(line, '\n', text->len - at);
		size_t len = end ? (size_t)(end - line) : text->len - at;

		if (at > 0)
			buffer_puts(&out, "\r\n");
		buffer_append(&out, line, len);
		buffer_puts(&out, "\033[K");
		at += len + 1;
	}
	buffer_puts(&out, "\033[J");
	for (at = 0; !out.failed && at < out.len && r == 0;) {
		ssize_t n = write(STDOUT_FILENO, out.data + at, out.len - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			r = -errno;
	}
	if (out.failed)
		r = -ENOMEM;
	buffer_done(&out);
	return r;
}

static void suspend(void)
{
	suspended = 0;
	leave();
	(void)raise(SIGSTOP);
	/* Continued. */
	if (has_keys)
		(void)tcgetattr(STDIN_FILENO, &before);
	enter();
	resized = 1;
}

static enum screen_event read_key(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		has_keys = false;
		return SCREEN_REDRAW;
	}
	if (n == 1 && (key == 'q' || key == 'Q' || key == 3 || key == 4))
		return SCREEN_QUIT;
	return SCREEN_REDRAW;
}

enum screen_event screen_wait(uint64_t until_us)
{
	for (;;) {
		struct pollfd keys = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
		uint64_t now_us = clock_us(), left_us = until_us > now_us ? until_us - now_us : 0;
		struct timespec left = {
			.tv_sec = (time_t)(left_us / 1000000),
			.tv_nsec = (long)(left_us % 1000000) * 1000,
		};
		int n = ppoll(&keys, 1, &left, &unblocked);

		if (ended_by)
			return SCREEN_QUIT;
		if (suspended)
			suspend();
		if (resized) {
			resized = 0;
			return SCREEN_REDRAW;
		}
		if (n > 0)
			return read_key();
		if (left_us == 0)
			return SCREEN_TIME;
	}
}

int screen_signal(void)
{
	return ended_by;
}
