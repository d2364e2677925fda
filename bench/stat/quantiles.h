/*
 * A histogram of positive real values (us) for quantiles, log-linear as in HdrHistogram (Tene):
 * 256 buckets for each power of two from 2^-10 us (1 ns) to 2^36 us (19 h), 0.4 % wide, with
 * linear interpolation inside a bucket. Private to one process. Values below and above go into
 * the first and the last bucket, and are counted.
 */
#ifndef QUERN_BENCH_STAT_QUANTILES_H
#define QUERN_BENCH_STAT_QUANTILES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QUANTILES_LOWEST_EXPONENT (-10)
#define QUANTILES_HIGHEST_EXPONENT 36
#define QUANTILES_PER_OCTAVE INT64_C(256)
#define QUANTILES_BUCKETS                                                                          \
	((QUANTILES_HIGHEST_EXPONENT - QUANTILES_LOWEST_EXPONENT) * QUANTILES_PER_OCTAVE)

struct quantiles {
	uint64_t count;
	uint64_t out_of_range; /* of those, how many did not fit a bucket */
	double sum, sum_of_squares;
	double min, max; /* exact; infinite and 0 when empty */
	uint64_t *bucket;
};

/* 0 or -ENOMEM. */
int quantiles_init(struct quantiles *q) __attribute__((warn_unused_result));
void quantiles_done(struct quantiles *q);
void quantiles_reset(struct quantiles *q);

/*
 * The bucket of a value: exponent and the topmost bits of the fraction follow each other in a
 * double, so its first 20 bits are the bucket's number, up to a constant. Out of range: the first
 * or the last. (As signed, -0.0 is below.)
 */
static inline int64_t quantiles_raw_index(double us)
{
	int64_t bits;

	memcpy(&bits, &us, sizeof(bits));
	return (bits >> 44) - (int64_t)(1023 + QUANTILES_LOWEST_EXPONENT) * QUANTILES_PER_OCTAVE;
}

static inline size_t quantiles_index(double us)
{
	const int64_t raw = quantiles_raw_index(us);
	const int64_t least = raw < 0 ? 0 : raw;

	return (size_t)(least < QUANTILES_BUCKETS ? least : QUANTILES_BUCKETS - 1);
}

/* us >= 0 and finite. Without branches: waiting times of 0 come and go at random. */
static inline void quantiles_record(struct quantiles *q, double us)
{
	const size_t index = quantiles_index(us);

	q->bucket[index]++;
	q->count++;
	q->out_of_range += (int64_t)index != quantiles_raw_index(us);
	q->sum += us;
	q->sum_of_squares += us * us;
	q->min = us < q->min ? us : q->min;
	q->max = us > q->max ? us : q->max;
}

/* a += b */
void quantiles_merge(struct quantiles *a, const struct quantiles *b);

/*
 * The value at quantile p (0 < p <= 1), that of rank ceil(p * count), interpolated in its bucket
 * and never outside min..max; 0 when empty.
 */
double quantiles_at(const struct quantiles *q, double p);

/* The value of rank 1..count, likewise. */
double quantiles_rank(const struct quantiles *q, uint64_t rank);

/* The share of values below us, interpolated in its bucket; 0 when empty. */
double quantiles_share_below(const struct quantiles *q, double us);

double quantiles_mean(const struct quantiles *q); /* exact; 0 when empty */
double quantiles_scv(const struct quantiles *q);  /* variance / mean^2; 0 when empty */

/* Bounds of a bucket, for those who write a histogram. */
double quantiles_low_us(size_t index);
double quantiles_high_us(size_t index);

#endif
