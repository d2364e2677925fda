/*
 * Connections of the driver: a request or two on their way, the answers, and the end of each, told to the tally. No
 * request is ever sent a second time. Plain non-blocking sockets on an epoll descriptor, edge-triggered.
 */
#ifndef QUERN_TESTS_FAULTS_LINK_H
#define QUERN_TESTS_FAULTS_LINK_H

#include "tests/faults/tally.h"
#include "tests/faults/targets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LINK_PIPELINE 2 /* requests at once on one connection, at most */

struct request {
	const struct target *target;
	uint64_t intended_us; /* latency counts from here */
	uint64_t sent_us;     /* when its first byte went out */
};

struct link {
	int fd;
	bool connecting;
	bool once;	   /* not used for another request */
	unsigned port;	   /* the local one */
	unsigned answered; /* requests so far */
	uint64_t opened_us;
	struct request request[LINK_PIPELINE]; /* under way, oldest first */
	unsigned requests;
	char *out;
	size_t out_bytes, out_sent, out_room;
	size_t out_stop;    /* a slow client pauses there, 0: nowhere ... */
	uint64_t resume_us; /* ... until then */
	char *in;
	size_t in_bytes, in_room;
	struct link *older, *newer; /* in the list of idle ones */
	size_t index;		    /* in links.all */
};

struct links {
	struct tally *tally;
	struct sockaddr_storage address;
	socklen_t address_bytes;
	int epoll;
	size_t keep, max;   /* idle ones to keep, and open ones at most */
	struct link **all;  /* max of them, `count` in use */
	size_t count, idle; /* open; idle ones of these */
	size_t paused;	    /* slow ones that wait for resume_us */
	struct link *oldest, *newest;
	int failure; /* -errno: the run cannot go on */
};

/* How requests are put on a connection. */
struct manner {
	bool fresh;	   /* on a new one, which is closed after the answer */
	uint64_t pause_us; /* sent in two pieces with that much time between them; 0: at once */
};

/* 0 or -errno. The tally is borrowed. */
int links_init(struct links *s, struct tally *tally, size_t keep, size_t max)
	__attribute__((warn_unused_result));
void links_done(struct links *s);

/* Sends n requests, at most LINK_PIPELINE, over one connection; all are due at intended_us, slow ones after their pause. */
void links_ask(struct links *s, const struct target *const *target, unsigned n,
	const struct manner *how, uint64_t intended_us, uint64_t now_us);

/* What epoll said of a connection (its data.ptr); l may be gone afterwards. */
void links_event(struct links *s, struct link *l, uint32_t events);

/* Goes on with slow ones, and ends requests that are older than timeout_us. */
void links_resume(struct links *s, uint64_t now_us);
void links_expire(struct links *s, uint64_t timeout_us, uint64_t now_us);

/* Whether requests are under way. */
bool links_busy(const struct links *s);

#endif
