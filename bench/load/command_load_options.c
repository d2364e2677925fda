/* The command line of `quern-bench load`. */
#include "bench/load/command_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECOND_US UINT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define WARMUP_US (2 * SECOND_US)
#define DURATION_US (10 * SECOND_US)
#define TIMEOUT_US (5 * SECOND_US)
#define LATENESS_US UINT64_C(1000)
#define CONNECTIONS 1000
#define CONNECTIONS_MOST 60000

enum option {
	RATE,
	ARRIVALS,
	DURATION,
	REQUESTS,
	WARMUP,
	SEED,
	CONNECTIONS_OPTION,
	TIMEOUT,
	MIX,
	JSON,
	HDR,
	RECORD,
	SERVICE_HIST,
	PRECISION,
	MAX_LATENESS,
	REALTIME,
	INSECURE
};

static const struct cli_option options[] = {
	[RATE] = {"--rate", "R", "requests a second; a trace is stretched or compressed to it"},
	[ARRIVALS] = {"--arrivals", "A",
		"poisson (default), constant, or trace:FILE (seconds, one a line)"},
	[DURATION] = {"--duration", "D", "of the measured part: 10s (default), 1.5m, 500ms"},
	[REQUESTS] = {"--requests", "N", "measured requests, in place of a duration"},
	[WARMUP] = {"--warmup", "D", "before it, not measured: 2s (default), 0s"},
	[SEED] = {"--seed", "N", "of arrivals and contents; default: drawn, and printed"},
	[CONNECTIONS_OPTION] = {"--connections", "N",
		"at most so many at a time (default 1000); a request for which none is\n"
		"free waits and is counted"},
	[TIMEOUT] = {"--timeout", "D", "of a request, from its intended send: 5s (default)"},
	[MIX] = {"--mix", "FILE",
		"weighted request templates, a line each, for example\n"
		"  99 GET  /qr?text={text:20}\n"
		"  1  POST /qr application/json {{\"text\": \"{text:100-2000}\"}}\n"
		"also {int:N-M}, {us:exp:1ms}; the URL then has no path"},
	[JSON] = {"--json", "FILE|-", "the result as JSON"},
	[HDR] = {"--hdr", "FILE|-", "latencies as HdrHistogram's percentile text"},
	[RECORD] = {"--record", "FILE|-", "a line for each measured request"},
	[SERVICE_HIST] = {"--service-hist", "FILE|-",
		"the service times that the server told, as --service hist:FILE reads"},
	[PRECISION] = {"--precision", "P%",
		"ends early once the 95 % interval of p99 is within P % of it"},
	[MAX_LATENESS] = {"--max-lateness", "D",
		"the run is void if p99 of the generator's lateness is above: 1ms (default)"},
	[REALTIME] = {"--realtime", NULL,
		"SCHED_FIFO for the generator, where the system allows it"},
	[INSECURE] = {"--insecure", NULL, "https without a check of the server's certificate"},
	{NULL, NULL, NULL}};

static const struct cli command = {.command = "load",
	.operands = "URL",
	.about = "Sends requests to URL (http or https) when the arrival process says so, whatever "
		 "became of those\n"
		 "before, and prints how long they took, counted from the intended send. Errors "
		 "and timeouts are\n"
		 "part of the percentiles. Ctrl-C ends the run; what was measured is printed and "
		 "written.\n"
		 "\n"
		 "A run is void, exit code 3, if the generator was late, sent less than it was "
		 "asked to, was itself\n"
		 "near full, or was interrupted. Requests that fail are counted and are no failure "
		 "of the command,\n"
		 "unless not a single one succeeded: exit code 1, as where the server cannot be "
		 "reached or a result\n"
		 "cannot be written.",
	.options = options};

/* "5%". */
static int take_precision(const struct cli *c, const char *option, const char *value, double *ret)
{
	const size_t len = strlen(value);
	char number[32];
	double percent;

	if (len < 2 || len > sizeof number || value[len - 1] != '%')
		return cli_wrong(c,
			"%s: \"%s\" is not allowed; allowed: a share in per cent, for example 5%%",
			option, value);
	memcpy(number, value, len - 1);
	number[len - 1] = '\0';
	const int result = cli_real(c, option, number, 0.1, 100, &percent);
	if (result == BENCH_GO_ON)
		*ret = percent / 100;
	return result;
}

/* A path that is empty is a variable that a script has not set. */
static int take_text(const struct cli *c, const char *option, const char *value, const char **ret)
{
	if (!*value)
		return cli_wrong(c, "%s: its value is empty", option);
	*ret = value;
	return BENCH_GO_ON;
}

static int take_text_option(
	const struct cli *c, enum option option, const char *value, struct load_settings *s)
{
	const char *name = options[option].name;

	switch (option) {
	case ARRIVALS:
		return take_text(c, name, value, &s->arrivals);
	case MIX:
		return take_text(c, name, value, &s->mix);
	case JSON:
		return take_text(c, name, value, &s->json);
	case HDR:
		return take_text(c, name, value, &s->hdr);
	case RECORD:
		return take_text(c, name, value, &s->record);
	case REALTIME:
		s->realtime = true;
		return BENCH_GO_ON;
	case INSECURE:
		s->insecure = true;
		return BENCH_GO_ON;
	default:
		return take_text(c, name, value, &s->service_hist);
	}
}

/* What cli_read() hands to take_option(). */
struct reading {
	const struct cli *cli;
	struct load_settings *settings;
};

static int take_url(const struct cli *c, const char *value, struct load_settings *s)
{
	if (s->url)
		return cli_wrong(c, "one URL only: \"%s\" is too many", value);
	s->url = value;
	return BENCH_GO_ON;
}

static int take_option(void *own, int option, const char *value)
{
	const struct reading *reading = own;
	const struct cli *c = reading->cli;
	struct load_settings *s = reading->settings;

	if (option == CLI_OPERAND)
		return take_url(c, value, s);
	const char *name = options[option].name;
	switch ((enum option)option) {
	case RATE:
		return cli_rate(c, name, value, &s->rate_rps);
	case DURATION:
		return cli_duration(c, name, value, 1000, 100 * HOUR_US, &s->duration_us);
	case REQUESTS:
		return cli_count(c, name, value, 1, UINT64_C(1) << 40, &s->requests);
	case WARMUP:
		return cli_duration(c, name, value, 0, HOUR_US, &s->warmup_us);
	case SEED:
		return cli_count(c, name, value, 0, INT64_MAX, &s->seed);
	case CONNECTIONS_OPTION:
		return cli_count(c, name, value, 1, CONNECTIONS_MOST, &s->connections);
	case TIMEOUT:
		return cli_duration(c, name, value, 1000, HOUR_US, &s->timeout_us);
	case PRECISION:
		return take_precision(c, name, value, &s->precision);
	case MAX_LATENESS:
		return cli_duration(c, name, value, 1, HOUR_US, &s->max_lateness_us);
	default:
		return take_text_option(c, (enum option)option, value, s);
	}
}

static bool given(const struct cli *c, enum option option)
{
	return c->seen >> option & 1;
}

/* Two outputs may share neither standard output nor a file. */
static int check_outputs(const struct cli *c, const struct load_settings *s)
{
	const char *const path[] = {s->json, s->hdr, s->record, s->service_hist};
	static const enum option option[] = {JSON, HDR, RECORD, SERVICE_HIST};

	for (size_t i = 0; i < 4; i++)
		for (size_t j = i + 1; j < 4; j++)
			if (path[i] && path[j] && strcmp(path[i], path[j]) == 0 &&
				strncmp(path[i], "/dev/", 5) != 0)
				return cli_wrong(c,
					"%s and %s: only one of them can be written to %s",
					options[option[i]].name, options[option[j]].name,
					strcmp(path[i], "-") == 0 ? "standard output" : path[i]);
	return BENCH_GO_ON;
}

static int check(const struct cli *c, struct load_settings *s)
{
	const bool trace = strncmp(s->arrivals, "trace:", 6) == 0;

	if (!s->url)
		return cli_wrong(c, "a URL is needed, for example http://127.0.0.1:8080/qr?text=A");
	if (given(c, DURATION) && given(c, REQUESTS))
		return cli_wrong(c, "--duration and --requests: give one of them");
	if (!trace && !given(c, RATE))
		return cli_wrong(c, "--rate is needed, in requests a second");
	if (s->insecure && strncmp(s->url, "https:", 6) != 0)
		return cli_wrong(c, "--insecure is for https, and the URL is %s", s->url);
	if (!trace && !given(c, DURATION) && !given(c, REQUESTS))
		s->duration_us = DURATION_US;
	return check_outputs(c, s);
}

static int draw_seed(const struct cli *c, uint64_t *ret)
{
	uint32_t seed;

	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return cli_fail(c, "cannot draw a seed: %s; give one with --seed", strerror(errno));
	*ret = seed;
	return BENCH_GO_ON;
}

int load_settings_parse(struct load_settings *ret, struct cli *c, int argc, char **argv)
{
	struct load_settings s = {.arrivals = "poisson",
		.warmup_us = WARMUP_US,
		.timeout_us = TIMEOUT_US,
		.max_lateness_us = LATENESS_US,
		.connections = CONNECTIONS};
	struct reading reading = {.cli = c, .settings = &s};

	*c = command;
	cli_begin(c, argc, argv);
	int result = cli_read(c, take_option, &reading);
	if (result == BENCH_GO_ON)
		result = check(c, &s);
	if (result == BENCH_GO_ON && !given(c, SEED))
		result = draw_seed(c, &s.seed);
	if (result == BENCH_GO_ON)
		*ret = s;
	return result;
}

bool load_settings_take_stdout(const struct load_settings *s)
{
	const char *const path[] = {s->json, s->hdr, s->record, s->service_hist};

	for (size_t i = 0; i < 4; i++)
		if (path[i] && strcmp(path[i], "-") == 0)
			return true;
	return false;
}
