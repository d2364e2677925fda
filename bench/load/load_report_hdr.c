/*
 * HdrHistogram's percentile text. Form and steps are those of HdrHistogram's own writer
 * (AbstractHistogram.outputPercentileDistribution, PercentileIterator, Tene): five lines for each halving of the distance to
 * 100 %, and one at 100 %.
 */
#include "bench/load/load_report.h"

#include <inttypes.h>
#include <math.h>

#define TICKS_PER_HALF_DISTANCE 5

/* The share at which the next line stands. */
static double next_share(double share)
{
	const double halvings = floor(log2(1 / (1 - share))) + 1;

	return share + 1 / (TICKS_PER_HALF_DISTANCE * exp2(halvings));
}

static void put_line(struct buffer *out, double us, double share, uint64_t rank)
{
	buffer_printf(out, "%12.3f %2.12f %10" PRIu64, us / 1000, share, rank);
	if (share < 1)
		buffer_printf(out, " %14.2f\n", 1 / (1 - share));
	else
		buffer_printf(out, " %14s\n", "inf");
}

void load_report_hdr(const struct quantiles *latency, struct buffer *out)
{
	const double count = (double)latency->count;
	const double mean = quantiles_mean(latency);
	double share = 0;

	buffer_printf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	while (latency->count > 0) {
		const double rank = fmax(1, ceil(share * count));

		if (rank >= count)
			break;
		put_line(out, quantiles_rank(latency, (uint64_t)rank), share, (uint64_t)rank);
		share = next_share(share);
	}
	if (latency->count > 0)
		put_line(out, latency->max, 1, latency->count);
	buffer_printf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / 1000,
		mean * sqrt(quantiles_scv(latency)) / 1000);
	buffer_printf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n",
		latency->count > 0 ? latency->max / 1000 : 0, latency->count);
	buffer_printf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n",
		QUANTILES_HIGHEST_EXPONENT - QUANTILES_LOWEST_EXPONENT, (int)QUANTILES_PER_OCTAVE);
}
