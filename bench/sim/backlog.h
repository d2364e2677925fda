/* Requests that wait for a worker to have room for them: first in, first out, of any length. */
#ifndef QUERN_BENCH_SIM_BACKLOG_H
#define QUERN_BENCH_SIM_BACKLOG_H

#include <stddef.h>

struct backlog_request {
	double arrival_us, service_us;
};

struct backlog {
	struct backlog_request *ring;
	size_t capacity; /* a power of two */
	size_t first, count;
};

/* 0 or -ENOMEM. */
int backlog_init(struct backlog *b) __attribute__((warn_unused_result));
void backlog_done(struct backlog *b);

/* 0 or -ENOMEM, and then nothing has happened. */
int backlog_put(struct backlog *b, struct backlog_request r) __attribute__((warn_unused_result));

/* Of a backlog that is not empty. */
struct backlog_request backlog_take(struct backlog *b);

#endif
