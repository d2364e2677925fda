#include "bench/plan/command_plan.h"

#include "bench/plan/verify.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_WORKERS_MOST 256
#define DEFAULT_VERIFY_US 60000000u
#define DEFAULT_MEASURE_US 10000000u
#define HOUR_US UINT64_C(3600000000)
#define ADMIN_PREFIX "admin:"

static const struct cli_option options[] = {
	[OPTION_RATE] = {"--rate", "R", "requests a second"},
	[OPTION_OBJECTIVE] = {"--objective", "O",
		"what must hold: p50, p90, p95, p99, p99.9 or mean, \"=\" and a\n"
		"duration, such as p99=20ms"},
	[OPTION_SERVICE] = {"--service", "S",
		"service times: exp:1ms, det:1ms, lognormal:1ms,SCV,\n"
		"hyper:1ms,SCV, points:1ms@99,100ms@1, hist:FILE (of load\n"
		"--service-hist), or admin:HOST:PORT, measured from a running\n"
		"fleet's /metrics"},
	[OPTION_OVERHEAD] = {"--overhead", "D",
		"fixed time of each request in the worker beyond its service\n"
		"(default 0; with admin: as measured)"},
	[OPTION_MEASURE] = {"--measure", "D", "how long admin: is measured (default 10s)"},
	[OPTION_POLICY] = {"--policy", "P", POLICY_NAMES "\n(default roundrobin)"},
	[OPTION_WORKERS_MOST] = {"--workers-most", "N",
		"where the search ends, 1 to 10000 (default 256)"},
	[OPTION_ARRIVALS] = {"--arrivals", "A", "poisson (default), constant or trace:FILE"},
	[OPTION_PRECISION] = {"--precision", "P",
		"half-width of the objective's interval, as a share of it, at\n"
		"which a simulation ends (default 0.02)"},
	[OPTION_SEED] = {"--seed", "N", "0 to 2^63 - 1 (default 1); the same seed, the same plan"},
	[OPTION_VERIFY] = {"--verify", NULL,
		"brings up the recommended fleet with emulated work (requests\n"
		"sleep in the worker), measures it, and prints the plan's error"},
	[OPTION_VERIFY_DURATION] = {"--verify-duration", "D", "how long (default 60s)"},
	[OPTION_JSON] = {"--json", "FILE",
		"the plan as JSON; -: standard output, without the tables"},
	{NULL, NULL, NULL},
};

static const char about[] =
	"Says how many workers a rate needs so that an objective holds, how hot each number of "
	"workers may\nrun, and what each policy would need. By exact formulas where there are any, "
	"otherwise by\nsimulation, with 95 % intervals; only a number of workers whose whole "
	"interval "
	"is within the\nobjective meets it. --rate, --objective and --service are needed.";

int plan_command_say(struct plan_command *c, const char *what, int error)
{
	if (error == 0)
		return BENCH_GO_ON;
	const char *text = buffer_cstring(&c->error);
	const char *sentence = text && *text ? text : strerror(-error);
	if (error == -EINVAL)
		return cli_wrong(&c->cli, "%s: %s", what, sentence);
	return cli_fail(&c->cli, "%s: %s", what, sentence);
}

static int take_service(struct plan_command *c, const char *value)
{
	c->spec = value;
	if (strncmp(value, ADMIN_PREFIX, strlen(ADMIN_PREFIX)) == 0) {
		c->admin = value + strlen(ADMIN_PREFIX);
		return BENCH_GO_ON;
	}
	const int error = service_parse(&c->work, value, &c->error);

	c->has_work = error == 0;
	return plan_command_say(c, "--service", error);
}

static int take_arrivals(struct plan_command *c, const char *value)
{
	const int error = arrival_parse(&c->arrival, value, &c->error);

	c->has_arrival = error == 0;
	return plan_command_say(c, "--arrivals", error);
}

static int take_overhead(struct plan_command *c, const char *value)
{
	uint64_t us;
	const int said = cli_duration(&c->cli, "--overhead", value, 0, HOUR_US, &us);

	if (said == BENCH_GO_ON)
		c->overhead_us = (double)us;
	return said;
}

static int take_workers_most(struct plan_command *c, const char *value)
{
	uint64_t workers;
	const int said =
		cli_count(&c->cli, "--workers-most", value, 1, PLANNER_WORKERS_MOST, &workers);

	if (said == BENCH_GO_ON)
		c->planner.workers_most = (unsigned)workers;
	return said;
}

static int take_option(void *own, int option, const char *value)
{
	struct plan_command *c = own;
	struct planner_options *p = &c->planner;
	const struct cli *cli = &c->cli;

	switch (option) {
	case CLI_OPERAND:
		return cli_wrong(cli, "what is \"%s\"? Only options are allowed", value);
	case OPTION_RATE:
		return cli_rate(cli, "--rate", value, &p->rate_rps);
	case OPTION_OBJECTIVE:
		return plan_command_say(
			c, "--objective", objective_parse(&p->objective, value, &c->error));
	case OPTION_SERVICE:
		return take_service(c, value);
	case OPTION_OVERHEAD:
		return take_overhead(c, value);
	case OPTION_MEASURE:
		return cli_duration(cli, "--measure", value, 1000000, HOUR_US, &c->measure_us);
	case OPTION_POLICY:
		return plan_command_say(c, "--policy", policy_parse(&p->policy, value, &c->error));
	case OPTION_WORKERS_MOST:
		return take_workers_most(c, value);
	case OPTION_ARRIVALS:
		return take_arrivals(c, value);
	case OPTION_PRECISION:
		return cli_real(cli, "--precision", value, 0.001, 0.5, &p->precision);
	case OPTION_SEED:
		return cli_count(cli, "--seed", value, 0, INT64_MAX, &p->seed);
	case OPTION_VERIFY:
		return BENCH_GO_ON;
	case OPTION_VERIFY_DURATION:
		return cli_duration(
			cli, "--verify-duration", value, 1000000, HOUR_US, &c->verify_us);
	default:
		c->json = value;
		return BENCH_GO_ON;
	}
}

bool plan_command_is_given(const struct plan_command *c, enum plan_option option)
{
	return c->cli.seen >> option & 1;
}

/* What can be said about --verify before any work. */
static int check_verify(struct plan_command *c)
{
	if (!plan_command_is_given(c, OPTION_VERIFY))
		return plan_command_is_given(c, OPTION_VERIFY_DURATION)
			       ? cli_wrong(&c->cli,
					 "--verify-duration makes sense with --verify only")
			       : BENCH_GO_ON;
	if (c->arrival.kind != ARRIVAL_POISSON)
		return cli_wrong(&c->cli,
			"--verify sends Poisson arrivals; --arrivals %s cannot be "
			"verified",
			arrival_name(&c->arrival));
	if (!c->has_work)
		return BENCH_GO_ON;
	return plan_command_say(
		c, "--verify", verify_check(&c->planner.policy, &c->work, &c->error));
}

static int complete(struct plan_command *c)
{
	static const enum plan_option needed[] = {OPTION_RATE, OPTION_OBJECTIVE, OPTION_SERVICE};

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (!plan_command_is_given(c, needed[i]))
			return cli_wrong(&c->cli, "%s is missing", options[needed[i]].name);
	if (plan_command_is_given(c, OPTION_MEASURE) && !c->admin)
		return cli_wrong(
			&c->cli, "--measure makes sense with --service admin:HOST:PORT only");
	if (!c->has_arrival) {
		const int said = take_arrivals(c, "poisson");

		if (said != BENCH_GO_ON)
			return said;
	}
	c->planner.arrival = &c->arrival;
	return check_verify(c);
}

static int read_options(struct plan_command *c)
{
	const int said = cli_read(&c->cli, take_option, c);

	return said == BENCH_GO_ON ? complete(c) : said;
}

int plan_command_read(struct plan_command *c, int argc, char **argv)
{
	*c = (struct plan_command){
		.cli = {.command = "plan", .operands = "", .about = about, .options = options},
		.planner = {.policy = {POLICY_RR, 0},
			.seed = 1,
			.workers_most = DEFAULT_WORKERS_MOST},
		.measure_us = DEFAULT_MEASURE_US,
		.verify_us = DEFAULT_VERIFY_US};
	buffer_init(&c->error);
	cli_begin(&c->cli, argc, argv);
	return read_options(c);
}

void plan_command_done(struct plan_command *c)
{
	if (c->has_work)
		service_done(&c->work);
	if (c->has_service)
		service_done(&c->service);
	if (c->has_arrival)
		arrival_done(&c->arrival);
	buffer_done(&c->error);
}
