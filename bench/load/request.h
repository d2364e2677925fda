/*
 * The requests of a load from being drawn to being handed to the sink. Each is in exactly one of
 * the lists below, the waiting ones in two.
 */
#ifndef QUERN_BENCH_LOAD_REQUEST_H
#define QUERN_BENCH_LOAD_REQUEST_H

#include "bench/load/links.h"
#include "bench/load/sample.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct connection;

struct request {
	struct links links;	    /* in prepared, live, ended or spare */
	struct links waiting_links; /* in waiting */
	bool waiting;
	struct connection *on; /* that it was sent on, or will be; NULL: none */
	struct sample sample;
	struct buffer text; /* whole, as it goes out */
	bool measured;	    /* a sample, not warm-up */
	bool head;
	bool repeatable; /* GET or HEAD */
	bool repeated;
};

struct requests {
	struct links prepared; /* not yet due, in order of intended sends */
	struct links live;     /* due and not ended, in the same order: that of their deadlines */
	struct links waiting;  /* those of them that have no connection, in the order of service */
	struct links ended;    /* not yet handed to the sink */
	struct links spare;    /* memory to use again */
	size_t prepared_count, waiting_count;
};

void requests_init(struct requests *q);
/* Frees all of them, wherever they are. */
void requests_done(struct requests *q);

/* A request with an empty text, in no list; NULL without memory. */
struct request *requests_new(struct requests *q) __attribute__((warn_unused_result));
void requests_spare(struct requests *q, struct request *r);

void requests_wait(struct requests *q, struct request *r);
/* Before all others: for one that has waited its turn already. */
void requests_wait_first(struct requests *q, struct request *r);
void requests_wait_no_more(struct requests *q, struct request *r);

#endif
