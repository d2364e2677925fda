#include "bench/commands.h"

#include "bench/cli.h"
#include "bench/output.h"
#include "bench/progress.h"
#include "bench/sim/sim.h"
#include "bench/sim/sim_report.h"
#include "lib/clock.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_REQUESTS 10000000
#define PROGRESS_US 100000
#define REQUESTS_MOST UINT64_C(1000000000000)

enum {
	OPTION_POLICY,
	OPTION_WORKERS,
	OPTION_UTILIZATION,
	OPTION_RATE,
	OPTION_SERVICE,
	OPTION_ARRIVALS,
	OPTION_REQUESTS,
	OPTION_WARMUP,
	OPTION_SEED,
	OPTION_JSON
};

static const struct cli_option options[] = {
	[OPTION_POLICY] = {"--policy", "P", "how requests are spread: " POLICY_NAMES},
	[OPTION_WORKERS] = {"--workers", "K", "how many workers, 1 to 100000"},
	[OPTION_UTILIZATION] = {"--utilization", "U",
		"share of time that a worker is busy, above 0 and below 1;\n"
		"sets the rate"},
	[OPTION_RATE] = {"--rate", "R",
		"requests a second, in place of --utilization; a trace without\n"
		"either goes at the rate at which it was recorded"},
	[OPTION_SERVICE] = {"--service", "S",
		"service times: exp:1ms, det:1ms, lognormal:1ms,SCV,\n"
		"hyper:1ms,SCV, points:1ms@99,100ms@1 or hist:FILE"},
	[OPTION_ARRIVALS] = {"--arrivals", "A", "poisson (default), constant or trace:FILE"},
	[OPTION_REQUESTS] = {"--requests", "N", "how many to measure (default 10000000)"},
	[OPTION_WARMUP] = {"--warmup", "N",
		"how many to leave out before, since the fleet begins empty\n"
		"(default: chosen from workers, utilization and service)"},
	[OPTION_SEED] = {"--seed", "N",
		"0 to 2^63 - 1 (default 1); the same seed, the same result"},
	[OPTION_JSON] = {"--json", "FILE",
		"the result as JSON; -: standard output, without the table"},
	{NULL, NULL, NULL},
};

static const char about[] =
	"Simulates K workers under a policy of HAProxy's, or accepting from one listening socket "
	"(shared),\nand prints response times with 95 % intervals, and beside them the exact "
	"figures where a formula\nhas them. --policy, --workers, --service and a rate are needed.\n"
	"\n"
	"Ctrl-C ends the run: what was simulated so far is printed, marked as void; exit code 3.";

struct command {
	struct cli cli;
	struct sim_options sim;
	struct arrival arrival;
	struct service service;
	bool has_arrival, has_service;
	double utilization; /* 0: not given */
	uint64_t shown_us;  /* when progress was shown last */
	const char *json;
	struct buffer error;
};

/* What a parser of the model said, behind the option's name. */
static int say_parsed(struct command *c, int option, int error)
{
	if (error == 0)
		return BENCH_GO_ON;
	const char *text = buffer_cstring(&c->error);
	const char *sentence = text && *text ? text : strerror(-error);
	if (error == -EINVAL)
		return cli_wrong(&c->cli, "%s: %s", options[option].name, sentence);
	return cli_fail(&c->cli, "%s: %s", options[option].name, sentence);
}

static int take_workers(struct command *c, const char *value)
{
	uint64_t workers;
	const int said = cli_count(&c->cli, "--workers", value, 1, SIM_WORKERS_MOST, &workers);

	if (said == BENCH_GO_ON)
		c->sim.workers = (unsigned)workers;
	return said;
}

static int take_utilization(struct command *c, const char *value)
{
	double utilization;
	const int said = cli_real(&c->cli, "--utilization", value, 0, 1, &utilization);

	if (said != BENCH_GO_ON)
		return said;
	if (!(utilization > 0 && utilization < 1))
		return cli_wrong(&c->cli,
			"--utilization: \"%s\" is not allowed; allowed: above 0 and below 1, since "
			"at 1 the queue grows without end",
			value);
	c->utilization = utilization;
	return BENCH_GO_ON;
}

static int take_service(struct command *c, const char *value)
{
	const int error = service_parse(&c->service, value, &c->error);

	c->has_service = error == 0;
	return say_parsed(c, OPTION_SERVICE, error);
}

static int take_arrivals(struct command *c, const char *value)
{
	const int error = arrival_parse(&c->arrival, value, &c->error);

	c->has_arrival = error == 0;
	return say_parsed(c, OPTION_ARRIVALS, error);
}

static int take_option(void *own, int option, const char *value)
{
	struct command *c = own;
	const struct cli *cli = &c->cli;

	switch (option) {
	case CLI_OPERAND:
		return cli_wrong(cli, "what is \"%s\"? Only options are allowed", value);
	case OPTION_POLICY:
		return say_parsed(c, option, policy_parse(&c->sim.policy, value, &c->error));
	case OPTION_WORKERS:
		return take_workers(c, value);
	case OPTION_UTILIZATION:
		return take_utilization(c, value);
	case OPTION_RATE:
		return cli_rate(cli, "--rate", value, &c->sim.rate_rps);
	case OPTION_SERVICE:
		return take_service(c, value);
	case OPTION_ARRIVALS:
		return take_arrivals(c, value);
	case OPTION_REQUESTS:
		return cli_count(cli, "--requests", value, 1, REQUESTS_MOST, &c->sim.requests);
	case OPTION_WARMUP:
		return cli_count(cli, "--warmup", value, 0, REQUESTS_MOST, &c->sim.warmup);
	case OPTION_SEED:
		return cli_count(cli, "--seed", value, 0, INT64_MAX, &c->sim.seed);
	default:
		c->json = value;
		return BENCH_GO_ON;
	}
}

static bool is_given(const struct command *c, int option)
{
	return c->cli.seen >> option & 1;
}

/* What every simulation needs, and a rate. */
static int complete(struct command *c)
{
	static const int needed[] = {OPTION_POLICY, OPTION_WORKERS, OPTION_SERVICE};

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (!is_given(c, needed[i]))
			return cli_wrong(&c->cli, "%s is missing", options[needed[i]].name);
	if (!c->has_arrival) {
		const int error = arrival_parse(&c->arrival, "poisson", &c->error);

		c->has_arrival = error == 0;
		if (error < 0)
			return say_parsed(c, OPTION_ARRIVALS, error);
	}
	if (is_given(c, OPTION_UTILIZATION) && is_given(c, OPTION_RATE))
		return cli_wrong(&c->cli, "--utilization and --rate exclude each other");
	if (is_given(c, OPTION_UTILIZATION))
		c->sim.rate_rps = c->utilization * c->sim.workers * 1e6 / c->service.mean_us;
	else if (!is_given(c, OPTION_RATE) && c->arrival.kind != ARRIVAL_TRACE)
		return cli_wrong(&c->cli, "--utilization or --rate is missing");
	c->sim.arrival = &c->arrival;
	c->sim.service = &c->service;
	return BENCH_GO_ON;
}

static int read_options(struct command *c)
{
	const int said = cli_read(&c->cli, take_option, c);

	return said == BENCH_GO_ON ? complete(c) : said;
}

static bool show_progress(void *own, const struct sim_result *so_far)
{
	struct command *c = own;
	const uint64_t now_us = clock_us();

	if (now_us - c->shown_us < PROGRESS_US)
		return false;
	c->shown_us = now_us;
	const double done = (double)so_far->measured / (double)c->sim.requests;

	if (so_far->measured == 0)
		progress_show("simulating: warm-up");
	else
		progress_show("simulating: %.0f %% of %llu requests", 100 * done,
			(unsigned long long)c->sim.requests);
	return false;
}

static int write_result(struct command *c, const struct sim_report *report)
{
	struct buffer table;
	int error = 0;

	if (c->json) {
		json_t *object = sim_report_json(report);

		error = object ? output_json(c->json, object) : -ENOMEM;
		json_decref(object);
	}
	if (error < 0)
		return cli_fail(&c->cli, "cannot write %s: %s", c->json, strerror(-error));
	if (c->json && strcmp(c->json, "-") == 0)
		return BENCH_DONE;
	buffer_init(&table);
	sim_report_table(report, &table);
	error = output_text("-", &table);
	buffer_done(&table);
	return error < 0
		       ? cli_fail(&c->cli, "cannot write to standard output: %s", strerror(-error))
		       : BENCH_DONE;
}

static int run(struct command *c)
{
	struct sim_result result;
	struct sim_report report;
	const uint64_t began_us = clock_us();

	c->sim.stop = progress_stop();
	c->sim.tick = show_progress;
	c->sim.own = c;
	const int error = sim_run(&c->sim, &result, &c->error);
	progress_clear();
	if (error == -EINVAL)
		return cli_wrong(&c->cli, "%s", buffer_cstring(&c->error));
	if (error < 0)
		return cli_fail(&c->cli, "%s", strerror(-error));
	sim_report_init(&report, &c->sim, &result, clock_us() - began_us);
	if (result.interrupted)
		report.void_reason = "the simulation was interrupted";
	else if (result.measured == 0)
		report.void_reason = "the trace ended within the warm-up";
	int code = write_result(c, &report);
	if (code == BENCH_DONE && report.void_reason)
		code = BENCH_VOID;
	sim_result_done(&result);
	return code;
}

int bench_simulate(int argc, char **argv)
{
	struct command c = {
		.cli = {.command = "simulate", .operands = "", .about = about, .options = options},
		.sim = {.requests = DEFAULT_REQUESTS, .warmup = UINT64_MAX, .seed = 1}};

	buffer_init(&c.error);
	cli_begin(&c.cli, argc, argv);
	int code = read_options(&c);
	if (code == BENCH_GO_ON)
		code = run(&c);
	if (c.has_service)
		service_done(&c.service);
	if (c.has_arrival)
		arrival_done(&c.arrival);
	buffer_done(&c.error);
	return code;
}
