#include "bench/model/alias.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Every column has room for 1 / n. Those whose weight is less (small) are filled up from one that
 * has more (large), and remember whom they have it from; what the giver has left makes it small
 * or large again.
 */
static void fill_columns(struct service_range *range, size_t n, uint32_t *stack)
{
	/*
	 * The small ones grow from the front, the large ones from the back; together they are
	 * never more than n.
	 */
	size_t small = 0, large = n;

	for (size_t i = 0; i < n; i++) {
		range[i].threshold = range[i].weight * (double)n;
		range[i].alias = (uint32_t)i;
		if (range[i].threshold < 1)
			stack[small++] = (uint32_t)i;
		else
			stack[--large] = (uint32_t)i;
	}
	while (small > 0 && large < n) {
		struct service_range *taker = &range[stack[--small]];
		const uint32_t giver = stack[large++];

		taker->alias = giver;
		range[giver].threshold -= 1 - taker->threshold;
		if (range[giver].threshold < 1)
			stack[small++] = giver;
		else
			stack[--large] = giver;
	}
	/* Whatever is left over is full, but for rounding. */
	for (size_t i = 0; i < n; i++)
		if (range[i].alias == i)
			range[i].threshold = 1;
}

int alias_build(struct service_range *range, size_t n)
{
	uint32_t *stack = malloc(n * sizeof(*stack));

	if (!stack)
		return -ENOMEM;
	fill_columns(range, n, stack);
	free(stack);
	return 0;
}

double alias_draw(const struct service_range *range, size_t n, struct random *r)
{
	/* One draw for column and height: 53 bits, of which a million columns take 20. */
	const double x = random_unit(r) * (double)n;
	const size_t column = (size_t)x;
	const struct service_range *drawn = &range[column];

	if (x - (double)column >= drawn->threshold)
		drawn = &range[drawn->alias];
	if (drawn->low_us < drawn->high_us)
		return drawn->low_us + random_unit(r) * (drawn->high_us - drawn->low_us);
	return drawn->low_us;
}
