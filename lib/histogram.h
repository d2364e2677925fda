/*
 * A histogram of durations in microseconds, log-linear as in HdrHistogram (Tene): exact up to 127
 * us, above that 64 buckets for each power of two, so that the middle of a bucket is within 1/128 =
 * 0.8 % of every value in it. Values from 2^26 us (67 s) up are counted in the last bucket.
 *
 * One process writes, any number read at the same time: every bucket is a relaxed 64-bit atomic,
 * and the struct may live in shared memory (all zero bytes are an empty histogram).
 */
#ifndef QUERN_LIB_HISTOGRAM_H
#define QUERN_LIB_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_LINEAR 128u		       /* buckets of 1 us */
#define HISTOGRAM_GROUPS 19u		       /* powers of two from 2^7 to 2^25 */
#define HISTOGRAM_LIMIT_US (UINT64_C(1) << 26) /* from here on: the last bucket */
#define HISTOGRAM_BUCKETS (HISTOGRAM_LINEAR + HISTOGRAM_GROUPS * 64u + 1u)

struct histogram {
	_Atomic uint64_t sum_us;
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* A histogram at one moment, in private memory. */
struct histogram_copy {
	uint64_t sum_us;
	uint64_t count; /* sum of all buckets */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* The bucket that holds us; always below HISTOGRAM_BUCKETS. */
size_t histogram_index(uint64_t us);

/* The smallest value of a bucket, and the first one past it. */
uint64_t histogram_low_us(size_t index);
uint64_t histogram_high_us(size_t index);

/* Only from the one process that writes h. */
void histogram_record(struct histogram *h, uint64_t us);

void histogram_read(const struct histogram *h, struct histogram_copy *ret);

/* a += b; and a -= b, where b is an earlier copy of the same histogram. */
void histogram_add(struct histogram_copy *a, const struct histogram_copy *b);
void histogram_subtract(struct histogram_copy *a, const struct histogram_copy *b);

/*
 * The value at quantile q (0 < q <= 1): the middle of the bucket that holds the ceil(q * count)-th
 * smallest value; 0 when the histogram is empty.
 */
double histogram_quantile_us(const struct histogram_copy *h, double q);

double histogram_mean_us(const struct histogram_copy *h);

/* The middle of the highest bucket in use; 0 when empty. */
double histogram_max_us(const struct histogram_copy *h);

/* How many values lie below us (whole buckets: exact where us is the low end of a bucket). */
uint64_t histogram_count_below(const struct histogram_copy *h, uint64_t us);

#endif
