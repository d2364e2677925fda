/*
 * Batch means: neighbouring response times are alike (a queue does not forget at once), so
 * intervals come from long batches in order of time, not from single samples. Any number of
 * samples: when 64 batches are full, neighbours are merged and batches are twice as long from
 * there on; between 32 and 64 are in use once there are enough samples. Source: Law, Simulation
 * Modeling and Analysis, on batch means; doubling after Fishman.
 */
#ifndef QUERN_BENCH_STAT_BATCHES_H
#define QUERN_BENCH_STAT_BATCHES_H

#include "bench/stat/interval.h"
#include "bench/stat/quantiles.h"

#define BATCHES_MOST 64

struct batches {
	struct quantiles all;
	struct quantiles batch[BATCHES_MOST];
	size_t full;	      /* batches that are complete */
	uint64_t batch_count; /* samples in a complete batch */
	uint64_t first_count; /* what batch_count was to begin with */
};

/* batch_count: samples in a batch to begin with; 0: 64. 0 or -ENOMEM. */
int batches_init(struct batches *b, uint64_t batch_count) __attribute__((warn_unused_result));
void batches_done(struct batches *b);
void batches_reset(struct batches *b);

/*
 * The batch that is being filled has become complete: counts it, and merges neighbours when all
 * are.
 */
void batches_close(struct batches *b);

/* In order of arrival. */
static inline void batches_record(struct batches *b, double us)
{
	struct quantiles *open = &b->batch[b->full];

	quantiles_record(&b->all, us);
	quantiles_record(open, us);
	if (__builtin_expect(open->count == b->batch_count, 0))
		batches_close(b);
}

/*
 * The interval of quantile p, or of the mean (p = 0), from complete batches. Unknown with fewer
 * than 8 of them; where a batch is too short to have that quantile ((1 - p) * batch_count < 3):
 * then batches are joined for the purpose until they are long enough, if 8 remain; and where it
 * would reach beyond the largest sample. A quantile's interval is never narrower than that of
 * independent samples (interval_ranks), and no interval reaches below 0.
 */
struct interval batches_interval(const struct batches *b, double p);

#endif
