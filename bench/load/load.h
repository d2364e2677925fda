/*
 * An open-loop load: requests are sent when the arrival process says so, whatever became of the
 * ones before. Single-threaded, epoll, pacing by absolute times. When the keep-alive pool is at its
 * bound and no connection is free, an intended send waits in order and is counted; none is ever
 * left out. Latency counts from the intended send.
 *
 * The generator only produces samples: what is made of them is the caller's business (`sink`). It
 * never logs.
 */
#ifndef QUERN_BENCH_LOAD_LOAD_H
#define QUERN_BENCH_LOAD_LOAD_H

#include "bench/load/mix.h"
#include "bench/load/sample.h"
#include "bench/load/target.h"
#include "bench/model/arrival.h"
#include "lib/buffer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct load_options {
	const struct target *target;
	const struct mix *mix;
	struct arrival *arrival; /* started by load_run() */
	double rate_rps;
	uint64_t seed;	      /* arrivals and request contents take streams of it */
	uint64_t warmup_us;   /* arrivals intended before this are sent, but are not samples */
	uint64_t duration_us; /* of the measured part, after the warm-up; 0: until `requests` */
	uint64_t requests;    /* measured ones; 0: until duration_us. At least one of both */
	uint64_t timeout_us;  /* of a request, from its intended send */
	unsigned connections; /* bound of the pool */
	bool verify_tls;      /* check the server's certificate against the system's authorities */
	bool realtime; /* SCHED_FIFO, if the system allows it (otherwise load_run() fails with -EPERM) */

	/* Each measured request once, in the order in which they ended. */
	void (*sink)(void *own, const struct sample *s);
	/*
	 * About four times a second, warm-up included, with the time since the start of the run;
	 * true ends it now (narrow enough): nothing more is sent, what is under way is waited for.
	 * NULL: not called.
	 */
	bool (*tick)(void *own, double elapsed_us);
	void *own;
	/*
	 * Set by a signal handler: the run is broken off, what is under way becomes
	 * SAMPLE_UNFINISHED. NULL: none.
	 */
	const volatile sig_atomic_t *stop;
};

struct load_totals {
	double offered_rps;  /* what the arrival process was asked for */
	double intended_rps; /* arrivals in the measured time / measured time */
	double achieved_rps; /* complete answers of measured requests / time from first intended to last done */
	double elapsed_us; /* of the measured part: from the end of the warm-up to the last intended send */
	double cpu_share;  /* CPU time of the generator's thread / wall, in the measured part */
	uint64_t intended; /* measured arrivals */
	uint64_t warmup;   /* arrivals in the warm-up */
	uint64_t waited;   /* measured arrivals that had to wait for a connection */
	uint64_t connects; /* connections opened */
	unsigned most_connections;
	uint64_t bytes_in, bytes_out;
	bool interrupted; /* by *stop */
	bool ended_early; /* by tick */
};

/*
 * Runs the whole load. 0: totals are filled, whatever the server did (its failures are samples).
 * Otherwise -errno with a sentence in error: nothing was measured because the run could not begin
 * (no epoll, no memory, -EPERM for realtime; or -ECONNREFUSED, -ETIMEDOUT, -EPROTO (TLS)...: the
 * very first connection, tried before the first send, failed; -EINTR: *stop came before it), or the
 * generator ran out of memory half-way. For the time of the run SIGPIPE is ignored, and the soft
 * limit of descriptors is the hard one; without free descriptors the pool stays as large as it is.
 * Connections that the server closes between requests are not errors: the pool opens others; a
 * request that was sent on a connection that had been idle and that ended without a byte of answer
 * is sent once more on a new one (as every HTTP client does, RFC 9112 9.3.1; only methods GET and
 * HEAD).
 */
int load_run(const struct load_options *o, struct load_totals *ret, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
