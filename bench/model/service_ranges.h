/*
 * Service times that are histograms: reading and checking their ranges (bench/model/service.h has
 * the format).
 */
#ifndef QUERN_BENCH_MODEL_SERVICE_RANGES_H
#define QUERN_BENCH_MODEL_SERVICE_RANGES_H

#include "bench/model/service.h"
#include "lib/buffer.h"

#define SERVICE_MOST_US INT64_C(3600000000) /* 1 h */
#define SERVICE_RANGES_MOST 1000000

/*
 * From a file, or from n ranges in memory that messages call `name`: checked, counts as weights,
 * ranges without a value left out. 0; -EINVAL or another -errno, with a sentence in error for all
 * but -ENOMEM. *ret_range is owned by the caller.
 */
int service_ranges_read(struct service_range **ret_range, size_t *ret_n, const char *path,
	struct buffer *error) __attribute__((warn_unused_result));
int service_ranges_take(struct service_range **ret_range, size_t *ret_n, const char *name,
	const struct service_range *range, size_t n, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * Of a service with ranges: weights become probabilities, mean and SCV are computed, draws
 * prepared. 0 or -ENOMEM.
 */
int service_ranges_finish(struct service *s) __attribute__((warn_unused_result));

#endif
