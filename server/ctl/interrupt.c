#include "server/ctl/interrupt.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char last_words[128];
static size_t last_words_len;

/* The disposition is the default one again by now, so the signal does its work when this returns. */
static void on_interrupt(int number)
{
	ssize_t written = write(STDERR_FILENO, last_words, last_words_len);

	(void)written; /* there is nobody else to tell */
	(void)raise(number);
}

void interrupt_expect(const char *what)
{
	struct sigaction before,
		action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
	const char *newline = isatty(STDERR_FILENO) ? "\n" : ""; /* below the progress */
	int n = snprintf(last_words, sizeof(last_words),
		"%squernctl: the %s goes on: see quernctl status\n", newline, what);

	if (n < 0 || (size_t)n >= sizeof(last_words))
		return;
	last_words_len = (size_t)n;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		(void)sigaction(SIGINT, &action, NULL);
}

void interrupt_done(void)
{
	struct sigaction now;

	if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_interrupt)
		(void)signal(SIGINT, SIG_DFL);
}
