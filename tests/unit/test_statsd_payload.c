/* server/stats/statsd_payload: lines, their bounds, and samples against exact quantiles. */
#include "server/stats/statsd_payload.h"

#include "lib/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct statsd_payloads queue;

static int tear_down(void **state)
{
	(void)state;
	statsd_payloads_done(&queue);
	return 0;
}

static void is(const char *text)
{
	assert_int_equal(queue.count, 1);
	assert_int_equal(queue.at[0].len, strlen(text));
	assert_memory_equal(queue.at[0].data, text, strlen(text));
}

static void counters_and_gauges_are_lines(void **state)
{
	(void)state;
	statsd_put_counter(&queue, "quern.fleet", "requests", 0);
	statsd_put_counter(&queue, "quern.worker.3", "bytes_in", UINT64_MAX);
	statsd_put_gauge(&queue, "quern.fleet", "busy", 0.25);
	statsd_put_gauge(&queue, "quern.fleet", "cpu", 100);
	statsd_put_gauge(&queue, "quern.fleet", "third", 1.0 / 3);
	is("quern.fleet.requests:0|c\nquern.worker.3.bytes_in:18446744073709551615|c\n"
	   "quern.fleet.busy:0.25|g\nquern.fleet.cpu:100|g\nquern.fleet.third:0.333333|g");
	assert_int_equal(queue.failed, 0);
}

/* A sign would make it a change of the old value. */
static void a_gauge_has_no_sign(void **state)
{
	(void)state;
	statsd_put_gauge(&queue, "q", "a", -1);
	statsd_put_gauge(&queue, "q", "b", -0.0);
	statsd_put_gauge(&queue, "q", "c", NAN);
	statsd_put_gauge(&queue, "q", "d", INFINITY);
	statsd_put_gauge(&queue, "q", "e", 1e-9);
	statsd_put_gauge(&queue, "q", "f", 1e300);
	is("q.a:0|g\nq.b:0|g\nq.c:0|g\nq.d:0|g\nq.e:0|g\nq.f:1000000000000000000|g");
}

static void a_few_values_are_sent_one_by_one(void **state)
{
	static struct histogram h;
	struct histogram_copy copy;

	(void)state;
	histogram_record(&h, 5);
	histogram_record(&h, 5);
	histogram_record(
		&h, 1000); /* the bucket of 992 to 999, 1000 to 1007: its middle is 1003.5 */
	histogram_record(&h, 1000);
	histogram_record(&h, 127000000); /* longer than the histogram tells apart */
	histogram_read(&h, &copy);
	statsd_put_timer(&queue, "q", "response", &copy, 2000);
	is("q.response:0.005|ms:0.005|ms:1.0035|ms:1.0035|ms:67108.864|ms");
	assert_true(fabs(histogram_quantile_us(&copy, 0.6) - 1003.5) < 1e-9);
}

static void an_empty_timer_is_not_sent(void **state)
{
	struct histogram_copy none = {0};

	(void)state;
	statsd_put_timer(&queue, "q", "response", &none, 2000);
	assert_int_equal(queue.count, 0);
	assert_int_equal(queue.failed, 0);
}

/* 11 values in 4 groups: 3, 3, 2 and 3 of them, whichever is taken. */
static void groups_have_their_sample_rates(void **state)
{
	static const char *const rates[] = {
		"|ms|@0.333333333", "|ms|@0.333333333", "|ms|@0.5", "|ms|@0.333333333"};
	static const double last[] = {3, 6, 8, 11};
	struct histogram_copy h = {.count = 11};
	char text[STATSD_PAYLOAD_BYTES + 1], *values, *end;

	(void)state;
	for (size_t us = 1; us <= 11; us++)
		h.bucket[us] = 1;
	for (h.sum_us = 66; h.sum_us < 96; h.sum_us++) {
		statsd_payloads_reset(&queue);
		statsd_put_timer(&queue, "q", "t", &h, 4);
		assert_int_equal(queue.count, 1);
		memcpy(text, queue.at[0].data, queue.at[0].len);
		text[queue.at[0].len] = '\0';
		assert_string_equal(strtok_r(text, ":", &values), "q.t");
		for (size_t i = 0; i < 4; i++) {
			double us = strtod(strtok_r(NULL, ":", &values), &end) * 1000;

			assert_string_equal(end, rates[i]);
			assert_true(us > (i ? last[i - 1] : 0) + 0.5 && us < last[i] + 0.5);
		}
		assert_null(strtok_r(NULL, ":", &values));
	}
}

static void prefixes_are_paths(void **state)
{
	static const char *const good[] = {"quern", "a.b.c", "A-1_b", "9"};
	static const char *const bad[] = {"", ".", ".a", "a.", "a..b", "a b", "a/b", "a:b", "a|b",
		"a\n", "\xc3\xa4", "a;b=c"};
	char name[STATSD_PREFIX_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(statsd_prefix_is_legal(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(statsd_prefix_is_legal(bad[i]));
	memset(name, 'a', sizeof(name));
	name[STATSD_PREFIX_BYTES] = '\0';
	assert_false(statsd_prefix_is_legal(name));
	name[STATSD_PREFIX_BYTES - 1] = '\0';
	assert_true(statsd_prefix_is_legal(name));
}

/* --- read as statsd reads it */

#define MOST 100000

struct read {
	double value[MOST], count;
	size_t values;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void read_value(struct read *r, const char *text)
{
	char *end;

	assert_true(r->values < MOST);
	r->value[r->values++] = strtod(text, &end);
	assert_memory_equal(end, "|ms", 3);
	if (end[3] == '|') {
		assert_int_equal(end[4], '@');
		assert_int_equal(strspn(end + 5, "0123456789."), strlen(end + 5));
		r->count += 1 / strtod(end + 5, NULL);
	} else {
		assert_int_equal(end[3], '\0');
		r->count += 1;
	}
}

/* Every line of the queue is `name` and values. */
static void read_queue(struct read *r, const char *name)
{
	char text[STATSD_PAYLOAD_BYTES + 1], *lines, *values;

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < queue.count; i++) {
		assert_in_range(queue.at[i].len, 1, STATSD_PAYLOAD_BYTES);
		memcpy(text, queue.at[i].data, queue.at[i].len);
		text[queue.at[i].len] = '\0';
		for (char *line = strtok_r(text, "\n", &lines); line;
			line = strtok_r(NULL, "\n", &lines)) {
			assert_string_equal(strtok_r(line, ":", &values), name);
			for (char *v = strtok_r(NULL, ":", &values); v;
				v = strtok_r(NULL, ":", &values))
				read_value(r, v);
		}
	}
	qsort(r->value, r->values, sizeof(r->value[0]), by_value);
}

/* The percentile as npm statsd's lib/process_metrics.js has it. */
static double percentile(const struct read *r, double pct)
{
	size_t n = (size_t)floor(pct / 100 * (double)r->values + 0.5);

	return r->value[n > 0 ? n - 1 : 0];
}

static struct histogram_copy lognormal(uint64_t count, uint64_t seed)
{
	static struct histogram h;
	struct histogram_copy copy;
	struct random r;

	memset(&h, 0, sizeof(h));
	random_init(&r, seed, 0);
	for (uint64_t i = 0; i < count; i++)
		histogram_record(&h, (uint64_t)(exp(8 + 1.5 * random_normal(&r))));
	histogram_read(&h, &copy);
	return copy;
}

static void a_sample_has_the_quantiles_of_all(void **state)
{
	static const uint64_t counts[] = {1, 2, 10, 1999, 2000, 2001, 3999, 4001, 50001, 300007};
	static const double pcts[] = {1, 25, 50, 90, 95, 99, 99.9};
	static struct read r;

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct histogram_copy h = lognormal(counts[c], 7 + c);
		double total = (double)h.count, n = ceil(total / 2000);

		statsd_put_timer(&queue, "quern.fleet", "response", &h, 2000);
		read_queue(&r, "quern.fleet.response");
		assert_int_equal(r.values, h.count < 2000 ? h.count : 2000);
		assert_true(fabs(r.count - total) < 1e-6 * total);
		for (size_t i = 0; i < sizeof(pcts) / sizeof(pcts[0]); i++) {
			double low = (pcts[i] / 100 * total - 2 * n) / total;
			double high = (pcts[i] / 100 * total + 2 * n) / total;
			double got = percentile(&r, pcts[i]) * 1000;

			assert_true(got >= histogram_quantile_us(&h, fmax(low, 1e-9)) - 1e-6);
			assert_true(got <= histogram_quantile_us(&h, fmin(high, 1)) + 1e-6);
		}
		statsd_payloads_reset(&queue);
	}
}

static double mean_us_of(struct histogram_copy *h, uint64_t draw)
{
	static struct read r;
	double sum = 0;

	h->sum_us = draw;
	statsd_payloads_reset(&queue);
	statsd_put_timer(&queue, "q", "t", h, 2000);
	read_queue(&r, "q.t");
	for (size_t i = 0; i < r.values; i++)
		sum += r.value[i] * 1000;
	return sum / (double)r.values;
}

/*
 * Of all values the mean is right within the buckets' width. A sample's has in it what was drawn of the few longest ones,
 * but errs to neither side: over many intervals it is right too.
 */
static void a_sample_has_the_mean_of_all(void **state)
{
	static const uint64_t counts[] = {2000, 2001, 3000, 5000, 100000};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct histogram_copy h = lognormal(counts[c], 70 + c);
		double exact = histogram_mean_us(&h), sum = 0;
		const uint64_t draws = 200, seed = h.sum_us;

		for (uint64_t i = 0; i < draws; i++) {
			double mean = mean_us_of(&h, seed + i * i * 7919);

			assert_true(fabs(mean / exact - 1) < (c == 0 ? 0.008 : 0.08));
			sum += mean;
		}
		assert_true(fabs(sum / (double)draws / exact - 1) < 0.012);
	}
}

/* Lines of every length at every place in a payload: none is cut, none is lost, and room is used. */
static void payloads_hold_whole_lines(void **state)
{
	char name[STATSD_NAME_BYTES];
	uint64_t bytes = 0, found = 0;

	(void)state;
	for (size_t len = 1; len < 300; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		statsd_put_counter(&queue, "s", name, len);
		bytes += 2 + len + 1 + (len > 99 ? 3 : len > 9 ? 2 : 1) + 2;
	}
	for (size_t i = 0; i < queue.count; i++) {
		const struct statsd_payload *p = &queue.at[i];

		assert_in_range(p->len, 1, STATSD_PAYLOAD_BYTES);
		assert_memory_equal(p->data, "s.n", 3);
		assert_memory_equal(p->data + p->len - 2, "|c", 2);
		assert_true(i + 1 == queue.count || p->len > STATSD_PAYLOAD_BYTES - 320);
		for (size_t n = 0; n < p->len; n++)
			found += p->data[n] == '\n';
		found++;
		bytes -= p->len;
	}
	assert_int_equal(found, 299);
	/* What is missing from the sum are the newlines, counted with the bytes that were sent. */
	assert_int_equal(bytes + (299 - queue.count), 0);
}

static void a_name_too_long_is_left_out(void **state)
{
	char scope[STATSD_NAME_BYTES];

	(void)state;
	memset(scope, 's', sizeof(scope));
	scope[sizeof(scope) - 1] = '\0';
	statsd_put_counter(&queue, scope, "n", 1);
	assert_int_equal(queue.failed, 1);
	assert_int_equal(queue.count, 0);
}

/* What is being sent stays as it is. */
static void a_sent_payload_takes_no_more(void **state)
{
	(void)state;
	statsd_put_counter(&queue, "a", "b", 1);
	queue.next = 1;
	statsd_put_counter(&queue, "a", "b", 2);
	assert_int_equal(queue.count, 2);
	assert_int_equal(queue.at[0].len, strlen("a.b:1|c"));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_and_gauges_are_lines),
		TEST(a_gauge_has_no_sign),
		TEST(a_few_values_are_sent_one_by_one),
		TEST(an_empty_timer_is_not_sent),
		TEST(groups_have_their_sample_rates),
		TEST(prefixes_are_paths),
		TEST(a_sample_has_the_quantiles_of_all),
		TEST(a_sample_has_the_mean_of_all),
		TEST(payloads_hold_whole_lines),
		TEST(a_name_too_long_is_left_out),
		TEST(a_sent_payload_takes_no_more),
	};

	return cmocka_run_group_tests_name("statsd_payload", tests, NULL, NULL);
}
