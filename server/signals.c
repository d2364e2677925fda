#include "server/signals.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct signals *s = arg;
	struct signalfd_siginfo info;
	(void)what;

	/* One at a time: the event comes again as long as there are more. */
	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->callback((int)info.ssi_signo, s->arg);
}

int signals_init(struct signals *s, struct event_base *base, const sigset_t *set,
	void (*callback)(int number, void *arg), void *arg)
{
	*s = (struct signals){.callback = callback, .arg = arg};
	if (sigprocmask(SIG_BLOCK, set, NULL) != 0)
		return -errno;
	s->fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->event = event_new(base, s->fd, EV_READ | EV_PERSIST, on_signal, s);
	if (s->event && event_add(s->event, NULL) == 0)
		return 0;
	if (s->event)
		event_free(s->event);
	s->event = NULL;
	(void)close(s->fd);
	return -ENOMEM;
}

void signals_done(struct signals *s)
{
	if (!s->event)
		return;
	event_free(s->event);
	(void)close(s->fd);
	s->event = NULL;
}
