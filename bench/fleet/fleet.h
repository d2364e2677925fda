/*
 * A fleet for an experiment: quernd (and HAProxy, unless the policy is `shared`) started on free
 * ports of 127.0.0.1 in a session of their own, with lab.enabled, from the programs beside this one
 * (or on PATH), configuration and logs in a scratch directory. CPUs are kept awake meanwhile
 * (awake.h). All end when this process does (PR_SET_PDEATHSIG), and fleet_stop() leaves nothing
 * behind.
 */
#ifndef QUERN_BENCH_FLEET_FLEET_H
#define QUERN_BENCH_FLEET_FLEET_H

#include "bench/fleet/watch.h"
#include "bench/model/policy.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct fleet_options {
	struct policy
		policy; /* random(d) with d > 2 is refused with -EINVAL: quernd has no such policy */
	unsigned workers;
	const char *cpus_workers;	   /* "1" or "1,2": where quernd may run; NULL: anywhere */
	const char *cpus_balancer;	   /* NULL: anywhere */
	const volatile sig_atomic_t *stop; /* ends the wait for it to start; NULL: none */
	/*
	 * Options over those that the lab chooses: {"execution.strategy": "yield"}; borrowed for
	 * the call; NULL: none.
	 */
	const json_t *set;
};

struct fleet; /* opaque */

/*
 * Waits until every worker takes work through HAProxy. 0; -EINTR by stop; -errno; each with a
 * sentence in error (with the end of the log, where a program has died).
 */
int fleet_start(struct fleet **ret, const struct fleet_options *o, struct buffer *error)
	__attribute__((warn_unused_result));

/* SIGTERM, then SIGKILL after a bound; frees. */
void fleet_stop(struct fleet *f);

const char *fleet_url(const struct fleet *f); /* "http://127.0.0.1:12345" */
/* How to look at it; valid as long as the fleet. */
void fleet_watch(const struct fleet *f, struct watch *ret);

/* 0; -ECHILD with a sentence and the end of its log, if one of the programs has died. */
int fleet_check(struct fleet *f, struct buffer *error) __attribute__((warn_unused_result));

#endif
