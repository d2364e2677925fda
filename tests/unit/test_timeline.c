/* The picture of a trace: from rings as quernd writes them, through /trace.json, to who waited for whom and an SVG. */
#include "bench/timeline/timeline.h"

#include "bench/timeline/events.h"
#include "bench/timeline/svg.h"
#include "bench/timeline/wait.h"
#include "server/stats/trace_json.h"
#include "trace_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buffer json, svg, said;
static const struct timeline_wish worst = {.worker = TIMELINE_ANY};

static int set_up(void **state)
{
	(void)state;
	buffer_init(&json);
	buffer_init(&svg);
	buffer_init(&said);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&json);
	buffer_done(&svg);
	buffer_done(&said);
	return 0;
}

static struct stats_region *region(void)
{
	struct stats_region *r = stats_region_new(3);

	assert_non_null(r);
	atomic_store(&r->slot[1].seat[0].pid, 4321);
	return r;
}

static void write_json(struct stats_region *r)
{
	const struct trace_json_wish wish = {.worker = TRACE_JSON_ALL};

	buffer_reset(&json);
	assert_int_equal(trace_json_write(r, &wish, &json), 0);
	stats_region_free(r);
}

static void write_fixture(void)
{
	struct stats_region *r = region();

	fixture_trace(trace_ring_of(r, 1, 0));
	write_json(r);
}

static int draw(const struct timeline_wish *wish)
{
	buffer_reset(&svg);
	buffer_reset(&said);
	return timeline_draw(json.data, json.len, wish, &svg, &said);
}

static size_t count(struct buffer *text, const char *word)
{
	size_t n = 0;

	for (const char *at = buffer_cstring(text); (at = strstr(at, word)); at++)
		n++;
	return n;
}

/* --- requests and their waits ----------------------------------------------------------------- */

static struct timeline_events events;

static void read_fixture(void)
{
	write_fixture();
	assert_int_equal(timeline_events_read(&events, json.data, json.len, &said), 0);
}

static size_t find(uint64_t job)
{
	for (size_t q = 0; q < events.requests; q++)
		if (events.request[q].job == job)
			return q;
	fail_msg("no request %llu", (unsigned long long)job);
	return 0;
}

static void check_request(uint64_t job, const char *route, size_t pieces, int64_t waited_us)
{
	const size_t q = find(job);

	assert_string_equal(events.route[events.request[q].route], route);
	assert_int_equal(events.request[q].pieces, pieces);
	assert_int_equal(timeline_waited_us(&events, q), waited_us);
}

static void requests_come_out_with_their_pieces_and_waits(void **state)
{
	(void)state;
	read_fixture();
	assert_int_equal(events.workers, 1);
	assert_int_equal(events.worker[0].slot, 1);
	assert_int_equal(events.requests, 10);
	check_request(1, "/qr", 1, 200);
	check_request(3, "/qr", 1, 38200);
	/* Queue, from the slice to the thread, and from the thread's end to the answer. */
	check_request(4, "/lab/hash", 2, 1300 + 100 + 100);
	/* For thread 0, which 4 had. */
	check_request(5, "/lab/hash", 2, 1400 + 4400 + 100);
	/* Between its slices. */
	check_request(6, "/lab/history", 3, 500 + 300 + 700);
	/* For the loop after its answer had come; the second call's answer came at a time that is not known. */
	check_request(8, "/lab/lookup", 3, 500 + 7000);
	/* Of 10 there is a call only. */
	assert_false(events.request[find(10)].whole);
	assert_int_equal(timeline_waited_us(&events, find(10)), 0);
	timeline_events_done(&events);
}

static void check_blame(uint64_t job, const char *words)
{
	struct timeline_blame b;
	const size_t q = find(job);

	assert_int_equal(timeline_blame(&b, &events, q), 0);
	buffer_reset(&said);
	timeline_say(&events, q, &b, &said);
	assert_string_equal(buffer_cstring(&said), words);
	timeline_blame_done(&b);
}

static void who_is_waited_for_is_named(void **state)
{
	(void)state;
	read_fixture();
	check_blame(3, "request 3 waited 38.2 ms: 36.0 ms of it for request 2 (/lab/hash)");
	check_blame(5, "request 5 waited 5.9 ms: 4.5 ms of it for request 4 (/lab/hash), 1.2 ms "
		       "while nothing ran");
	check_blame(8,
		"request 8 waited 7.5 ms: 4.9 ms of it for request 9 (/lab/burn), 2.6 ms while "
		"nothing ran");
	check_blame(6, "request 6 waited 1.5 ms: 0.3 ms of it for request 7 (/qr), 1.2 ms while "
		       "nothing ran");
	check_blame(1, "request 1 waited 0.2 ms: 0.2 ms while nothing ran");
	timeline_events_done(&events);
}

static void many_small_ones_are_blamed_together(void **state)
{
	struct stats_region *r = region();
	struct trace_ring *ring = trace_ring_of(r, 1, 0);
	(void)state;

	for (uint64_t i = 0; i < 10; i++)
		fixture_put(ring, TRACE_JOB, i + 1, ROUTE_QR, 10, 20 + i * 10, 30 + i * 10, 0);
	fixture_put(ring, TRACE_JOB, 11, ROUTE_ROOT, 19, 120, 121, 0);
	write_json(r);
	assert_int_equal(draw(&worst), 0);
	assert_string_equal(buffer_cstring(&said), "worker 1: request 11 waited 10.1 ms: 10.0 ms "
						   "of it for 10 requests (/qr), the longest of "
						   "them 1.0 ms");
}

/* --- pictures --------------------------------------------------------------------------------- */

static void the_worst_moment_is_drawn(void **state)
{
	(void)state;
	write_fixture();
	assert_int_equal(draw(&worst), 0);
	assert_string_equal(buffer_cstring(&said),
		"worker 1: request 3 waited 38.2 ms: 36.0 ms of it for request 2 (/lab/hash)");
	assert_int_equal(count(&svg, "<title>Who ran, who waited, and for whom</title>"), 1);
	assert_int_equal(count(&svg, "36.0 ms of it for request 2 (/lab/hash).</desc>"), 1);
	assert_int_equal(count(&svg, "waited 38.2 ms</text>"), 1);
	/* 1 is over before, 6 and later come after. */
	assert_int_equal(count(&svg, "class=\"wait\""), 1 + 5);
	assert_int_equal(count(&svg, "class=\"frame worst\""), 1);
	assert_int_equal(count(&svg, ">2</text>"), 1);
}

static void a_moment_can_be_chosen(void **state)
{
	struct timeline_wish wish = {.worker = 1, .window = true, .from_ms = 53, .to_ms = 70};
	(void)state;

	write_fixture();
	wish.title = "A & B <\"\x01\">";
	assert_int_equal(draw(&wish), 0);
	assert_string_equal(buffer_cstring(&said), "worker 1: request 8 waited 7.5 ms: 4.9 ms of "
						   "it for request 9 (/lab/burn), 2.6 ms while "
						   "nothing ran");
	assert_int_equal(count(&svg, "<title>A &amp; B &lt;&quot; &quot;&gt;</title>"), 1);
	/* Both calls of the backend, and their place in the legend. */
	assert_int_equal(count(&svg, "fill=\"#009e73\""), 3);
	assert_int_equal(count(&svg, "not answered yet"), 1);
	assert_int_equal(count(&svg, "class=\"hatch\""), 0);
	wish = (struct timeline_wish){.worker = 1, .window = true, .from_ms = 38, .to_ms = 52};
	assert_int_equal(draw(&wish), 0);
	assert_int_equal(count(&svg, "class=\"hatch\""), 3);
}

static void without_a_worker_the_one_of_the_longest_wait_is_drawn(void **state)
{
	const struct timeline_wish wish = {
		.worker = TIMELINE_ANY, .window = true, .from_ms = 0, .to_ms = 100};
	struct stats_region *r = region();
	(void)state;

	for (unsigned slot = 0; slot < 3; slot++) {
		atomic_store(&r->slot[slot].seat[0].pid, 100 + (int)slot);
		fixture_put(trace_ring_of(r, slot, 0), TRACE_JOB, slot, ROUTE_QR, 10,
			slot == 1 ? 30 : 12, 31, 0);
	}
	write_json(r);
	assert_int_equal(draw(&wish), 0);
	assert_string_equal(buffer_cstring(&said),
		"worker 1: request 1 waited 2.0 ms: 2.0 ms while nothing ran");
	assert_int_equal(draw(&worst), 0);
	assert_int_equal(strncmp(buffer_cstring(&said), "worker 1: ", 10), 0);
}

static void of_many_requests_the_longest_have_rows(void **state)
{
	struct stats_region *r = region();
	struct trace_ring *ring = trace_ring_of(r, 1, 0);
	(void)state;

	fixture_put(ring, TRACE_JOB, 1, ROUTE_LAB_BURN, 10, 10, 1010, 0);
	for (uint64_t i = 0; i < 100; i++)
		fixture_put(ring, TRACE_JOB, i + 2, ROUTE_QR, 20 + i, 1010 + i, 1011 + i, 0);
	write_json(r);
	assert_int_equal(draw(&worst), 0);
	assert_int_equal(count(&svg, "class=\"wait\""), 1 + TIMELINE_ROWS);
	/* One arrives after the last one shown has its answer, or not at all in the picture. */
	assert_int_equal(count(&svg, "more requests, left out, which waited 99.0 ms at most"), 1);
	assert_int_equal(count(&svg, "1 /lab/burn"), 1);
}

/* --- what is no trace ------------------------------------------------------------------------- */

static void check_refused(const char *text, const char *why)
{
	buffer_reset(&said);
	buffer_reset(&svg);
	assert_int_equal(timeline_draw(text, strlen(text), &worst, &svg, &said), -EINVAL);
	assert_string_equal(buffer_cstring(&said), why);
	assert_int_equal(svg.len, 0);
}

#define EVENTS(list) "{\"traceEvents\":[" list "]}"
#define BEGIN                                                                                      \
	"{\"ph\":\"b\",\"cat\":\"backend\",\"pid\":1,\"tid\":3,\"id\":7,\"ts\":5,\"name\":\"/"     \
	"\",\"args\":{\"job\":1}}"
#define END                                                                                        \
	"{\"ph\":\"e\",\"cat\":\"backend\",\"pid\":1,\"tid\":3,\"id\":7,\"ts\":9,\"name\":\"/\"}"

static void what_is_no_trace_is_refused(void **state)
{
	(void)state;
	check_refused("", "not JSON: line 1, column 0");
	check_refused("{\"a\":\n[}", "not JSON: line 2, column 2");
	check_refused("[]", "no trace: there is no array \"traceEvents\"");
	check_refused("{\"traceEvents\":3}", "no trace: there is no array \"traceEvents\"");
	check_refused(EVENTS(""), "no request of the trace is whole");
	check_refused(EVENTS("4"), "event 0 of the trace is none that quernd writes");
	check_refused(EVENTS(BEGIN "," END ",{\"ph\":\"Q\",\"pid\":1,\"name\":\"\"}"),
		"event 2 of the trace is none that quernd writes");
	check_refused(EVENTS("{\"ph\":\"X\",\"pid\":1,\"name\":\"/\"}"),
		"event 0 of the trace has no time");
	check_refused(
		EVENTS("{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":5,\"dur\":-1,\"name\":\"/\"}"),
		"event 0 of the trace is a box without its length or lane");
	check_refused(
		EVENTS("{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":5,\"dur\":1,\"name\":\"/\"}"),
		"event 0 of the trace tells no job");
	check_refused(EVENTS(BEGIN),
		"the trace has a begin without its end, or an end without its begin");
	check_refused(
		EVENTS(END), "the trace has a begin without its end, or an end without its begin");
	check_refused(EVENTS(BEGIN "," BEGIN "," END),
		"the trace has a begin without its end, or an end without its begin");
	check_refused(EVENTS(BEGIN "," END), "no request of the trace is whole");
}

static void what_the_trace_does_not_have_is_refused(void **state)
{
	struct timeline_wish wish = {.worker = 0};
	(void)state;

	write_fixture();
	assert_int_equal(draw(&wish), -EINVAL);
	assert_string_equal(buffer_cstring(&said), "the trace has no request of worker 0");
	wish = (struct timeline_wish){
		.worker = TIMELINE_ANY, .window = true, .from_ms = 1000, .to_ms = 2000};
	assert_int_equal(draw(&wish), -EINVAL);
	assert_string_equal(buffer_cstring(&said),
		"no request of the trace is between 1000 and 2000 ms; it is 64.3 ms long");
	assert_int_equal(svg.len, 0);
}

/* Each byte of a trace changed: refused or drawn, and nothing else. */
static void damaged_traces_do_no_harm(void **state)
{
	(void)state;
	write_fixture();
	for (size_t i = 0; i < json.len; i++) {
		const char kept = json.data[i];

		json.data[i] = (char)(kept == '9' ? '-' : '9');
		const int error = draw(&worst);
		assert_true(error == 0 || error == -EINVAL);
		assert_true(said.len > 0);
		json.data[i] = kept;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_out_with_their_pieces_and_waits),
		cmocka_unit_test(who_is_waited_for_is_named),
		cmocka_unit_test(many_small_ones_are_blamed_together),
		cmocka_unit_test(the_worst_moment_is_drawn),
		cmocka_unit_test(a_moment_can_be_chosen),
		cmocka_unit_test(without_a_worker_the_one_of_the_longest_wait_is_drawn),
		cmocka_unit_test(of_many_requests_the_longest_have_rows),
		cmocka_unit_test(what_is_no_trace_is_refused),
		cmocka_unit_test(what_the_trace_does_not_have_is_refused),
		cmocka_unit_test(damaged_traces_do_no_harm),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
