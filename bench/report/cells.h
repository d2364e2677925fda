/*
 * What a sweep has measured, read back: DIR/cells.jsonl and DIR/machine.json
 * (bench/experiments/README.md). All times in ms. Numbers that a line does not have are NAN,
 * intervals unknown, texts NULL: whoever shows or judges a figure looks first.
 */
#ifndef QUERN_BENCH_REPORT_CELLS_H
#define QUERN_BENCH_REPORT_CELLS_H

#include "bench/stat/interval.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_figure { CELL_MEAN, CELL_P50, CELL_P95, CELL_P99, CELL_FIGURES };
extern const char *const cell_figure_names[CELL_FIGURES]; /* "mean", "p50", ... */

struct cell_latency {
	double value[CELL_FIGURES];
	struct interval interval[CELL_FIGURES];
};

/* The split's chain, from a perfect fleet to what was measured. */
enum cell_part {
	CELL_REPLAY,
	CELL_TIMER,
	CELL_DISPATCH,
	CELL_LOOP,
	CELL_PROXY,
	CELL_GENERATOR,
	CELL_MEASURED,
	CELL_PARTS
};
extern const char *const cell_part_names[CELL_PARTS];

struct cell_bar {
	double low, high, count;
};

struct cell {
	const char *experiment, *name;
	bool quick;
	const char *time;
	uint64_t seed;
	const char *kind, *spec; /* of service; kind: emulated, real, foreign */
	double service_ms, service_scv;
	const char *policy;
	unsigned workers;
	double utilization; /* as wanted */
	double calibrated_ms, overhead_ms, rate_rps;
	double requests, offered_rps, achieved_rps, errors, lateness_p99;
	double busy_mean, busy_most;
	double haproxy_cpu, generator_cpu;
	struct cell_latency measured, replay, predicted, closed;
	const char *method, *formula; /* of predicted and closed */
	double split[CELL_FIGURES][CELL_PARTS];
	struct cell_bar *bar; /* histogram; owned */
	size_t bars;
	const char *void_reason; /* NULL: the cell counts */
	const char *note;	 /* what else is to be known; NULL: nothing */
	json_t *json; /* holds the texts; a reference of its own, NULL where they live elsewhere */
};

struct cells {
	struct cell *cell;
	size_t count;
	size_t replaced; /* lines whose cell another line measured again */
	size_t broken;	 /* lines that could not be read */
	json_t *machine; /* NULL: no machine.json */
};

/*
 * Reads DIR. Of several lines of one cell (experiment and name) the best one counts: one that is
 * not void before one that is, a full one before a quick one, the later one before the earlier. A
 * line that cannot be read is left out, with "FILE:LINE: what is wrong" as a line in complaints,
 * and so is a broken machine.json. 0; -ENOENT with a sentence in error where there is no
 * cells.jsonl, -ENODATA where none of its lines is a cell, or -errno. cells_done() frees.
 */
int cells_read(struct cells *ret, const char *dir, struct buffer *complaints, struct buffer *error)
	__attribute__((warn_unused_result));
void cells_done(struct cells *c);

/* A cell without any figure: all of them NAN and unknown. */
void cell_init(struct cell *c);

/*
 * One line's object, which the cell takes a reference of. 0; -EINVAL with what is wrong in
 * complaint; -ENOMEM.
 */
int cell_read(struct cell *ret, json_t *object, struct buffer *complaint)
	__attribute__((warn_unused_result));
void cell_done(struct cell *c);

/* The workers' utilization as measured, or the wanted one where it was not. */
double cell_busy(const struct cell *c);

/* (measured - reference) / reference; NAN where either is not known. */
double cell_error(const struct cell *c, const struct cell_latency *reference, enum cell_figure f);

#endif
