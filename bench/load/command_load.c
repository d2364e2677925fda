/* `quern-bench load URL`. */
#include "bench/load/command_load.h"

#include "bench/commands.h"
#include "bench/latency.h"
#include "bench/load/load.h"
#include "bench/load/load_report.h"
#include "bench/load/recorder.h"
#include "bench/output.h"
#include "bench/progress.h"
#include "lib/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BUFFER_BYTES (256u << 10)
#define RATE_TICKS 4 /* the rate shown is that of the last second */
#define PRECISION_TICKS 4

/* One run: everything that belongs to it. */
struct session {
	struct cli cli;
	struct load_settings settings;
	struct target target;
	struct mix *mix;
	struct arrival arrival;
	struct recorder recorder;
	struct load_totals totals;
	FILE *record;
	bool failed; /* some output could not be written */

	/* Progress. */
	uint64_t started_us;
	uint64_t ticks;
	struct {
		uint64_t at_us, count;
	} seen[RATE_TICKS];
};

/* --- before the run ----------------------------------------------------------------------------------------------- */

/* error holds a sentence, or nothing where memory has run out. Returns `code`, or BENCH_FAILED. */
static int told(struct session *s, int code, int result, const char *prefix, struct buffer *error)
{
	const char *sentence = buffer_cstring(error);

	if (result == -ENOMEM || !sentence || !*sentence)
		return cli_fail(&s->cli, "%s%s", prefix, strerror(-result));
	(void)cli_fail(&s->cli, "%s%s", prefix, sentence);
	return code;
}

static int open_mix(struct session *s, struct buffer *error)
{
	if (!s->settings.mix) {
		const int result = mix_single(&s->mix, s->target.path);

		return result < 0 ? told(s, BENCH_FAILED, result, "", error) : BENCH_GO_ON;
	}
	if (strcmp(s->target.path, "/") != 0)
		return cli_wrong(&s->cli,
			"with --mix the URL has no path, since the mix tells the targets; \"%s\" "
			"is too much",
			s->target.path);
	const int result = mix_read(&s->mix, s->settings.mix, error);
	return result < 0 ? told(s, BENCH_USAGE, result, "", error) : BENCH_GO_ON;
}

/* Told before a load is sent, rather than after. */
static int check_place(struct session *s, const char *path)
{
	const int error = path ? output_check(path) : 0;

	return error == 0 ? BENCH_GO_ON
			  : cli_fail(&s->cli, "cannot write %s: %s", path, strerror(-error));
}

static int open_record(struct session *s)
{
	const char *path = s->settings.record;

	if (!path)
		return BENCH_GO_ON;
	s->record = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	if (!s->record)
		return cli_fail(&s->cli, "cannot write %s: %s", path, strerror(errno));
	(void)setvbuf(s->record, NULL, _IOFBF, RECORD_BUFFER_BYTES);
	/* Written to no avail, it is found out when the record is closed. */
	(void)fputs(load_record_head, s->record);
	return BENCH_GO_ON;
}

static int open_outputs(struct session *s)
{
	int result = check_place(s, s->settings.json);

	if (result == BENCH_GO_ON)
		result = check_place(s, s->settings.hdr);
	if (result == BENCH_GO_ON)
		result = check_place(s, s->settings.service_hist);
	return result == BENCH_GO_ON ? open_record(s) : result;
}

static int open_session(struct session *s, struct buffer *error)
{
	int result = target_parse(&s->target, s->settings.url, error);

	if (result < 0)
		return told(s, result == -EINVAL ? BENCH_USAGE : BENCH_FAILED, result, "", error);
	result = open_mix(s, error);
	if (result != BENCH_GO_ON)
		return result;
	result = arrival_parse(&s->arrival, s->settings.arrivals, error);
	if (result < 0)
		return told(s, BENCH_USAGE, result, "--arrivals: ", error);
	result = open_outputs(s);
	if (result != BENCH_GO_ON)
		return result;
	result = recorder_init(&s->recorder, mix_templates(s->mix), false, s->record);
	return result < 0 ? told(s, BENCH_FAILED, result, "", error) : BENCH_GO_ON;
}

static void close_session(struct session *s)
{
	recorder_done(&s->recorder);
	arrival_done(&s->arrival);
	mix_free(s->mix);
	target_done(&s->target);
	if (s->record && s->record != stdout)
		(void)fclose(s->record);
}

/* --- during the run ----------------------------------------------------------------------------------------------- */

/* Requests that ended in the last second, per second. */
static double recent_rate(struct session *s, uint64_t now_us)
{
	const uint64_t count = s->recorder.latency.all.count;
	const size_t slot = s->ticks % RATE_TICKS;
	const uint64_t since_us = now_us - s->seen[slot].at_us;
	const double rate =
		since_us > 0 ? (double)(count - s->seen[slot].count) * 1e6 / (double)since_us : 0;

	s->seen[slot].at_us = now_us;
	s->seen[slot].count = count;
	return rate;
}

/* "7.3 s left", or nothing where only the trace knows. */
static const char *left_text(
	const struct session *s, double elapsed_s, double rate, char *text, size_t n)
{
	const struct load_settings *o = &s->settings;
	double left = (double)(o->warmup_us + o->duration_us) / 1e6 - elapsed_s;

	*text = '\0';
	if (o->requests > 0)
		left = rate > 0 ? (double)(o->requests - s->recorder.latency.all.count) / rate : 0;
	if (o->duration_us > 0 || (o->requests > 0 && rate > 0))
		(void)snprintf(text, n, "  %.0f s left", left > 0 ? left : 0);
	return text;
}

static void show_progress(struct session *s)
{
	const struct quantiles *latency = &s->recorder.latency.all;
	const uint64_t now_us = clock_us();
	const double elapsed_s = (double)(now_us - s->started_us) / 1e6;
	char p50[LATENCY_TEXT_BYTES], p99[LATENCY_TEXT_BYTES], left[32];
	const double rate = recent_rate(s, now_us);

	(void)left_text(s, elapsed_s, rate, left, sizeof left);
	if (latency->count == 0) {
		progress_show("%.1f s  warm-up%s", elapsed_s, left);
		return;
	}
	progress_show("%.1f s  %.0f /s  p50 %s  p99 %s  errors %llu%s", elapsed_s, rate,
		latency_text(quantiles_at(latency, 0.5), p50, sizeof p50),
		latency_text(quantiles_at(latency, 0.99), p99, sizeof p99),
		(unsigned long long)s->recorder.errors, left);
}

/* Once a second only: the more often one looks, the sooner chance alone looks precise. */
static bool is_precise(const struct session *s)
{
	const struct batches *b = &s->recorder.latency;

	if (s->settings.precision <= 0 || s->ticks % PRECISION_TICKS != 0)
		return false;
	return interval_relative(batches_interval(b, 0.99), quantiles_at(&b->all, 0.99)) <=
	       s->settings.precision;
}

static bool tick(void *own, double elapsed_us)
{
	struct session *s = own;

	(void)elapsed_us;
	s->ticks++;
	show_progress(s);
	return is_precise(s);
}

static void take(void *own, const struct sample *sample)
{
	struct session *s = own;

	recorder_take(&s->recorder, sample);
}

static int run(struct session *s, struct buffer *error)
{
	const struct load_settings *o = &s->settings;
	struct load_options load = {.target = &s->target,
		.mix = s->mix,
		.arrival = &s->arrival,
		.rate_rps = o->rate_rps,
		.seed = o->seed,
		.warmup_us = o->warmup_us,
		.duration_us = o->duration_us,
		.requests = o->requests,
		.timeout_us = o->timeout_us,
		.connections = (unsigned)o->connections,
		.verify_tls = !o->insecure,
		.realtime = o->realtime,
		.sink = take,
		.tick = tick,
		.own = s,
		.stop = progress_stop()};

	/* A trace has no more requests than this, so it runs to its end. */
	if (load.duration_us == 0 && load.requests == 0)
		load.requests = s->arrival.trace_count;
	s->started_us = clock_us();
	for (size_t i = 0; i < RATE_TICKS; i++)
		s->seen[i].at_us = s->started_us;
	const int result = load_run(&load, &s->totals, error);
	progress_clear();
	return result < 0 ? told(s, BENCH_FAILED, result, "", error) : BENCH_GO_ON;
}

/* --- after the run ------------------------------------------------------------------------------------------------ */

static void tell_output(struct session *s, const char *path, int result)
{
	if (result == 0)
		return;
	s->failed = true;
	(void)cli_fail(&s->cli, "cannot write %s: %s",
		strcmp(path, "-") == 0 ? "to standard output" : path, strerror(-result));
}

static void close_record(struct session *s)
{
	int error = s->recorder.record_errno;

	if (!s->record)
		return;
	if (fflush(s->record) != 0 && error == 0)
		error = errno;
	if (s->record != stdout && fclose(s->record) != 0 && error == 0)
		error = errno;
	s->record = NULL;
	s->recorder.record = NULL;
	tell_output(s, s->settings.record, -error);
}

static void write_hdr(struct session *s)
{
	struct buffer text;

	if (!s->settings.hdr)
		return;
	buffer_init(&text);
	load_report_hdr(&s->recorder.latency.all, &text);
	tell_output(s, s->settings.hdr, output_text(s->settings.hdr, &text));
	buffer_done(&text);
}

static void write_service_hist(struct session *s, const char *void_reason)
{
	struct buffer text, comment;

	if (!s->settings.service_hist)
		return;
	if (s->recorder.service.count == 0) {
		(void)cli_fail(&s->cli,
			"%s was not written: the server told no service times (Server-Timing)",
			s->settings.service_hist);
		s->failed = true;
		return;
	}
	buffer_init(&text);
	buffer_init(&comment);
	buffer_printf(&comment, "quern-bench load %s, seed %llu%s%s", s->settings.url,
		(unsigned long long)s->settings.seed, void_reason ? "; VOID: " : "",
		void_reason ? void_reason : "");
	const char *line = buffer_cstring(&comment);
	load_report_service_hist(&s->recorder.service, line ? line : "", &text);
	tell_output(s, s->settings.service_hist, output_text(s->settings.service_hist, &text));
	buffer_done(&comment);
	buffer_done(&text);
}

static void write_json(struct session *s, const struct load_report *report)
{
	if (!s->settings.json)
		return;
	json_t *object = load_report_json(report);

	tell_output(s, s->settings.json, object ? output_json(s->settings.json, object) : -ENOMEM);
	json_decref(object);
}

/* Where standard output is taken, what must not go unseen goes to standard error. */
static void print_table(struct session *s, const struct load_report *report)
{
	const struct recorder *r = &s->recorder;
	struct buffer text;

	if (load_settings_take_stdout(&s->settings)) {
		if (report->void_reason)
			(void)fprintf(stderr, "VOID: %s.\n", report->void_reason);
		if (r->errors > 0)
			(void)fprintf(stderr, "note: %llu of %llu requests failed.\n",
				(unsigned long long)r->errors,
				(unsigned long long)r->latency.all.count);
		return;
	}
	buffer_init(&text);
	load_report_table(report, &text);
	tell_output(s, "-", output_text("-", &text));
	buffer_done(&text);
}

static void write_all(struct session *s, const char *void_reason)
{
	const struct load_report report = {.url = s->settings.url,
		.arrivals = arrival_name(&s->arrival),
		.mix = s->mix,
		.seed = s->settings.seed,
		.recorder = &s->recorder,
		.totals = &s->totals,
		.void_reason = void_reason};

	close_record(s);
	print_table(s, &report);
	write_json(s, &report);
	write_hdr(s);
	write_service_hist(s, void_reason);
}

static int finish(struct session *s, struct buffer *reason)
{
	struct recorder_limits limits = recorder_default_limits;
	const struct quantiles *latency = &s->recorder.latency.all;

	limits.lateness_p99_us = (double)s->settings.max_lateness_us;
	limits.planned_us = (double)s->settings.duration_us;
	limits.planned_requests = s->settings.requests;
	const bool is_void = recorder_is_void(&s->recorder, &s->totals, &limits, reason);
	const char *text = buffer_cstring(reason);

	write_all(s, !is_void ? NULL : text ? text : strerror(ENOMEM));
	if (s->failed)
		return BENCH_FAILED;
	if (latency->count > 0 && s->recorder.errors == latency->count)
		return cli_fail(&s->cli, "not one request succeeded");
	return is_void ? BENCH_VOID : BENCH_DONE;
}

int bench_load(int argc, char **argv)
{
	struct session s = {.mix = NULL};
	struct buffer sentence;
	int result = load_settings_parse(&s.settings, &s.cli, argc, argv);

	if (result != BENCH_GO_ON)
		return result;
	buffer_init(&sentence);
	result = open_session(&s, &sentence);
	buffer_reset(&sentence);
	if (result == BENCH_GO_ON)
		result = run(&s, &sentence);
	buffer_reset(&sentence);
	if (result == BENCH_GO_ON)
		result = finish(&s, &sentence);
	close_session(&s);
	buffer_done(&sentence);
	return result;
}
