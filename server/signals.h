/* Signals as events of the loop, by signalfd: nothing runs in a signal handler. */
#ifndef QUERN_SERVER_SIGNALS_H
#define QUERN_SERVER_SIGNALS_H

#include <event2/event.h>
#include <signal.h>

struct signals {
	int fd;
	struct event *event;
	void (*callback)(int number, void *arg);
	void *arg;
};

/*
 * Blocks the signals of the set, and from then on calls back with the number of each that comes. Those that came while
 * they were blocked already are told, too. 0 or -errno; signals_done() takes either, and a zeroed struct.
 */
int signals_init(struct signals *s, struct event_base *base, const sigset_t *set,
	void (*callback)(int number, void *arg), void *arg) __attribute__((warn_unused_result));

/* The signals stay blocked. */
void signals_done(struct signals *s);

#endif
