#include "bench/stat/quantiles.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/*
 * The last bucket in use; the first is that of the minimum. Nothing beyond them needs to be
 * looked at.
 */
static size_t first_used(const struct quantiles *q)
{
	return quantiles_index(q->min);
}

static size_t last_used(const struct quantiles *q)
{
	return quantiles_index(q->max);
}

static void clear_figures(struct quantiles *q)
{
	uint64_t *bucket = q->bucket;

	*q = (struct quantiles){.min = INFINITY, .bucket = bucket};
}

int quantiles_init(struct quantiles *q)
{
	uint64_t *bucket = calloc(QUANTILES_BUCKETS, sizeof(*bucket));

	if (!bucket)
		return -ENOMEM;
	q->bucket = bucket;
	clear_figures(q);
	return 0;
}

void quantiles_done(struct quantiles *q)
{
	free(q->bucket);
	q->bucket = NULL;
}

void quantiles_reset(struct quantiles *q)
{
	if (q->count == 0)
		return;
	const size_t first = first_used(q);

	memset(q->bucket + first, 0, (last_used(q) - first + 1) * sizeof(*q->bucket));
	clear_figures(q);
}

void quantiles_merge(struct quantiles *a, const struct quantiles *b)
{
	if (b->count == 0)
		return;
	const size_t last = last_used(b);

	for (size_t i = first_used(b); i <= last; i++)
		a->bucket[i] += b->bucket[i];
	a->count += b->count;
	a->out_of_range += b->out_of_range;
	a->sum += b->sum;
	a->sum_of_squares += b->sum_of_squares;
	a->min = fmin(a->min, b->min);
	a->max = fmax(a->max, b->max);
}

double quantiles_low_us(size_t index)
{
	const double across = (double)(index % QUANTILES_PER_OCTAVE) / QUANTILES_PER_OCTAVE;
	const int exponent = (int)(index / QUANTILES_PER_OCTAVE) + QUANTILES_LOWEST_EXPONENT;

	return ldexp(1 + across, exponent);
}

double quantiles_high_us(size_t index)
{
	return quantiles_low_us(index + 1);
}

/* What of a bucket can have values: only what lies between min and max. */
static double used_low(const struct quantiles *q, size_t index)
{
	return index == 0 ? q->min : fmax(quantiles_low_us(index), q->min);
}

static double used_high(const struct quantiles *q, size_t index)
{
	return index == QUANTILES_BUCKETS - 1 ? q->max : fmin(quantiles_high_us(index), q->max);
}

double quantiles_rank(const struct quantiles *q, uint64_t rank)
{
	if (q->count == 0)
		return 0;
	if (rank <= 1)
		return q->min;
	if (rank >= q->count)
		return q->max;
	/* From the top, because the percentiles that are asked for most lie there. */
	uint64_t above = q->count;
	size_t i = last_used(q);
	while (above - q->bucket[i] >= rank)
		above -= q->bucket[i--];
	const uint64_t inside = q->bucket[i];
	const double position = (double)(rank - (above - inside)) - 0.5;
	const double low = used_low(q, i);
	return low + (used_high(q, i) - low) * position / (double)inside;
}

double quantiles_at(const struct quantiles *q, double p)
{
	/* 0.07 * 100 is a little more than 7 in binary, and shall still be rank 7. */
	const double rank = ceil(p * (double)q->count * (1 - 0x1p-50));

	return quantiles_rank(q, rank > 1 ? (uint64_t)rank : 1);
}

double quantiles_share_below(const struct quantiles *q, double us)
{
	if (q->count == 0 || us <= q->min)
		return 0;
	if (us > q->max)
		return 1;
	const size_t index = quantiles_index(us);
	uint64_t above = 0;
	for (size_t i = last_used(q); i > index; i--)
		above += q->bucket[i];
	const double low = used_low(q, index), width = used_high(q, index) - low;
	const double rest = (double)q->bucket[index] * (width > 0 ? 1 - (us - low) / width : 0);
	return 1 - ((double)above + rest) / (double)q->count;
}

double quantiles_mean(const struct quantiles *q)
{
	return q->count > 0 ? q->sum / (double)q->count : 0;
}

double quantiles_scv(const struct quantiles *q)
{
	const double mean = quantiles_mean(q);

	if (mean <= 0)
		return 0;
	/* Rounding can leave a little less than nothing of equal values. */
	return fmax(0, q->sum_of_squares / (double)q->count / (mean * mean) - 1);
}
