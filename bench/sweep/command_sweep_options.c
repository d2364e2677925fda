#include "bench/sweep/command_sweep_options.h"

#include "lib/address.h"
#include "lib/number.h"

#include <string.h>

#define PID_MOST 4194304 /* the kernel's PID_MAX_LIMIT */

enum { SHORT_OUTPUT, OUTPUT, QUICK, CELLS, SEED, URL, ADMIN, PIDS, HAPROXY_PID };

static const struct cli_option options[] = {
	[SHORT_OUTPUT] = {"-o", "DIR", "as --output"},
	[OUTPUT] = {"--output", "DIR",
		"where results go: cells.jsonl, to which lines are added,\n"
		"and machine.json; without it results/NAME, the\n"
		"experiment's name. Cells that are there are not measured\n"
		"again, unless they were void"},
	[QUICK] = {"--quick", NULL, "with the experiment's quick values"},
	[CELLS] = {"--cells", "PATTERN",
		"only cells whose name matches, as the shell does it:\n"
		"'*/roundrobin/k4/*'"},
	[SEED] = {"--seed", "N", "of all random numbers; default 1"},
	[URL] = {"--url", "URL",
		"a fleet that runs already, instead of our own ones: each\n"
		"group's work and utilizations, with the number of workers\n"
		"that it has, under the group's first policy, which must be\n"
		"the fleet's"},
	[ADMIN] = {"--admin", "HOST:PORT", "its admin address, which tells the busy time"},
	[PIDS] = {"--pids", "P,P...",
		"or, for any other server, its workers' processes on this\n"
		"machine: their CPU time counts as busy time"},
	[HAPROXY_PID] = {"--haproxy-pid", "P", "its HAProxy, to see that it was not full"},
	{NULL, NULL, NULL},
};

static int read_pid(
	const struct cli *c, const char *option, const char *text, size_t len, pid_t *ret)
{
	int64_t pid;

	if (number_parse_int(&pid, text, len, 1, PID_MOST) != 0)
		return cli_wrong(c, "%s: \"%.*s\" is not allowed; allowed: a process's number",
			option, (int)len, text);
	*ret = (pid_t)pid;
	return BENCH_GO_ON;
}

static int read_pids(struct sweep_options *ret, const struct cli *c, const char *text)
{
	for (;;) {
		const size_t len = strcspn(text, ",");
		if (ret->pid_count == WATCH_WORKERS_MOST)
			return cli_wrong(c, "--pids: more than %d processes", WATCH_WORKERS_MOST);
		const int result = read_pid(c, "--pids", text, len, &ret->pids[ret->pid_count++]);
		if (result != BENCH_GO_ON || !text[len])
			return result;
		text += len + 1;
	}
}

static int read_admin(struct sweep_options *ret, const struct cli *c, const char *text)
{
	struct address a;

	if (address_parse(&a, text, false) != 0)
		return cli_wrong(c,
			"--admin: \"%s\" is not allowed; allowed: HOST:PORT, numeric "
			"(127.0.0.1:8090)",
			text);
	ret->admin = text;
	return BENCH_GO_ON;
}

static int read_output(struct sweep_options *ret, const struct cli *c, const char *text)
{
	if (ret->output)
		return cli_wrong(c, "-o and --output are the same");
	if (!*text)
		return cli_wrong(c, "--output: a directory's name is missing");
	ret->output = text;
	return BENCH_GO_ON;
}

/* What cli_read() hands to take(). */
struct reading {
	const struct cli *cli;
	struct sweep_options *options;
};

static int take(void *own, int option, const char *value)
{
	const struct reading *reading = own;
	const struct cli *c = reading->cli;
	struct sweep_options *ret = reading->options;

	switch (option) {
	case SHORT_OUTPUT:
	case OUTPUT:
		return read_output(ret, c, value);
	case QUICK:
		ret->quick = true;
		return BENCH_GO_ON;
	case CELLS:
		ret->pattern = value;
		return BENCH_GO_ON;
	case SEED:
		return cli_count(c, "--seed", value, 0, UINT32_MAX, &ret->seed);
	case URL:
		ret->url = value;
		return BENCH_GO_ON;
	case ADMIN:
		return read_admin(ret, c, value);
	case PIDS:
		return read_pids(ret, c, value);
	case HAPROXY_PID:
		return read_pid(c, "--haproxy-pid", value, strlen(value), &ret->haproxy);
	default:
		if (ret->file)
			return cli_wrong(c, "one experiment only: %s", value);
		ret->file = value;
		return BENCH_GO_ON;
	}
}

static int check(const struct sweep_options *o, const struct cli *c)
{
	const bool tells = o->admin || o->pid_count;

	if (!o->file)
		return cli_wrong(c, "an experiment's file is missing");
	if (!o->url && (tells || o->haproxy))
		return cli_wrong(c, "--admin, --pids and --haproxy-pid belong to --url");
	if (o->url && !tells)
		return cli_wrong(c, "--url needs --admin or --pids: how busy the workers are is "
				    "what a rate is derived from");
	if (o->admin && o->pid_count)
		return cli_wrong(c, "either --admin or --pids");
	return BENCH_GO_ON;
}

int sweep_options_read(struct sweep_options *ret, struct cli *c, int argc, char **argv)
{
	*c = (struct cli){.command = "sweep",
		.operands = "FILE",
		.about =
			"Runs an experiment (bench/experiments): brings up a fleet and HAProxy for "
			"each of its cells,\nmeasures, and adds a line to DIR/cells.jsonl. "
			"Interrupted, it goes on where it stopped.",
		.options = options};
	*ret = (struct sweep_options){.seed = 1};
	struct reading reading = {.cli = c, .options = ret};

	cli_begin(c, argc, argv);
	const int said = cli_read(c, take, &reading);
	return said == BENCH_GO_ON ? check(ret, c) : said;
}
