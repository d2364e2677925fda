#include "bench/stat/batches.h"

#include <errno.h>
#include <math.h>

#define FIRST_COUNT 64
#define LEAST_BATCHES 8
#define LEAST_BEYOND 3 /* samples that a batch shall have beyond a quantile */

int batches_init(struct batches *b, uint64_t batch_count)
{
	*b = (struct batches){.batch_count = batch_count > 0 ? batch_count : FIRST_COUNT};
	b->first_count = b->batch_count;
	bool failed = quantiles_init(&b->all) < 0;
	for (size_t i = 0; i < BATCHES_MOST && !failed; i++)
		failed = quantiles_init(&b->batch[i]) < 0;
	if (failed) {
		batches_done(b);
		return -ENOMEM;
	}
	return 0;
}

void batches_done(struct batches *b)
{
	quantiles_done(&b->all);
	for (size_t i = 0; i < BATCHES_MOST; i++)
		quantiles_done(&b->batch[i]);
}

void batches_reset(struct batches *b)
{
	quantiles_reset(&b->all);
	for (size_t i = 0; i < BATCHES_MOST; i++)
		quantiles_reset(&b->batch[i]);
	b->full = 0;
	b->batch_count = b->first_count;
}

void batches_close(struct batches *b)
{
	if (++b->full < BATCHES_MOST)
		return;
	/* Batch 2i is merged into its neighbour and trades places with the emptied batch i. */
	for (size_t i = 0; i < BATCHES_MOST / 2; i++) {
		const struct quantiles emptied = b->batch[i];

		if (i > 0) {
			b->batch[i] = b->batch[2 * i];
			b->batch[2 * i] = emptied;
		}
		quantiles_merge(&b->batch[i], &b->batch[2 * i + 1]);
		quantiles_reset(&b->batch[2 * i + 1]);
	}
	b->full = BATCHES_MOST / 2;
	b->batch_count *= 2;
}

/* How many batches make one that is long enough for quantile p. */
static double batches_joined(const struct batches *b, double p)
{
	const double beyond = (1 - p) * (double)b->batch_count;

	/* As in quantiles_at(), 1 - 0.99 may be a little less than 0.01. */
	return fmax(1, ceil(LEAST_BEYOND / beyond * (1 - 0x1p-40)));
}

/* Which share of each group of `joined` complete batches lies below us. */
static void group_shares(const struct batches *b, double us, size_t joined, double *share)
{
	for (size_t i = 0; i < b->full / joined; i++) {
		share[i] = 0;
		for (size_t j = i * joined; j < (i + 1) * joined; j++)
			share[i] += quantiles_share_below(&b->batch[j], us) / (double)joined;
	}
}

static struct interval mean_interval(const struct batches *b)
{
	double value[BATCHES_MOST];

	for (size_t i = 0; i < b->full; i++)
		value[i] = quantiles_mean(&b->batch[i]);
	return interval_of_batches(value, b->full, quantiles_mean(&b->all));
}

/*
 * The quantiles of single batches would not do: those of a few hundred samples are far from
 * normal, and each sees one busy period or none, so they vary less than they should. The share of
 * a batch below the quantile of all is a mean, though: its interval is p -+ h, and the quantiles
 * p - h and p + h of all samples enclose p's. Source: Woodruff, Confidence Intervals for Medians
 * and Other Position Measures (1952).
 */
static struct interval quantile_interval(const struct batches *b, double p)
{
	const struct interval unknown = {.known = false};
	const double joined = batches_joined(b, p);
	double share[BATCHES_MOST];
	uint64_t low, high;

	if (joined * LEAST_BATCHES > (double)b->full ||
		!interval_ranks(b->all.count, p, &low, &high))
		return unknown;
	group_shares(b, quantiles_at(&b->all, p), (size_t)joined, share);
	struct interval i = interval_of_batches(share, b->full / (size_t)joined, p);
	if (i.high >= 1)
		return unknown;
	i.low = fmin(quantiles_at(&b->all, fmax(i.low, 0)), quantiles_rank(&b->all, low));
	i.high = fmax(quantiles_at(&b->all, i.high), quantiles_rank(&b->all, high));
	return i;
}

struct interval batches_interval(const struct batches *b, double p)
{
	struct interval i = p > 0 ? quantile_interval(b, p) : mean_interval(b);

	/* Times are never negative, however far the estimate reaches. */
	i.low = fmax(i.low, 0);
	return i;
}
