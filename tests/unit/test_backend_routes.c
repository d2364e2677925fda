/* The routes that ask the backend, each as a piece of work, against a Redis that answers what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend_fixture.h"
#include "server/routes/routes.h"

/* A worker in small: begins a piece of work, calls, computes, and keeps the answer. */
struct run {
	struct fixture *f;
	struct work *work;
	enum work_next next;
	struct http_request request;
	struct http_reply reply;
	struct buffer scratch;
	struct exchange x;
	struct work_slice slice;
	int pauses;
};

static void on_reply(struct backend_call *call, const struct backend_reply *reply, void *arg);

static void go_on(struct run *r)
{
	if (r->next == WORK_CALL) {
		r->work->call.on_reply = on_reply;
		r->work->call.arg = r;
		backend_start(r->f->backend, &r->work->call);
		return;
	}
	if (r->next == WORK_COMPUTE) {
		while (!r->work->class->step(r->work, &r->slice))
			r->pauses++;
		r->next = WORK_FINISH;
	}
	if (r->next == WORK_FINISH)
		r->work->class->finish(r->work, &r->x);
	r->next = WORK_ANSWERED;
}

static void on_reply(struct backend_call *call, const struct backend_reply *reply, void *arg)
{
	struct run *r = arg;

	assert_ptr_equal(call, &r->work->call);
	r->next = r->work->class->on_reply(r->work, reply);
	go_on(r);
}

static void run_begin(
	struct run *r, struct fixture *f, const struct work_class *class, const char *query)
{
	*r = (struct run){.f = f, .slice = {.until_us = UINT64_MAX}};
	http_reply_init(&r->reply);
	http_reply_reset(&r->reply);
	buffer_init(&r->scratch);
	r->request.query.len = (unsigned)strlen(query);
	r->x = (struct exchange){
		.request = &r->request, .data = query, .reply = &r->reply, .scratch = &r->scratch};
	r->work = calloc(1, class->bytes);
	assert_non_null(r->work);
	r->work->class = class;
	r->next = class->begin(r->work, &r->x);
	go_on(r);
}

static void run_end(struct run *r)
{
	if (r->work->class->done)
		r->work->class->done(r->work);
	free(r->work);
	http_reply_done(&r->reply);
	buffer_done(&r->scratch);
}

static const char *body_of(struct run *r)
{
	uint64_t until_us = clock_us() + FIXTURE_PATIENCE_US;

	while (r->next != WORK_ANSWERED) {
		assert_true(clock_us() < until_us);
		turn(r->f);
	}
	return buffer_cstring(&r->reply.body);
}

static void expect(struct run *r, int status, const char *part)
{
	const char *body = body_of(r);

	if (r->reply.status != status || !strstr(body, part))
		fail_msg("%d %s, and not %d with %s", r->reply.status, body, status, part);
}

/* One request whose calls are all answered alike. */
static void check(struct fixture *f, const struct work_class *class, const char *query,
	const char *says, int status, const char *part)
{
	struct run r;

	run_begin(&r, f, class, query);
	if (says)
		fake_answer(f, says);
	expect(&r, status, part);
	run_end(&r);
}

static void lookup_tells_what_was_found(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_lookup, "key=a%20b");
	assert_string_equal(fake_take(f), "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n");
	fake_say(f, "$5\r\nhello\r\n");
	expect(&r, 200, "{\"found\":true,\"bytes\":5,\"backend_ms\":");
	run_end(&r);
	check(f, &work_lookup, "key=k", "$-1\r\n", 200,
		"{\"found\":false,\"bytes\":0,\"backend_ms\":");
	check(f, &work_lookup, "key=k", "$0\r\n\r\n", 200,
		"{\"found\":true,\"bytes\":0,\"backend_ms\":");
}

static void wrong_queries_are_refused_without_a_call(void **state)
{
	struct fixture *f = *state;
	char longer[600] = "key=";

	memset(longer + 4, 'k', 513);
	check(f, &work_lookup, "", NULL, 400, "\"parameter\": \"key\"");
	check(f, &work_lookup, "key=", NULL, 400, "\"parameter\": \"key\"");
	check(f, &work_lookup, longer, NULL, 400, "1 to 512 bytes");
	check(f, &work_latency, "key=a&key=b", NULL, 400, "\"parameter\": \"key\"");
	check(f, &work_history, "uid=-1", NULL, 400, "\"parameter\": \"uid\"");
	check(f, &work_history, "uid=1&row_us=10001", NULL, 400, "\"parameter\": \"row_us\"");
	check(f, &work_history, "uid=1&every=x", NULL, 400, "\"parameter\": \"every\"");
	assert_int_equal(stats_get(&f->seat.calls_made), 0);
}

static void what_is_wrong_with_the_backend_has_a_status(void **state)
{
	struct fixture *f = *state;
	static struct ask ask[64 + 1024];
	struct run r;

	check(f, &work_lookup, "key=k", "-LOADING wait\r\n", 502, "backend_unavailable");
	check(f, &work_lookup, "key=k", "-LOADING wait\r\n", 502,
		"answered an error: LOADING wait");
	check(f, &work_history, "uid=1", "$1\r\nx\r\n", 502, "a string where a list of strings");
	check(f, &work_latency, "key=k", "*0\r\n", 502, "a list where a string");
	backend_set_timeout(f->backend, 20000);
	run_begin(&r, f, &work_lookup, "key=k");
	expect(&r, 504, "\"code\": \"backend_timeout\"");
	expect(&r, 504, "did not answer within 20 ms");
	run_end(&r);
	backend_set_timeout(f->backend, 60000000);
	memset(ask, 0, sizeof(ask));
	for (size_t i = 0; i < 64 + 1024; i++)
		ask_get(f, &ask[i], "k");
	check(f, &work_lookup, "key=k", NULL, 503, "\"code\": \"overloaded\"");
}

static void history_adds_up_its_rows(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_history, "uid=7&row_us=0");
	assert_string_equal(
		fake_take(f), "*4\r\n$6\r\nLRANGE\r\n$9\r\nhistory:7\r\n$1\r\n0\r\n$2\r\n-1\r\n");
	fake_say(f, "*3\r\n$16\r\n1700000000,buy,5\r\n$18\r\n1700000001,view,40\r\n$"
		    "17\r\n1700000001,buy,-3\r\n");
	expect(&r, 200, "{\"uid\":7,\"rows\":3,\"total\":42}\n");
	run_end(&r);
	check(f, &work_history, "uid=0", "*0\r\n", 200, "{\"uid\":0,\"rows\":0,\"total\":0}\n");
}

static void history_names_the_row_that_is_none(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {"", "1", "1,a", "1,a,", ",a,1", "1,,1", "1,a,1,",
		"1,a,1,2", "x,a,1", "1,A,1", "1,a,1.5", "-1,a,1", "1,a,10000000000000"};
	char says[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		(void)snprintf(says, sizeof(says), "*2\r\n$5\r\n1,a,1\r\n$%zu\r\n%s\r\n",
			strlen(wrong[i]), wrong[i]);
		check(f, &work_history, "uid=9&row_us=0", says, 502,
			"row 2 of history:9 in Redis is not");
	}
	check(f, &work_history, "uid=9&row_us=0", "*1\r\n$-1\r\n", 502, "row 1 of history:9");
}

static void say_rows(struct fixture *f, int rows)
{
	char text[64];

	(void)fake_take(f);
	(void)snprintf(text, sizeof(text), "*%d\r\n", rows);
	fake_say(f, text);
	for (int i = 0; i < rows; i++)
		fake_say(f, "$5\r\n1,a,1\r\n");
}

static void history_pauses_after_so_many_rows(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_history, "uid=1&row_us=0&every=4");
	say_rows(f, 10);
	expect(&r, 200, "\"rows\":10,\"total\":10");
	assert_int_equal(r.pauses, 2);
	run_end(&r);
	/* None after the last row. */
	run_begin(&r, f, &work_history, "uid=1&row_us=0&every=5");
	say_rows(f, 10);
	expect(&r, 200, "\"rows\":10,\"total\":10");
	assert_int_equal(r.pauses, 1);
	run_end(&r);
}

static void history_pauses_when_its_slice_is_over(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_history, "uid=1&row_us=0");
	r.slice.until_us = 0;
	say_rows(f, 10);
	expect(&r, 200, "\"rows\":10,\"total\":10");
	assert_int_equal(r.pauses, 9);
	run_end(&r);
}

static uint64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void rows_cost_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_history, "uid=1&row_us=2000");
	say_rows(f, 10);
	uint64_t before_us = cpu_us();
	expect(&r, 200, "\"rows\":10");
	assert_true(cpu_us() - before_us >= 20000);
	run_end(&r);
}

/* Of both calls: what the loop saw is what was true and what was added. */
static void latency_times_two_calls(void **state)
{
	struct fixture *f = *state;
	struct run r;
	long long seen[3], real[3], error;

	/* The kernel begins to note times a moment after somebody first wants them. */
	for (int i = 0; i < 100; i++) {
		run_begin(&r, f, &work_latency, "key=k");
		fake_answer(f, "$1\r\nx\r\n");
		turn(f);
		fake_answer(f, "$1\r\nx\r\n");
		pause_us(3000);
		const char *body = body_of(&r);
		assert_int_equal(r.reply.status, 200);
		int n = sscanf(body,
			"{\"calls\":[{\"seen_us\":%lld,\"true_us\":%lld},{\"seen_us\":%lld,\"true_"
			"us\":%lld}],"
			"\"seen_us\":%lld,\"true_us\":%lld,\"error_us\":%lld}",
			&seen[0], &real[0], &seen[1], &real[1], &seen[2], &real[2], &error);
		run_end(&r);
		if (n < 7)
			continue;
		assert_int_equal(seen[2], seen[0] + seen[1]);
		assert_int_equal(real[2], real[0] + real[1]);
		assert_int_equal(error, seen[2] - real[2]);
		assert_true(error >= 2900);
		return;
	}
	fail_msg("the kernel never told when an answer came");
}

static void latency_fails_with_its_second_call(void **state)
{
	struct fixture *f = *state;
	struct run r;

	run_begin(&r, f, &work_latency, "key=k");
	fake_answer(f, "$1\r\nx\r\n");
	turn(f);
	fake_answer(f, "-ERR no\r\n");
	expect(&r, 502, "answered an error: ERR no");
	run_end(&r);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(lookup_tells_what_was_found),
		EACH(wrong_queries_are_refused_without_a_call),
		EACH(what_is_wrong_with_the_backend_has_a_status),
		EACH(history_adds_up_its_rows),
		EACH(history_names_the_row_that_is_none),
		EACH(history_pauses_after_so_many_rows),
		EACH(history_pauses_when_its_slice_is_over),
		EACH(rows_cost_what_was_asked_for),
		EACH(latency_times_two_calls),
		EACH(latency_fails_with_its_second_call),
	};

	if (!backend_is_built()) {
		print_message("left out: built without hiredis\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
