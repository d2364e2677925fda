/* /trace.json: valid trace events, all of them and none twice */
#include "server/stats/trace_json.h"

#include "lib/clock.h"
#include "trace_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *write_and_read(const struct stats_region *r, int64_t worker, uint64_t since_us)
{
	const struct trace_json_wish wish = {.worker = worker, .since_us = since_us};
	struct buffer out;
	json_error_t error;

	buffer_init(&out);
	assert_int_equal(trace_json_write(r, &wish, &out), 0);
	json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s in line %d", error.text, error.line);
	buffer_done(&out);
	return root;
}

static const char *text(const json_t *event, const char *name)
{
	const char *value = json_string_value(json_object_get(event, name));

	return value ? value : "";
}

static int64_t number(const json_t *event, const char *name)
{
	const json_t *value = json_object_get(event, name);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static size_t count(const json_t *root, const char *phase, const char *category, int64_t pid)
{
	const json_t *event;
	size_t i, n = 0;

	json_array_foreach(json_object_get(root, "traceEvents"), i, event)
	{
		n += strcmp(text(event, "ph"), phase) == 0 &&
		     (!category || strcmp(text(event, "cat"), category) == 0) &&
		     (pid < 0 || number(event, "pid") == pid);
	}
	return n;
}

/* --- the rules of the format ------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	const int64_t p = number(x, "ts"), q = number(y, "ts");

	return p < q ? -1 : p > q;
}

/* Boxes of one lane do not overlap. */
static void check_lane(const json_t *events, int64_t pid, int64_t lane)
{
	const json_t **box = calloc(json_array_size(events) + 1, sizeof(const json_t *));
	const json_t *event;
	size_t i, n = 0;

	assert_non_null(box);
	json_array_foreach(events, i, event) if (strcmp(text(event, "ph"), "X") == 0 &&
						 number(event, "pid") == pid &&
						 number(event, "tid") == lane) box[n++] = event;
	qsort(box, n, sizeof(const json_t *), by_time);
	for (i = 0; i + 1 < n; i++)
		assert_true(
			number(box[i], "ts") + number(box[i], "dur") <= number(box[i + 1], "ts"));
	free(box);
}

/* Each begin has one end, later, with its category, id, process and name; and nothing else has that id. */
static void check_pair(const json_t *events, const json_t *begin)
{
	const json_t *event;
	size_t i, begins = 0, ends = 0;

	json_array_foreach(events, i, event)
	{
		if (strcmp(text(event, "cat"), text(begin, "cat")) != 0 ||
			number(event, "id") != number(begin, "id"))
			continue;
		begins += *text(event, "ph") == 'b';
		ends += *text(event, "ph") == 'e';
		assert_int_equal(number(event, "pid"), number(begin, "pid"));
		assert_string_equal(text(event, "name"), text(begin, "name"));
		assert_true(number(event, "ts") >= number(begin, "ts"));
	}
	assert_int_equal(begins, 1);
	assert_int_equal(ends, 1);
}

static void check_event(const json_t *events, const json_t *event)
{
	const char *phase = text(event, "ph");

	assert_int_equal(strlen(phase), 1);
	assert_non_null(strchr("MXbne", *phase));
	assert_true(number(event, "pid") > 0);
	assert_true(number(event, "tid") >= 0);
	assert_true(*text(event, "name"));
	if (*phase == 'M') {
		assert_true(json_is_object(json_object_get(event, "args")));
		return;
	}
	assert_true(number(event, "ts") > 0);
	if (*phase == 'X') {
		assert_true(number(event, "dur") >= 0);
		assert_true(number(json_object_get(event, "args"), "job") > 0);
	} else {
		assert_true(*text(event, "cat"));
	}
	if (*phase == 'b')
		check_pair(events, event);
}

static void check_format(const json_t *root)
{
	const json_t *events = json_object_get(root, "traceEvents"), *event;
	size_t i;

	assert_true(json_is_array(events));
	assert_string_equal(text(root, "displayTimeUnit"), "ms");
	assert_int_equal(count(root, "b", NULL, -1), count(root, "e", NULL, -1));
	json_array_foreach(events, i, event)
	{
		check_event(events, event);
		if (strcmp(text(event, "name"), "thread_name") == 0)
			check_lane(events, number(event, "pid"), number(event, "tid"));
	}
}

static bool has_name(
	const json_t *root, int64_t pid, int64_t lane, const char *kind, const char *name)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(root, "traceEvents"), i, event)
	{
		if (strcmp(text(event, "name"), kind) == 0 && number(event, "pid") == pid &&
			number(event, "tid") == lane &&
			strcmp(text(json_object_get(event, "args"), "name"), name) == 0)
			return true;
	}
	return false;
}

/* --- tests ------------------------------------------------------------------------------------ */

static struct stats_region *region(void)
{
	struct stats_region *r = stats_region_new(3);

	assert_non_null(r);
	atomic_store(&r->slot[1].seat[0].pid, 4321);
	stats_set(&r->slot[1].seat[0].spawned_us, 1000);
	fixture_trace(trace_ring_of(r, 1, 0));
	return r;
}

static void every_entry_becomes_valid_events(void **state)
{
	struct stats_region *r = region();
	json_t *root = write_and_read(r, TRACE_JSON_ALL, 0);
	(void)state;

	check_format(root);
	assert_true(has_name(root, 4321, 0, "process_name", "worker 1"));
	assert_true(has_name(root, 4321, 1, "thread_name", "loop"));
	assert_true(has_name(root, 4321, 10, "thread_name", "thread 0"));
	assert_false(has_name(root, 4321, 11, "thread_name", "thread 1"));
	/* 5 jobs in one go, 7 slices, 2 pieces of threads. */
	assert_int_equal(count(root, "X", NULL, 4321), 14);
	assert_int_equal(count(root, "b", "request", 4321), 4);
	assert_int_equal(count(root, "b", "wait", 4321), 9);
	assert_int_equal(count(root, "b", "backend", 4321), 2);
	assert_int_equal(count(root, "n", "backend", 4321), 1);
	json_decref(root);
	stats_region_free(r);
}

static const json_t *find(const json_t *root, const char *phase, const char *category, int64_t job)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(root, "traceEvents"), i, event)
	{
		const json_t *args = json_object_get(event, "args");
		if (strcmp(text(event, "ph"), phase) == 0 &&
			strcmp(text(event, "cat"), category) == 0 &&
			json_integer_value(json_object_get(args, "job")) == job)
			return event;
	}
	fail_msg("no %s %s of job %" PRId64, phase, category, job);
	return NULL;
}

static void times_and_figures_are_those_of_the_ring(void **state)
{
	struct stats_region *r = region();
	json_t *root = write_and_read(r, 1, 0);
	const json_t *box = find(root, "X", "", 3), *args = json_object_get(box, "args");
	(void)state;

	assert_string_equal(text(box, "name"), "/qr");
	assert_int_equal(number(box, "ts"), 5040000);
	assert_int_equal(number(box, "dur"), 200);
	assert_int_equal(number(args, "status"), 200);
	assert_int_equal(number(args, "wait_us"), 38200);
	assert_int_equal(number(args, "pieces"), 0);
	const json_t *wait = find(root, "b", "wait", 3);
	assert_int_equal(number(wait, "ts"), 5001800);
	args = json_object_get(find(root, "b", "request", 6), "args");
	assert_int_equal(number(args, "pieces"), 3);
	assert_int_equal(number(args, "wait_us"), 500);
	json_decref(root);
	stats_region_free(r);
}

static void a_worker_or_a_time_can_be_asked_for(void **state)
{
	struct stats_region *r = region();
	json_t *root;
	(void)state;

	fixture_trace(trace_ring_of(r, 2, 1));
	root = write_and_read(r, TRACE_JSON_ALL, 0);
	assert_int_equal(count(root, "X", NULL, -1), 28);
	check_format(root);
	json_decref(root);
	root = write_and_read(r, 1, 0);
	assert_int_equal(count(root, "X", NULL, -1), 14);
	json_decref(root);
	root = write_and_read(r, 0, 0);
	assert_int_equal(json_array_size(json_object_get(root, "traceEvents")), 0);
	json_decref(root);
	/* What ended at 38 ms is still wanted, what ended before is not. */
	root = write_and_read(r, 1, 5038000);
	assert_int_equal(count(root, "X", NULL, -1), 13);
	check_format(root);
	json_decref(root);
	stats_region_free(r);
}

static void workers_before_are_processes_of_their_own(void **state)
{
	struct stats_region *r = region();
	json_t *root;
	(void)state;

	/* Forked at 39 ms of the fixture: 1 and 2 were its predecessor's. */
	stats_set(&r->slot[1].seat[0].spawned_us, 5039000);
	root = write_and_read(r, TRACE_JSON_ALL, 0);
	check_format(root);
	assert_int_equal(count(root, "X", NULL, 4321), 12);
	assert_int_equal(count(root, "X", NULL, 10000002), 2);
	assert_true(has_name(root, 10000002, 0, "process_name", "worker 1, before"));
	json_decref(root);
	atomic_store(&r->slot[1].seat[0].pid, 0);
	root = write_and_read(r, TRACE_JSON_ALL, 0);
	assert_int_equal(count(root, "X", NULL, 10000002), 14);
	json_decref(root);
	stats_region_free(r);
}

static void without_memory_nothing_is_added(void **state)
{
	struct stats_region *r = region();
	const struct trace_json_wish wish = {.worker = TRACE_JSON_ALL};
	struct buffer out;
	(void)state;

	buffer_init(&out);
	buffer_puts(&out, "before");
	out.failed = true;
	assert_int_equal(trace_json_write(r, &wish, &out), -ENOMEM);
	assert_int_equal(out.len, 6);
	buffer_done(&out);
	stats_region_free(r);
}

/* The admin process answers nobody else meanwhile. How long it takes stands in docs/metrics.md; the bound is for the
 * slowest machine, and for sanitizers. */
static void eight_full_rings_are_written_soon(void **state)
{
	struct stats_region *r = stats_region_new(8);
	const struct trace_json_wish wish = {.worker = TRACE_JSON_ALL};
	uint64_t first_us = 0, best_us = UINT64_MAX;
	struct buffer out;
	(void)state;

	assert_non_null(r);
	for (uint32_t slot = 0; slot < 8; slot++)
		for (uint64_t i = 1; i <= TRACE_ENTRIES; i++)
			fixture_put(trace_ring_of(r, slot, 0), TRACE_JOB, 1234567 + i, ROUTE_QR,
				i * 3, i * 3 + 1, i * 3 + 3, 0);
	for (int round = 0; round < 5; round++) {
		const uint64_t begin_us = clock_us();

		buffer_init(&out);
		assert_int_equal(trace_json_write(r, &wish, &out), 0);
		const uint64_t took_us = clock_us() - begin_us;
		first_us = round == 0 ? took_us : first_us;
		best_us = took_us < best_us ? took_us : best_us;
		if (round == 4)
			print_message(
				"eight full rings: %.1f MB in %.1f ms at first, %.1f ms at best\n",
				(double)out.len / 1e6, (double)first_us / 1e3,
				(double)best_us / 1e3);
		buffer_done(&out);
	}
	assert_true(best_us < 1000000);
	stats_region_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_becomes_valid_events),
		cmocka_unit_test(times_and_figures_are_those_of_the_ring),
		cmocka_unit_test(a_worker_or_a_time_can_be_asked_for),
		cmocka_unit_test(workers_before_are_processes_of_their_own),
		cmocka_unit_test(without_memory_nothing_is_added),
		cmocka_unit_test(eight_full_rings_are_written_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
