#include "bench/plan/command_plan.h"

#include "bench/commands.h"
#include "bench/latency.h"
#include "bench/output.h"
#include "bench/plan/measured.h"
#include "bench/plan/plan_report.h"
#include "bench/plan/verify.h"
#include "bench/progress.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERIFY_WORKERS_MOST 256

/* --- the service ------------------------------------------------------------------------------ */

static int measure(struct plan_command *c)
{
	struct measured measured;
	char mean[LATENCY_TEXT_BYTES], overhead[LATENCY_TEXT_BYTES];

	progress_show("measuring %s for %.0f s", c->admin, (double)c->measure_us / 1e6);
	const int error = measure_service(
		c->admin, (double)c->measure_us / 1e6, c->planner.stop, &measured, &c->error);
	progress_clear();
	if (error < 0)
		return plan_command_say(c, "--service", error);
	c->work = measured.service;
	c->has_work = true;
	if (!plan_command_is_given(c, OPTION_OVERHEAD))
		c->overhead_us = measured.overhead_us;
	if (!c->json || strcmp(c->json, "-") != 0)
		(void)fprintf(stderr,
			"measured: %.0f requests, workers %.1f %% busy, work %s, overhead %s\n",
			measured.requests, 100 * measured.utilization,
			latency_text(measured.service.mean_us, mean, sizeof mean),
			latency_text(measured.overhead_us, overhead, sizeof overhead));
	return plan_command_is_given(c, OPTION_VERIFY)
		       ? plan_command_say(c, "--verify",
				 verify_check(&c->planner.policy, &c->work, &c->error))
		       : BENCH_GO_ON;
}

static int make_service(struct plan_command *c)
{
	if (c->admin) {
		const int said = measure(c);

		if (said != BENCH_GO_ON)
			return said;
	}
	const int error = service_copy(&c->service, &c->work);
	if (error < 0)
		return plan_command_say(c, "--service", error);
	c->has_service = true;
	service_shift(&c->service, c->overhead_us);
	c->planner.service = &c->service;
	return BENCH_GO_ON;
}

/* --- results ---------------------------------------------------------------------------------- */

static bool is_quiet(const struct plan_command *c)
{
	return c->json && strcmp(c->json, "-") == 0;
}

static int print(struct plan_command *c, const struct buffer *text)
{
	const int error = is_quiet(c) ? 0 : output_text("-", text);

	return error < 0
		       ? cli_fail(&c->cli, "cannot write to standard output: %s", strerror(-error))
		       : BENCH_GO_ON;
}

static int print_plan(struct plan_command *c, const struct plan_report *report)
{
	struct buffer table;

	buffer_init(&table);
	plan_report_table(report, &table);
	const int said = print(c, &table);
	buffer_done(&table);
	return said;
}

static int print_verified(struct plan_command *c, const struct verify_result *result)
{
	struct buffer table;

	buffer_init(&table);
	verify_table(result, &table);
	const int said = print(c, &table);
	buffer_done(&table);
	return said;
}

static int write_json(struct plan_command *c, const struct plan_report *report,
	const struct verify_result *verified)
{
	json_t *object;
	int error = 0;

	if (!c->json)
		return BENCH_GO_ON;
	object = plan_report_json(report);
	if (object && verified && json_object_set_new(object, "verify", verify_json(verified)) != 0)
		error = -ENOMEM;
	if (error == 0)
		error = object ? output_json(c->json, object) : -ENOMEM;
	json_decref(object);
	return error < 0 ? cli_fail(&c->cli, "cannot write %s: %s", c->json, strerror(-error))
			 : BENCH_GO_ON;
}

static void note(void *own, const char *doing)
{
	(void)own;
	progress_show("%s", doing);
}

static const struct prediction *planned(const struct plan *plan)
{
	for (size_t i = 0; i < plan->rows; i++)
		if (plan->row[i].workers == plan->workers)
			return &plan->row[i].prediction;
	return NULL;
}

/* --- verifying -------------------------------------------------------------------------------- */

static int verify(struct plan_command *c, const struct plan_report *report)
{
	struct verify_result result;
	const struct verify_options o = {.policy = c->planner.policy,
		.workers = report->plan->workers,
		.rate_rps = c->planner.rate_rps,
		.service = &c->work,
		.planned = planned(report->plan),
		.duration_s = (double)c->verify_us / 1e6,
		.seed = c->planner.seed,
		.stop = c->planner.stop,
		.note = note};

	if (o.workers > VERIFY_WORKERS_MOST)
		return cli_fail(&c->cli,
			"--verify: %u workers are more than one machine is asked for (%d)",
			o.workers, VERIFY_WORKERS_MOST);
	const int error = verify_run(&o, &result, &c->error);
	progress_clear();
	if (error < 0)
		/* Nothing here is the command line's fault any more. */
		return plan_command_say(c, "--verify", error == -EINVAL ? -EIO : error);
	int said = print_verified(c, &result);
	const int written = write_json(c, report, &result);
	if (said == BENCH_GO_ON)
		said = written;
	const char *why = buffer_cstring(&result.void_reason);
	if (said == BENCH_GO_ON && why && *why) {
		(void)fprintf(stderr, "VOID: %s.\n", why);
		said = BENCH_VOID;
	}
	verify_done(&result);
	return said;
}

/* The plan is kept, whatever becomes of its verification. */
static int finish(struct plan_command *c, const struct plan_report *report)
{
	int said = print_plan(c, report);

	if (said != BENCH_GO_ON)
		return said;
	if (report->plan->workers > 0 && plan_command_is_given(c, OPTION_VERIFY)) {
		said = verify(c, report);
		if (said != BENCH_FAILED)
			return said == BENCH_GO_ON ? BENCH_DONE : said;
		(void)write_json(c, report, NULL);
		return said;
	}
	said = write_json(c, report, NULL);
	if (said != BENCH_GO_ON)
		return said;
	if (report->plan->workers > 0)
		return BENCH_DONE;
	(void)cli_fail(&c->cli, "%s", report->reason);
	return BENCH_UNMET;
}

static int run(struct plan_command *c)
{
	struct plan plan;
	int said;

	c->planner.stop = progress_stop();
	c->planner.note = note;
	said = make_service(c);
	if (said != BENCH_GO_ON)
		return said;
	const int error = planner_run(&c->planner, &plan, &c->error);
	progress_clear();
	if (error == -EINTR)
		return cli_fail(&c->cli, "interrupted");
	if (error < 0)
		return plan_command_say(c, "--rate", error);
	const struct plan_report report = {.options = &c->planner,
		.plan = &plan,
		.spec = c->spec,
		.overhead_us = c->overhead_us,
		.reason = plan.workers == 0 ? buffer_cstring(&c->error) : NULL};
	return finish(c, &report);
}

int bench_plan(int argc, char **argv)
{
	struct plan_command c;
	int code = plan_command_read(&c, argc, argv);

	if (code == BENCH_GO_ON)
		code = run(&c);
	plan_command_done(&c);
	return code;
}
