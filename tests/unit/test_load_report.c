/* bench/load/load_report: the same run as a table, JSON, HdrHistogram's text, record lines and a histogram file. */
#include "bench/load/load_report.h"

#include "bench/model/service.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char mix_text[] = "99 GET /qr?text={text:20}\n1 POST /qr text/plain {text:2000}\n";

struct run {
	struct mix *mix;
	struct recorder recorder;
	struct load_totals totals;
	struct load_report report;
};

/* 1,000 requests that took 1 to 1000 ms; every hundredth of the second template, every two hundredth a timeout. */
static void run_init(struct run *run)
{
	struct buffer error;

	buffer_init(&error);
	assert_int_equal(mix_parse(&run->mix, "mix", mix_text, strlen(mix_text), &error), 0);
	buffer_done(&error);
	assert_int_equal(recorder_init(&run->recorder, 2, false, NULL), 0);
	for (int i = 1; i <= 1000; i++) {
		const struct sample s = {.intended_us = i * 1e4,
			.due_us = i * 1e4 + 20,
			.sent_us = i * 1e4 + 50,
			.done_us = i * 1e4 + i * 1e3,
			.asked_us = -1,
			.queue_us = 100,
			.service_us = 250,
			.worker = i % 4,
			.status = i % 200 ? 200 : SAMPLE_TIMEOUT,
			.template_index = i % 100 == 0};

		recorder_take(&run->recorder, &s);
	}
	run->totals = (struct load_totals){.offered_rps = 100,
		.intended_rps = 100.5,
		.achieved_rps = 99,
		.elapsed_us = 10e6,
		.cpu_share = 0.0734,
		.intended = 1000,
		.warmup = 200,
		.waited = 5,
		.connects = 12,
		.most_connections = 11,
		.bytes_in = 123456,
		.bytes_out = 1000};
	run->report = (struct load_report){.url = "http://127.0.0.1:8080/",
		.arrivals = "poisson",
		.mix = run->mix,
		.seed = 42,
		.recorder = &run->recorder,
		.totals = &run->totals};
}

static void run_done(struct run *run)
{
	recorder_done(&run->recorder);
	mix_free(run->mix);
}

static double number_at(const json_t *o, const char *outer, const char *inner)
{
	const json_t *value = json_object_get(o, outer);

	if (inner)
		value = json_object_get(value, inner);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

/* Quantiles are within a bucket's width, 0.4 %. */
static void assert_near(double value, double expected)
{
	if (fabs(value - expected) > 0.004 * expected)
		fail_msg("%g instead of %g", value, expected);
}

static void test_json(void **state)
{
	struct run run;

	(void)state;
	run_init(&run);
	json_t *o = load_report_json(&run.report);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "url")), "http://127.0.0.1:8080/");
	assert_string_equal(json_string_value(json_object_get(o, "arrivals")), "poisson");
	assert_true(json_is_null(json_object_get(o, "void")));
	assert_true(number_at(o, "seed", NULL) == 42);
	assert_true(number_at(o, "requests", NULL) == 1000);
	assert_true(number_at(o, "warmup_requests", NULL) == 200);
	assert_true(number_at(o, "duration_s", NULL) == 10);
	assert_true(number_at(o, "offered_rps", NULL) == 100);
	assert_true(number_at(o, "achieved_rps", NULL) == 99);
	assert_true(number_at(o, "errors", NULL) == 5);
	assert_true(number_at(o, "waited", NULL) == 5);
	assert_true(number_at(o, "generator_cpu", NULL) == 0.0734);
	assert_true(number_at(o, "statuses", "200") == 995);
	assert_true(number_at(o, "statuses", "timeout") == 5);
	assert_true(json_object_size(json_object_get(o, "statuses")) == 2);
	assert_near(number_at(o, "latency_ms", "mean"), 500.5);
	assert_near(number_at(o, "latency_ms", "p50"), 500);
	assert_near(number_at(o, "latency_ms", "p99"), 990);
	assert_near(number_at(o, "latency_ms", "p999"), 999);
	assert_true(number_at(o, "latency_ms", "max") == 1000);
	assert_near(number_at(o, "lateness_ms", "p99"), 0.02);
	assert_near(number_at(o, "lateness_ms", "max"), 0.02);
	assert_near(number_at(o, "waiting_ms", "p50"), 0.03);
	const json_t *server = json_object_get(o, "server");
	assert_near(number_at(server, "queue_ms", "p50"), 0.1);
	assert_near(number_at(server, "service_ms", "max"), 0.25);
	const json_t *second = json_array_get(json_object_get(o, "templates"), 1);
	assert_string_equal(json_string_value(json_object_get(second, "name")), "POST /qr");
	assert_true(number_at(second, "requests", NULL) == 10);
	assert_true(number_at(second, "errors", NULL) == 5);
	assert_near(number_at(second, "latency_ms", "p50"), 500);
	json_decref(o);

	run.report.void_reason = "it was late";
	o = load_report_json(&run.report);
	assert_string_equal(json_string_value(json_object_get(o, "void")), "it was late");
	json_decref(o);
	run_done(&run);
}

/* Nothing was measured: figures are null, and never 0. */
static void test_json_of_nothing(void **state)
{
	struct run run;

	(void)state;
	run_init(&run);
	recorder_done(&run.recorder);
	assert_int_equal(recorder_init(&run.recorder, 2, false, NULL), 0);
	json_t *o = load_report_json(&run.report);
	assert_true(json_is_null(json_object_get(json_object_get(o, "latency_ms"), "p99")));
	assert_true(json_is_null(json_object_get(json_object_get(o, "lateness_ms"), "max")));
	assert_true(json_is_null(json_object_get(json_object_get(o, "server"), "service_ms")));
	json_decref(o);
	run_done(&run);
}

/* Every line fits 100 columns, whatever is in it; and the figures are there. */
static void check_table(const char *text, const char *const *expected)
{
	for (const char *line = text; *line;) {
		const size_t len = strcspn(line, "\n");

		if (len > 100 || (len > 0 && line[len - 1] == ' '))
			fail_msg("%zu columns: \"%.*s\"", len, (int)len, line);
		line += len + (line[len] == '\n');
	}
	for (; *expected; expected++)
		if (!strstr(text, *expected))
			fail_msg("no \"%s\" in\n%s", *expected, text);
}

static void test_table(void **state)
{
	static const char *const expected[] = {"Load of http://127.0.0.1:8080/\n",
		"  offered             100.0 /s   poisson arrivals, seed 42\n",
		"  sent                100.5 /s   1,000 requests in 10.0 s",
		", after 200 in the warm-up\n",
		"  answered            99.00 /s   with status 200: 995\n",
		"  errors                     5   0.5 % of all, timeout: 5\n",
		"  connections               11   at most, 12 opened; waited for one: ",
		"5 requests (0.5 %)\n",
		"  generator              7.3 %   of one CPU; 1000 bytes sent, 121 KiB received\n",
		"\nLatency                           500 ms    500 ms    900 ms", "    1.00 s\n",
		"\n  GET /qr?text={text:20}\n    990 requests ", "\n  POST /qr\n    10 requests ",
		"\n    5 errors\n", "\n  service                         250 us    250 us",
		"\n  lateness                       20.0 us ", NULL};
	static const char *const expected_void[] = {
		"\nVOID: the generator was late", ".\n      These figures do not count.\n", NULL};
	char url[400];
	struct buffer out;
	struct run run;

	(void)state;
	buffer_init(&out);
	run_init(&run);
	load_report_table(&run.report, &out);
	check_table(buffer_cstring(&out), expected);
	assert_null(strstr(out.data, "VOID"));

	/* Long texts are cut or wrapped. */
	memset(url, 'a', sizeof url - 1);
	url[sizeof url - 1] = '\0';
	run.report.url = url;
	run.report.void_reason =
		"the generator was late: p99 of its lateness is 3.00 ms, at most 1.00 ms is "
		"allowed; "
		"the generator was itself near full: 90 % of a CPU, at most 85 % is allowed";
	for (unsigned i = 200; i < 500; i += 7)
		run.recorder.status[i] += 1234567;
	buffer_reset(&out);
	load_report_table(&run.report, &out);
	check_table(buffer_cstring(&out), expected_void);
	run_done(&run);
	buffer_done(&out);
}

static void test_table_of_nothing(void **state)
{
	static const char *const expected[] = {
		"\nLatency                                -         -",
		"  (-: too few independent samples for an interval)\n", "no request succeeded",
		NULL};
	struct buffer out;
	struct run run;

	(void)state;
	buffer_init(&out);
	run_init(&run);
	recorder_done(&run.recorder);
	assert_int_equal(recorder_init(&run.recorder, 2, false, NULL), 0);
	load_report_table(&run.report, &out);
	check_table(buffer_cstring(&out), expected);
	run_done(&run);
	buffer_done(&out);
}

/* What HdrHistogram's plotter needs: head, four columns, ascending to 100 %, the footer's three lines. */
static void test_hdr(void **state)
{
	double value = 0, share = 0, inverse, last_value = 0, last_share = -1;
	unsigned long long total = 0, last_total = 0;
	unsigned lines = 0;
	struct buffer out;
	struct run run;

	(void)state;
	buffer_init(&out);
	run_init(&run);
	load_report_hdr(&run.recorder.latency.all, &out);
	const char *at = buffer_cstring(&out);
	const char head[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
	assert_memory_equal(at, head, strlen(head));
	for (at += strlen(head); *at != '#'; at = strchr(at, '\n') + 1) {
		assert_int_equal(
			sscanf(at, "%lf %lf %llu %lf", &value, &share, &total, &inverse), 4);
		assert_true(value >= last_value && share > last_share && total >= last_total);
		/* So many lie at or below: the k-th of 1,000 took k ms. */
		assert_near(value, (double)total);
		assert_true((double)total >= share * 1000 - 1e-6);
		if (share < 1)
			assert_true(fabs(inverse - 1 / (1 - share)) < 0.006);
		last_value = value;
		last_share = share;
		last_total = total;
		lines++;
	}
	assert_true(share == 1 && total == 1000 && value == 1000 && isinf(inverse));
	/* Five lines for each halving of 1 down to 1/1000, nearly ten of those; the first at 0, the last at 1. */
	assert_in_range(lines, 45, 55);
	/* Standard deviation of 1..1000: sqrt((1000^2 - 1) / 12). */
	assert_string_equal(at, "#[Mean    =      500.500, StdDeviation   =      288.675]\n"
				"#[Max     =     1000.000, Total count    =         1000]\n"
				"#[Buckets =           46, SubBuckets     =          256]\n");
	run_done(&run);
	buffer_done(&out);
}

static void test_hdr_of_few(void **state)
{
	struct quantiles q;
	struct buffer out;

	(void)state;
	buffer_init(&out);
	assert_int_equal(quantiles_init(&q), 0);
	load_report_hdr(&q, &out);
	assert_non_null(strstr(buffer_cstring(&out), "\n\n#[Mean    =        0.000"));
	buffer_reset(&out);
	quantiles_record(&q, 1500);
	load_report_hdr(&q, &out);
	assert_non_null(strstr(buffer_cstring(&out),
		"\n\n       1.500 1.000000000000          1            inf\n#[Mean"));
	quantiles_done(&q);
	buffer_done(&out);
}

static size_t columns_of(const char *line)
{
	size_t columns = 1;

	for (; *line; line++)
		columns += *line == '\t';
	return columns;
}

static void test_record_lines(void **state)
{
	static const struct sample full = {.intended_us = 1.25,
		.due_us = 2,
		.sent_us = 3.0625,
		.done_us = 1e9,
		.asked_us = 5000,
		.queue_us = 31,
		.service_us = 354,
		.worker = 3,
		.status = 200,
		.template_index = 7};
	static const struct sample bare = {.intended_us = 1,
		.due_us = 2,
		.sent_us = -1,
		.done_us = 3,
		.asked_us = -1,
		.queue_us = -1,
		.service_us = -1,
		.worker = -1,
		.status = SAMPLE_CONNECT};
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	assert_non_null(to);
	assert_int_equal(load_record_line(to, &full), 0);
	assert_int_equal(load_record_line(to, &bare), 0);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text,
		"1.250\t3.062\t1000000000.000\t200\t3\t31.000\t354.000\t2.000\t5000.000\t7\n"
		"1.000\t-\t3.000\tconnect\t-\t-\t-\t2.000\t-\t0\n");
	*strchr(text, '\n') = '\0';
	assert_int_equal(columns_of(load_record_head), columns_of(text));
	assert_memory_equal(load_record_head, "# intended_us\t", 14);
	assert_int_equal(load_record_head[strlen(load_record_head) - 1], '\n');
	free(text);
}

/* What is written is what bench/model/service.h reads, with the same mean and variance. */
static void test_service_hist(void **state)
{
	char path[] = "/tmp/quern-test-hist-XXXXXX", spec[64];
	const int fd = mkstemp(path);
	struct buffer out, error;
	struct random random;
	struct service s;
	struct quantiles q;

	(void)state;
	buffer_init(&out);
	buffer_init(&error);
	random_init(&random, 9, 0);
	assert_true(fd >= 0);
	assert_int_equal(quantiles_init(&q), 0);
	for (int i = 0; i < 10000; i++)
		quantiles_record(&q, 1000 * random_exp(&random));
	load_report_service_hist(&q, "a test", &out);
	assert_memory_equal(buffer_cstring(&out), "# a test\n# 10000 service times, mean ", 37);
	assert_int_equal(write(fd, out.data, out.len), (int)out.len);
	(void)close(fd);
	(void)snprintf(spec, sizeof spec, "hist:%s", path);
	if (service_parse(&s, spec, &error) < 0)
		fail_msg("%s", buffer_cstring(&error));
	(void)unlink(path);
	/* Within a bucket's width of 0.4 %. */
	assert_near(s.mean_us, quantiles_mean(&q));
	assert_true(fabs(s.scv - quantiles_scv(&q)) < 0.01 * quantiles_scv(&q));
	service_done(&s);

	/* A constant stays what it was. */
	quantiles_reset(&q);
	for (int i = 0; i < 3; i++)
		quantiles_record(&q, 1234.5);
	buffer_reset(&out);
	load_report_service_hist(&q, "constant", &out);
	assert_non_null(strstr(buffer_cstring(&out), "\n1234.5 1234.5 3\n"));
	quantiles_done(&q);
	buffer_done(&out);
	buffer_done(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_nothing),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_of_nothing),
		cmocka_unit_test(test_hdr),
		cmocka_unit_test(test_hdr_of_few),
		cmocka_unit_test(test_record_lines),
		cmocka_unit_test(test_service_hist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
