#include "bench/commands.h"
#include "bench/latency.h"
#include "bench/progress.h"
#include "bench/sweep/cell.h"
#include "bench/sweep/command_sweep_options.h"
#include "bench/sweep/machine.h"
#include "bench/sweep/results.h"
#include "lib/clock.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_BYTES 512

struct sweep {
	struct cli cli;
	struct sweep_options options;
	struct experiment experiment;
	struct schedule schedule;
	struct results results;
	struct cell_foreign foreign;
	struct buffer directory, message;
	char rest[16], workers[CPUS_BYTES]; /* lists of CPUs; "": none */
	unsigned spare;

	/* While it runs. */
	size_t at;		   /* of the schedule */
	double planned_s, spent_s; /* of the cells measured so far: at most, and really */
	double left_s;		   /* at most, of those after the present one */
	size_t measured, voids;
};

/* The sentence, which ends up in s->message, without its last newline. */
static const char *said(struct sweep *s)
{
	while (s->message.len > 0 && s->message.data[s->message.len - 1] == '\n')
		s->message.len--;
	const char *text = buffer_cstring(&s->message);
	return text && *text ? text : "no memory is left";
}

/* --- before ---------------------------------------------------------------------------------------------------- */

/* The first CPU is for HAProxy and the generator, the others are the workers'. */
static void find_cpus(struct sweep *s)
{
	cpu_set_t set;
	size_t len = 0;
	bool first = true;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return;
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (first) {
			(void)snprintf(s->rest, sizeof s->rest, "%zu", i);
		} else if (len < CPUS_BYTES - 8) {
			len += (size_t)snprintf(
				s->workers + len, CPUS_BYTES - len, "%s%zu", len ? "," : "", i);
			s->spare++;
		}
		first = false;
	}
}

static int open_foreign(struct sweep *s)
{
	const struct sweep_options *o = &s->options;
	struct watch_look *look = calloc(1, sizeof *look);
	unsigned workers = 0;

	if (!look)
		return cli_fail(&s->cli, "no memory is left");
	s->foreign.watch = (struct watch){.admin = o->admin,
		.pids = o->pids,
		.pid_count = o->pid_count,
		.balancer = o->haproxy};
	if (target_parse(&s->foreign.target, o->url, &s->message) != 0) {
		free(look);
		return cli_wrong(&s->cli, "--url: %s", said(s));
	}
	s->foreign.known = true;
	const int result = watch_look(&s->foreign.watch, look, &s->message);
	workers = look->workers;
	free(look);
	if (result < 0)
		return cli_fail(&s->cli, "%s", said(s));
	if (o->haproxy && clock_cpu_of_us(o->haproxy) == 0)
		return cli_fail(&s->cli, "--haproxy-pid: process %d is gone", (int)o->haproxy);
	s->spare = workers;
	return BENCH_GO_ON;
}

static int check_path(const struct sweep *s)
{
	for (size_t i = 0; i < s->experiment.groups; i++)
		if (s->experiment.group[i].mix && strcmp(s->foreign.target.path, "/") != 0)
			return cli_wrong(&s->cli,
				"--url: groups[%zu] has a mix, which says what is requested: leave "
				"out the path %s",
				i, s->foreign.target.path);
	return BENCH_GO_ON;
}

static int read_experiment(struct sweep *s)
{
	const struct sweep_options *o = &s->options;
	const int result = experiment_read(&s->experiment, o->file, o->quick, &s->message);

	if (result == -EINVAL) {
		(void)fprintf(stderr, "%s\n", said(s));
		return cli_wrong(&s->cli, "%s is no experiment that could be run", o->file);
	}
	if (result < 0)
		return cli_fail(&s->cli, "%s", said(s));
	for (size_t i = 0; i < s->experiment.groups; i++)
		if (s->experiment.group[i].service == EXPERIMENT_FOREIGN && !o->url)
			return cli_wrong(&s->cli,
				"%s: groups[%zu] is for a fleet that runs already: --url is "
				"missing",
				o->file, i);
	return BENCH_GO_ON;
}

static int make_schedule(struct sweep *s)
{
	const struct schedule_options options = {.spare_cpus = s->spare,
		.foreign_workers = s->foreign.known ? s->spare : 0,
		.pattern = s->options.pattern};

	if (schedule_init(&s->schedule, &s->experiment, &options) != 0)
		return cli_fail(&s->cli, "no memory is left");
	if (s->schedule.cells == 0 && s->schedule.unable == 0 && !s->experiment.derived)
		return cli_wrong(&s->cli, "--cells: no cell's name matches \"%s\"",
			s->options.pattern ? s->options.pattern : "*");
	return BENCH_GO_ON;
}

static int open_results(struct sweep *s)
{
	const char *directory = s->options.output;

	if (!directory) {
		buffer_printf(&s->directory, "results/%s", s->experiment.name);
		directory = buffer_cstring(&s->directory);
	}
	if (!directory)
		return cli_fail(&s->cli, "no memory is left");
	if (results_open(&s->results, directory, &s->message) != 0)
		return cli_fail(&s->cli, "%s", said(s));
	if (s->results.ignored > 0)
		(void)printf(
			"%s: %zu lines that cannot be read\n", s->results.path, s->results.ignored);
	if (machine_write(directory, s->cli.argc, s->cli.argv, &s->message) != 0)
		return cli_fail(&s->cli, "%s", said(s));
	return BENCH_GO_ON;
}

static int begin(struct sweep *s, int argc, char **argv)
{
	int result = sweep_options_read(&s->options, &s->cli, argc, argv);

	if (result == BENCH_GO_ON)
		result = read_experiment(s);
	if (result != BENCH_GO_ON)
		return result;
	find_cpus(s);
	if (s->options.url)
		result = open_foreign(s);
	if (result == BENCH_GO_ON && s->options.url)
		result = check_path(s);
	if (result == BENCH_GO_ON)
		result = make_schedule(s);
	/* Nothing is written for what has no cells of its own. */
	if (result == BENCH_GO_ON && !s->experiment.derived)
		result = open_results(s);
	return result;
}

/* --- what is said ---------------------------------------------------------------------------------------------- */

static const char *time_text(double seconds, char text[24])
{
	if (seconds < 90)
		(void)snprintf(text, 24, "%.0f s", seconds);
	else
		(void)snprintf(text, 24, "%.0f min", seconds / 60);
	return text;
}

/* By how long cells have taken so far. */
static double time_left(const struct sweep *s)
{
	return s->planned_s > 0 ? s->left_s * s->spent_s / s->planned_s : s->left_s;
}

static void show_live(void *own, const struct measure_live *live)
{
	struct sweep *s = own;
	char p99[LATENCY_TEXT_BYTES], left[24], width[32] = "";

	if (live->p99.known)
		(void)snprintf(width, sizeof width, " +-%.0f %%",
			100 * interval_relative(live->p99, live->p99_us));
	const double rest_s =
		s->experiment.cell.seconds - (live->elapsed_s > 0 ? live->elapsed_s : 0);
	progress_show("[%zu/%zu] %s: %.0f of %.0f s, p99 %s%s%s, %s left", s->at + 1,
		s->schedule.cells, s->schedule.cell[s->at].name,
		live->elapsed_s > 0 ? live->elapsed_s : 0, s->experiment.cell.seconds,
		latency_text(live->p99_us, p99, sizeof p99), width, live->errors ? ", ERRORS" : "",
		time_text(time_left(s) + (rest_s > 0 ? rest_s : 0), left));
}

static void print_figure(const char *name, double us)
{
	char text[LATENCY_TEXT_BYTES];

	if (isfinite(us))
		(void)printf("  %s %s", name, latency_text(us, text, sizeof text));
}

static void print_cell(const struct sweep *s, const struct cell_result *r)
{
	const struct batches *latency = &r->measure.recorder.latency;
	const struct interval p99 = r->p99;
	char low[LATENCY_TEXT_BYTES], high[LATENCY_TEXT_BYTES];

	(void)printf("[%zu/%zu] %s  busy %.1f %%", s->at + 1, s->schedule.cells,
		s->schedule.cell[s->at].name, 100 * r->measure.shares.busy_mean);
	print_figure("p50", quantiles_at(&latency->all, 0.5));
	print_figure("p95", quantiles_at(&latency->all, 0.95));
	print_figure("p99", quantiles_at(&latency->all, 0.99));
	if (p99.known)
		(void)printf(" (%s to %s)", latency_text(p99.low, low, sizeof low),
			latency_text(p99.high, high, sizeof high));
	print_figure("replay", r->split_known ? r->split.us[SPLIT_P99][SPLIT_REPLAY] : NAN);
	print_figure("predicted", r->is_predicted ? r->predicted.p99_us : NAN);
	(void)putchar('\n');
	if (r->void_reason.len > 0)
		(void)printf("    void: %.*s\n", (int)r->void_reason.len, r->void_reason.data);
	if (r->notes.len > 0)
		(void)printf("    note: %.*s\n", (int)r->notes.len, r->notes.data);
	(void)fflush(stdout);
}

/* --- the cells ------------------------------------------------------------------------------------------------- */

static bool is_done(const struct sweep *s, size_t i)
{
	const struct schedule_cell *c = &s->schedule.cell[i];
	const struct results_key key = {.experiment = s->experiment.name,
		.cell = c->name,
		.quick = s->options.quick,
		.seed = schedule_seed(c, s->options.seed)};

	return results_has(&s->results, &key);
}

/* 0 or -errno, with a sentence in s->message. */
static int run_cell(struct sweep *s)
{
	const struct schedule_cell *c = &s->schedule.cell[s->at];
	const struct cell_options options = {.experiment = &s->experiment,
		.cell = c,
		.quick = s->options.quick,
		.seed = schedule_seed(c, s->options.seed),
		.foreign = s->foreign.known ? &s->foreign : NULL,
		.cpus_workers = s->workers,
		.cpus_rest = s->rest,
		.stop = progress_stop(),
		.show = show_live,
		.own = s};
	struct cell_result r;

	progress_show("[%zu/%zu] %s: starting", s->at + 1, s->schedule.cells, c->name);
	int result = cell_measure(&options, &r, &s->message);
	progress_clear();
	if (result < 0)
		return result;
	print_cell(s, &r);
	s->voids += r.void_reason.len > 0;
	json_t *line = cell_result_json(&options, &r);
	result = line ? results_add(&s->results, line, &s->message) : -ENOMEM;
	json_decref(line);
	cell_result_done(&r);
	return result;
}

static int interrupted(struct sweep *s)
{
	return cli_fail(&s->cli,
		"interrupted: %s is not measured, what was measured before is in %s; the same "
		"command "
		"goes on from there",
		s->schedule.cell[s->at].name, s->results.path);
}

static int run_cells(struct sweep *s)
{
	const double most_s = cell_seconds_most(&s->experiment, s->options.quick);

	for (s->at = 0; s->at < s->schedule.cells; s->at++) {
		if (is_done(s, s->at))
			continue;
		if (*progress_stop())
			return interrupted(s);
		const uint64_t before_us = clock_us();

		s->left_s -= most_s;
		const int result = run_cell(s);
		if (result == -EINTR)
			return interrupted(s);
		if (result < 0)
			return cli_fail(&s->cli, "%s: %s", s->schedule.cell[s->at].name, said(s));
		s->measured++;
		s->planned_s += most_s;
		s->spent_s += (double)(clock_us() - before_us) / 1e6;
	}
	return BENCH_DONE;
}

static void announce(struct sweep *s)
{
	size_t todo = 0;
	char least[24], most[24];

	for (size_t i = 0; i < s->schedule.cells; i++)
		todo += !is_done(s, i);
	s->left_s = (double)todo * cell_seconds_most(&s->experiment, s->options.quick);
	(void)printf("%s: %zu cells", s->experiment.name, s->schedule.cells);
	if (todo < s->schedule.cells)
		(void)printf(", of which %zu are in %s", s->schedule.cells - todo, s->results.path);
	if (todo > 0)
		(void)printf(", %s to %s",
			time_text(
				(double)todo * cell_seconds_least(&s->experiment, s->options.quick),
				least),
			time_text(s->left_s, most));
	(void)putchar('\n');
	if (s->schedule.unable > 0)
		(void)printf("%zu cells of real work are left out: they need a CPU for each "
			     "worker, besides the one of HAProxy and the generator\n",
			s->schedule.unable);
	(void)fflush(stdout);
}

static int run(struct sweep *s)
{
	if (s->experiment.derived) {
		(void)printf("%s has no cells of its own: the report derives it from others\n",
			s->experiment.name);
		return BENCH_DONE;
	}
	announce(s);
	const int result = run_cells(s);
	if (result != BENCH_DONE)
		return result;
	(void)printf("%s: %zu cells measured", s->experiment.name, s->measured);
	if (s->voids > 0)
		(void)printf(", %zu of them void: the same command measures those again", s->voids);
	(void)printf("; results are in %s\n", s->results.path);
	if (fflush(stdout) != 0 || ferror(stdout))
		return cli_fail(&s->cli, "cannot write to standard output: %s", strerror(errno));
	return s->voids > 0 ? BENCH_VOID : BENCH_DONE;
}

int bench_sweep(int argc, char **argv)
{
	struct sweep *s = calloc(1, sizeof *s);

	if (!s) {
		(void)fputs("quern-bench sweep: no memory is left\n", stderr);
		return BENCH_FAILED;
	}
	s->results.directory = -1;
	(void)progress_stop();
	int result = begin(s, argc, argv);
	if (result == BENCH_GO_ON)
		result = run(s);
	results_close(&s->results);
	schedule_done(&s->schedule);
	experiment_done(&s->experiment);
	if (s->foreign.known)
		target_done(&s->foreign.target);
	buffer_done(&s->directory);
	buffer_done(&s->message);
	free(s);
	return result;
}
