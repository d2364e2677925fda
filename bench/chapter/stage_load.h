/* One load on a stand, measured, with all samples that the stage wants; and the line of results that comes of it. */
#ifndef QUERN_BENCH_CHAPTER_STAGE_LOAD_H
#define QUERN_BENCH_CHAPTER_STAGE_LOAD_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/observer.h"
#include "bench/chapter/stand.h"
#include "bench/load/recorder.h"

struct stage_load_options {
	const struct chapter_stage *stage;
	struct stand *stand;
	double rate_rps;
	uint64_t requests; /* 0: for `seconds` */
	double seconds, warmup_s;
	uint64_t seed;
	const char *rest_cpus;		       /* where the generator runs */
	const struct chapter_samples *samples; /* NULL: none */
	const volatile sig_atomic_t *stop;
	void (*show)(void *own,
		double elapsed_s); /* a few times a second; below 0 in the warm-up; NULL: not called */
	void *own;
};

struct stage_load {
	struct recorder recorder; /* owned */
	struct load_totals totals;
	bool looked;		    /* shares, services and server are known */
	struct watch_shares shares; /* of the measured part; `others` without the services */
	double services, server;    /* CPUs */
	json_t *loop, *status, *probe, *trace; /* owned; NULL: none. trace: a text */
	struct buffer void_reason;
	struct buffer note; /* what else is to be known */
};

/* 0; -EINTR by stop; -errno; each with a sentence. What the servers did wrong is in void_reason. */
int stage_load_run(const struct stage_load_options *o, struct stage_load *ret, struct buffer *error)
	__attribute__((warn_unused_result));
void stage_load_done(struct stage_load *m);

/* The members of a line that come from the load; NULL without memory. */
json_t *stage_load_json(const struct stage_load_options *o, const struct stage_load *m);

#endif
