/*
 * How fast the simulator is: millions of requests a second under each policy, Poisson arrivals at a utilization of 0.8 and
 * exponential service, for 8 and for 10,000 workers; best and median of the repetitions. No arguments. The last column is
 * what is asked of 8 workers on one core.
 */
#include "bench/sim/sim.h"
#include "lib/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define REPEATS 5
#define REQUESTS UINT64_C(3000000)
#define UTILIZATION 0.8

static const struct {
	struct policy policy;
	double wanted;
} cases[] = {
	{{POLICY_RR, 0}, 20},
	{{POLICY_RANDOM_OF, 1}, 5},
	{{POLICY_RANDOM_OF, 2}, 5},
	{{POLICY_LEAST, 0}, 5},
	{{POLICY_CENTRAL_OF, 1}, 5},
	{{POLICY_CENTRAL_OF, 2}, 5},
	{{POLICY_SHARED, 0}, 5},
};

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Millions of requests a second, set-up and warm-up included; negative without memory. */
static double measure(const struct policy *p, unsigned workers, struct arrival *arrival,
	const struct service *service, uint64_t seed)
{
	struct sim_result result;
	struct buffer error;
	const uint64_t warmup = REQUESTS / 10;
	const struct sim_options options = {.policy = *p,
		.workers = workers,
		.arrival = arrival,
		.rate_rps = UTILIZATION * workers * 1e6 / service->mean_us,
		.service = service,
		.requests = REQUESTS,
		.warmup = warmup,
		.seed = seed};
	const uint64_t began_us = clock_us();

	buffer_init(&error);
	const int failed = sim_run(&options, &result, &error);
	const uint64_t took_us = clock_us() - began_us;
	buffer_done(&error);
	if (failed)
		return -1;
	sim_result_done(&result);
	return (double)(REQUESTS + warmup) / (double)took_us;
}

static int run_case(size_t i, unsigned workers, struct arrival *arrival,
	const struct service *service, const char *wanted)
{
	char text[POLICY_TEXT_BYTES];
	double speed[REPEATS];

	for (size_t r = 0; r < REPEATS; r++) {
		speed[r] = measure(&cases[i].policy, workers, arrival, service, r + 1);
		if (speed[r] < 0)
			return -1;
	}
	qsort(speed, REPEATS, sizeof *speed, compare);
	(void)printf("%-12s %8u %12.1f %12.1f %12s\n",
		policy_format(&cases[i].policy, text, sizeof text), workers, speed[REPEATS - 1],
		speed[REPEATS / 2], wanted);
	return fflush(stdout);
}

static int run_all(struct arrival *arrival, const struct service *service)
{
	char wanted[16];

	(void)printf("million requests a second, %d repetitions of %.0f million\n", REPEATS,
		(double)REQUESTS / 1e6);
	(void)printf("%-12s %8s %12s %12s %12s\n", "policy", "workers", "best", "median", "wanted");
	for (unsigned workers = 8; workers <= 10000; workers *= 1250)
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			(void)snprintf(wanted, sizeof wanted, "%.0f", cases[i].wanted);
			if (run_case(i, workers, arrival, service, workers == 8 ? wanted : "") != 0)
				return -1;
		}
	return 0;
}

int main(void)
{
	struct arrival arrival = {0};
	struct service service = {0};
	struct buffer error;
	int failed;

	buffer_init(&error);
	failed = arrival_parse(&arrival, "poisson", &error) != 0 ||
		 service_parse(&service, "exp:1ms", &error) != 0 ||
		 run_all(&arrival, &service) != 0;
	if (failed)
		(void)fprintf(stderr, "bench_sim: failed\n");
	service_done(&service);
	arrival_done(&arrival);
	buffer_done(&error);
	return failed ? 1 : 0;
}
