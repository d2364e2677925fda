/* SIGTERM as an event of the loop, by signalfd: nothing runs in a signal handler. */
#ifndef QUERN_SERVER_TERMINATE_H
#define QUERN_SERVER_TERMINATE_H

#include <event2/event.h>

struct terminate {
	int fd;
	struct event *event;
	void (*callback)(void *arg);
	void *arg;
};

/* The signal must be blocked already. 0 or -errno; terminate_done() takes either, and a zeroed
 * struct. */
int terminate_init(struct terminate *t, struct event_base *base, void (*callback)(void *arg),
	void *arg) __attribute__((warn_unused_result));
void terminate_done(struct terminate *t);

#endif
