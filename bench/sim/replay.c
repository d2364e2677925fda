#include "bench/sim/sim.h"

#include "bench/sim/dispatch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct replay {
	double *response_us;
	size_t told;
};

static void take_outcomes(void *own, const double *wait_us, const double *service_us, size_t n)
{
	struct replay *r = own;

	for (size_t i = 0; i < n; i++)
		r->response_us[r->told++] = wait_us[i] + service_us[i];
}

static bool is_valid(unsigned workers, size_t n, const double *arrival_us, const double *service_us,
	const int *worker)
{
	if (workers < 1 || workers > SIM_WORKERS_MOST)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(arrival_us[i]) || !isfinite(service_us[i]) || service_us[i] < 0)
			return false;
		if (arrival_us[i] < (i > 0 ? arrival_us[i - 1] : 0))
			return false;
		if (worker && (worker[i] < 0 || (unsigned)worker[i] >= workers))
			return false;
	}
	return true;
}

/* Each worker as a queue of its own. */
static int replay_assigned(unsigned workers, size_t n, const double *arrival_us,
	const double *service_us, const int *worker, double *response_us)
{
	double *free_at_us = malloc(workers * sizeof *free_at_us);

	if (!free_at_us)
		return -ENOMEM;
	for (unsigned w = 0; w < workers; w++)
		free_at_us[w] = -INFINITY;
	for (size_t i = 0; i < n; i++) {
		const double begins_us = fmax(free_at_us[worker[i]], arrival_us[i]);

		free_at_us[worker[i]] = begins_us + service_us[i];
		response_us[i] = begins_us - arrival_us[i] + service_us[i];
	}
	free(free_at_us);
	return 0;
}

int sim_replay(const struct policy *p, unsigned workers, size_t n, const double *arrival_us,
	const double *service_us, const int *worker, uint64_t seed, double *response_us)
{
	struct replay r = {.response_us = response_us};

	if (!is_valid(workers, n, arrival_us, service_us, worker))
		return -EINVAL;
	if (worker)
		return replay_assigned(workers, n, arrival_us, service_us, worker, response_us);
	struct dispatch *d = malloc(sizeof *d);
	if (!d)
		return -ENOMEM;
	int error = dispatch_init(d, p, workers, seed, take_outcomes, &r);
	if (error == 0)
		error = dispatch_offer(d, arrival_us, service_us, n);
	if (error == 0)
		error = dispatch_finish(d);
	dispatch_done(d);
	free(d);
	return error;
}
