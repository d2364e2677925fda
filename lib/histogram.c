#include "lib/histogram.h"

#include <math.h>

#define GROUP_BITS 6u	  /* 64 buckets a group */
#define FIRST_EXPONENT 7u /* the first group begins at 2^7 */

size_t histogram_index(uint64_t us)
{
	if (us < HISTOGRAM_LINEAR)
		return (size_t)us;
	if (us >= HISTOGRAM_LIMIT_US)
		return HISTOGRAM_BUCKETS - 1;
	unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
	unsigned shift = exponent - GROUP_BITS;

	return HISTOGRAM_LINEAR + (size_t)(exponent - FIRST_EXPONENT) * 64u +
	       (size_t)((us >> shift) - 64u);
}

uint64_t histogram_low_us(size_t index)
{
	if (index < HISTOGRAM_LINEAR)
		return index;
	if (index >= HISTOGRAM_BUCKETS - 1)
		return HISTOGRAM_LIMIT_US;
	size_t group = (index - HISTOGRAM_LINEAR) / 64u;
	size_t step = (index - HISTOGRAM_LINEAR) % 64u;

	return (uint64_t)(64u + step) << (group + FIRST_EXPONENT - GROUP_BITS);
}

uint64_t histogram_high_us(size_t index)
{
	if (index >= HISTOGRAM_BUCKETS - 1)
		return UINT64_MAX;
	return histogram_low_us(index + 1);
}

static double middle_us(size_t index)
{
	if (index >= HISTOGRAM_BUCKETS - 1)
		return (double)HISTOGRAM_LIMIT_US;
	/* Values are whole microseconds: the last one in the bucket is high - 1. */
	return ((double)histogram_low_us(index) + (double)(histogram_high_us(index) - 1)) / 2.0;
}

void histogram_record(struct histogram *h, uint64_t us)
{
	_Atomic uint64_t *bucket = &h->bucket[histogram_index(us)];

	/* A single writer: load and store are enough, no locked instruction is needed. */
	atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
		memory_order_relaxed);
	atomic_store_explicit(&h->sum_us,
		atomic_load_explicit(&h->sum_us, memory_order_relaxed) + us, memory_order_relaxed);
}

void histogram_read(const struct histogram *h, struct histogram_copy *ret)
{
	ret->sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
	ret->count = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		ret->bucket[i] = atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		ret->count += ret->bucket[i];
	}
}

void histogram_add(struct histogram_copy *a, const struct histogram_copy *b)
{
	a->sum_us += b->sum_us;
	a->count += b->count;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		a->bucket[i] += b->bucket[i];
}

void histogram_subtract(struct histogram_copy *a, const struct histogram_copy *b)
{
	a->sum_us -= b->sum_us;
	a->count -= b->count;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		a->bucket[i] -= b->bucket[i];
}

double histogram_quantile_us(const struct histogram_copy *h, double q)
{
	if (h->count == 0)
		return 0;
	double exact = ceil(q * (double)h->count);
	uint64_t rank = exact < 1 ? 1 : (uint64_t)exact;
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return middle_us(i);
	}
	return histogram_max_us(h);
}

double histogram_mean_us(const struct histogram_copy *h)
{
	return h->count ? (double)h->sum_us / (double)h->count : 0;
}

double histogram_max_us(const struct histogram_copy *h)
{
	for (size_t i = HISTOGRAM_BUCKETS; i-- > 0;)
		if (h->bucket[i] > 0)
			return middle_us(i);
	return 0;
}

uint64_t histogram_count_below(const struct histogram_copy *h, uint64_t us)
{
	uint64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS && histogram_high_us(i) <= us; i++)
		n += h->bucket[i];
	return n;
}
