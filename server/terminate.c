#include "server/terminate.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct terminate *t = arg;
	struct signalfd_siginfo info;
	(void)what;

	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		t->callback(t->arg);
}

int terminate_init(
	struct terminate *t, struct event_base *base, void (*callback)(void *arg), void *arg)
{
	sigset_t set;

	*t = (struct terminate){.callback = callback, .arg = arg};
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	t->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	t->event = event_new(base, t->fd, EV_READ | EV_PERSIST, on_signal, t);
	if (t->event && event_add(t->event, NULL) == 0)
		return 0;
	if (t->event)
		event_free(t->event);
	t->event = NULL;
	(void)close(t->fd);
	return -ENOMEM;
}

void terminate_done(struct terminate *t)
{
	if (!t->event)
		return;
	event_free(t->event);
	(void)close(t->fd);
	t->event = NULL;
}
