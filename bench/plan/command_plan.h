/* Between the files of `quern-bench plan`: its command line. */
#ifndef QUERN_BENCH_PLAN_COMMAND_PLAN_H
#define QUERN_BENCH_PLAN_COMMAND_PLAN_H

#include "bench/cli.h"
#include "bench/plan/planner.h"

enum plan_option {
	OPTION_RATE,
	OPTION_OBJECTIVE,
	OPTION_SERVICE,
	OPTION_OVERHEAD,
	OPTION_MEASURE,
	OPTION_POLICY,
	OPTION_WORKERS_MOST,
	OPTION_ARRIVALS,
	OPTION_PRECISION,
	OPTION_SEED,
	OPTION_VERIFY,
	OPTION_VERIFY_DURATION,
	OPTION_JSON
};

struct plan_command {
	struct cli cli;
	struct planner_options planner;
	struct arrival arrival;
	struct service work;	/* as asked for */
	struct service service; /* with overhead */
	bool has_arrival, has_work, has_service;
	const char *admin; /* HOST:PORT; NULL: the service was given */
	const char *spec;
	double overhead_us;
	uint64_t measure_us, verify_us;
	const char *json;
	struct buffer error;
};

/*
 * Fills in c from the command line. BENCH_GO_ON, or the exit code, with everything said.
 * plan_command_done() in any case.
 */
int plan_command_read(struct plan_command *c, int argc, char **argv);
void plan_command_done(struct plan_command *c);

bool plan_command_is_given(const struct plan_command *c, enum plan_option option);

/*
 * Says what went wrong below (c->error, or else the errno), behind `what`. BENCH_GO_ON where error
 * is 0.
 */
int plan_command_say(struct plan_command *c, const char *what, int error);

#endif
