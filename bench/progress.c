#include "bench/progress.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_BYTES 512
#define COLUMNS 80 /* where the terminal does not tell */

static bool shown;
static volatile sig_atomic_t stop;

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		return size.ws_col;
	return COLUMNS;
}

void progress_show(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	const size_t width = columns() - 1;
	if (strlen(line) > width && width < sizeof line)
		line[width] = '\0';
	(void)fprintf(stderr, "\r%s\033[K", line);
	(void)fflush(stderr);
	shown = true;
}

void progress_clear(void)
{
	if (!shown)
		return;
	(void)fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	shown = false;
}

static void on_signal(int number)
{
	if (stop) {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
	stop = 1;
}

const volatile sig_atomic_t *progress_stop(void)
{
	static bool installed;

	if (!installed) {
		struct sigaction action = {.sa_handler = on_signal};

		(void)sigemptyset(&action.sa_mask);
		(void)sigaction(SIGINT, &action, NULL);
		(void)sigaction(SIGTERM, &action, NULL);
		installed = true;
	}
	return &stop;
}
