/* What became of the requests: counts, latencies, the failures one by one, and their printing. */
#ifndef QUERN_TESTS_FAULTS_TALLY_H
#define QUERN_TESTS_FAULTS_TALLY_H

#include "tests/faults/answer.h"
#include "tests/faults/targets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum outcome {
	RIGHT,	   /* the answer is what it must be, byte for byte */
	SHED,	   /* 503 with Retry-After */
	WRONG,	   /* whole, but another one */
	MALFORMED, /* no HTTP, or bytes that nobody had asked for */
	RESET,	   /* the connection was reset before the answer was whole */
	CLOSED,	   /* the connection was closed before the answer was whole */
	/* A reused connection ended within TALLY_RACE_US of a request, without a byte of an answer: the server may have
	 * closed it before it saw the request. HTTP cannot rule that out (RFC 9112, 9.5) unless, as here, the server says
	 * in an answer that it will close. */
	RACED,
	/* Pipelined behind an answer that said `Connection: close`: such a request is not taken, and the client knows. */
	CUT,
	REFUSED, /* no connection could be had */
	TIMEOUT,
	OUTCOMES
};
const char *outcome_name(enum outcome o);

#define TALLY_RACE_US 100000u
#define TALLY_SLOTS 1024
#define TALLY_FAILURES 200

/* The state a request was in when it ended; times of clock_us() kind, CLOCK_MONOTONIC. */
struct ending {
	enum outcome outcome;
	const char *detail; /* static text, or NULL */
	const struct target *target;
	const struct answer *answer;   /* NULL: there was none */
	uint64_t intended_us, sent_us; /* sent: handed to the kernel; 0: not at all */
	uint64_t opened_us;	       /* the connection */
	unsigned asked_before;	       /* requests answered on it; 0: a fresh one */
	unsigned port;		       /* its local port, by which HAProxy's log can be searched */
	size_t bytes;		       /* of the answer that had come */
};

struct tally {
	uint64_t outcomes[OUTCOMES];
	uint64_t late, late_shed; /* right ones and shed ones above late_us */
	uint64_t
		shed_at_once; /* shed by no worker, and before late_us: there was none to be found */
	uint64_t late_us;
	uint64_t slot[TALLY_SLOTS],
		late_slot[TALLY_SLOTS];	 /* right ones by who answered, all and late */
	uint64_t shed_slot[TALLY_SLOTS]; /* shed ones by the worker that said so, if one did */
	uint32_t *latency_us;		 /* of right ones */
	size_t latencies, room;
	uint64_t connections, reused,
		idle_closed;		     /* opened; requests on used ones; ends while idle */
	uint64_t send_lag_us;		     /* how late the driver itself was at worst */
	uint64_t shed_least_us[TALLY_SLOTS]; /* the shortest wait of one of those */
	uint64_t slowest_us, shed_slowest_us;
	struct failure {
		char text[512]; /* a JSON object */
	} * failure;
	size_t failures;
};

/* 0 or -ENOMEM. */
int tally_init(struct tally *t, uint64_t late_us) __attribute__((warn_unused_result));
void tally_done(struct tally *t);

/* Counts a request's end. 0 or -ENOMEM. */
int tally_add(struct tally *t, const struct ending *e, uint64_t now_us)
	__attribute__((warn_unused_result));

/* All that are neither RIGHT, SHED nor CUT. */
uint64_t tally_failed(const struct tally *t);
uint64_t tally_sent(const struct tally *t);

/* One line for people; sorts the latencies. */
void tally_print(struct tally *t, FILE *out, double seconds);
void tally_write_json(struct tally *t, FILE *out, double seconds);

#endif
