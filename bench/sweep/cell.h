/*
 * One cell: a fleet is brought up, calibrated, loaded, watched, and compared with a perfect one and
 * with the prediction.
 */
#ifndef QUERN_BENCH_SWEEP_CELL_H
#define QUERN_BENCH_SWEEP_CELL_H

#include "bench/load/target.h"
#include "bench/measure/calibrate.h"
#include "bench/measure/measure.h"
#include "bench/measure/split.h"
#include "bench/plan/closed.h"
#include "bench/plan/predict.h"
#include "bench/sweep/schedule.h"

#include <jansson.h>

/* A fleet that is not ours. */
struct cell_foreign {
	struct target target;
	struct watch watch;
	bool known; /* false: there is none */
};

struct cell_options {
	const struct experiment *experiment;
	const struct schedule_cell *cell;
	bool quick;
	uint64_t seed;			    /* of this cell */
	const struct cell_foreign *foreign; /* NULL: our own */
	const char *cpus_workers,
		*cpus_rest; /* for real work: CPUs of the workers, and of HAProxy and the generator */
	const volatile sig_atomic_t *stop;
	void (*show)(void *own, const struct measure_live *live);
	void *own;
};

struct cell_result {
	struct calibration calibration;
	double service_us; /* mean of the work: the distribution's, where it is known */
	double rate_rps;
	struct measure measure; /* owned */
	struct split split;	/* owned; where split_known */
	bool split_known;
	struct prediction predicted;
	bool is_predicted;
	struct interval p99; /* of the measured p99; also in load, as those of mean, p50 and p95 */
	struct closed_response closed; /* formula "": none */
	struct buffer void_reason;     /* empty: the cell counts; owned */
	struct buffer notes;	       /* what else is to be known of it; owned */
	json_t *load;		       /* load_report_json(); owned */
};

/*
 * 0; -EINTR where it was stopped; -errno, with a sentence: there is no result. Otherwise
 * cell_result_done().
 */
int cell_measure(const struct cell_options *o, struct cell_result *ret, struct buffer *error)
	__attribute__((warn_unused_result));
void cell_result_done(struct cell_result *r);

/* The line of cells.jsonl (bench/experiments/README.md). NULL without memory. */
json_t *cell_result_json(const struct cell_options *o, const struct cell_result *r);

/* Seconds that a cell takes at most, and at least. */
double cell_seconds_most(const struct experiment *e, bool quick);
double cell_seconds_least(const struct experiment *e, bool quick);

#endif
