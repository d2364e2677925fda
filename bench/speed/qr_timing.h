/*
 * Medians of how much CPU time something takes, for programs that compare two ways of doing it. Not of how long it
 * takes: what shares the CPU interrupts long samples more often than short ones, and would be counted to one side.
 */
#ifndef QUERN_BENCH_SPEED_QR_TIMING_H
#define QUERN_BENCH_SPEED_QR_TIMING_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QR_TIMING_SAMPLES 401
#define QR_TIMING_SAMPLES_LEAST 7
#define QR_TIMING_SAMPLE_US 60.0 /* more than a hundred times what reading the clock takes */

/* 0, or anything else on failure, which ends the program. */
typedef int (*qr_timing_fn)(void *own);

struct qr_timing {
	qr_timing_fn run;
	void *own;
	unsigned repeats; /* calls a sample */
	size_t n;
	double us[QR_TIMING_SAMPLES]; /* of one call */
};

static inline double qr_timing_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The time that `repeats` calls take. */
static inline double qr_timing_run_us(const struct qr_timing *t)
{
	const double start = qr_timing_now_us();

	for (unsigned i = 0; i < t->repeats; i++) {
		if (t->run(t->own) != 0) {
			fprintf(stderr, "a stage failed\n");
			exit(1);
		}
	}
	return qr_timing_now_us() - start;
}

/* Finds out how often to repeat; that warms caches and buffers as well. */
static inline void qr_timing_init(struct qr_timing *t, qr_timing_fn run, void *own)
{
	t->run = run;
	t->own = own;
	t->n = 0;
	t->repeats = 1;
	while (qr_timing_run_us(t) < QR_TIMING_SAMPLE_US)
		t->repeats *= 2;
}

static inline void qr_timing_sample(struct qr_timing *t)
{
	t->us[t->n++] = qr_timing_run_us(t) / t->repeats;
}

/* One sample of each in turn, for so many seconds of CPU time or QR_TIMING_SAMPLES. */
static inline void qr_timing_interleave(struct qr_timing *timings, size_t n, double seconds)
{
	const double end = qr_timing_now_us() + seconds * 1e6;

	for (size_t round = 0; round < QR_TIMING_SAMPLES; round++) {
		if (round >= QR_TIMING_SAMPLES_LEAST && qr_timing_now_us() > end)
			break;
		for (size_t i = 0; i < n; i++)
			qr_timing_sample(&timings[i]);
	}
}

static inline void qr_timing_repeat(struct qr_timing *t, double seconds)
{
	qr_timing_interleave(t, 1, seconds);
}

static inline int qr_timing_order(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static inline double qr_timing_middle(double *values, size_t n)
{
	qsort(values, n, sizeof(values[0]), qr_timing_order);
	return values[n / 2];
}

static inline double qr_timing_median(const struct qr_timing *t)
{
	double us[QR_TIMING_SAMPLES] = {0};

	memcpy(us, t->us, t->n * sizeof(us[0]));
	return qr_timing_middle(us, t->n);
}

/*
 * How many times as long b takes: the median of the rounds' ratios. The two of a round met the same state of the
 * machine, which may change from round to round.
 */
static inline double qr_timing_ratio(const struct qr_timing *a, const struct qr_timing *b)
{
	double ratios[QR_TIMING_SAMPLES] = {0};

	for (size_t i = 0; i < a->n; i++)
		ratios[i] = b->us[i] / a->us[i];
	return qr_timing_middle(ratios, a->n);
}

#endif
