/* server/ctl: figures as people read them, and the table at several widths, line by line. */
#include "server/ctl/table.h"

#include "server/ctl/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void ages(void **state)
{
	char text[UNITS_BYTES];

	(void)state;
	assert_string_equal(units_age(text, 0.9), "0s");
	assert_string_equal(units_age(text, 59.9), "59s");
	assert_string_equal(units_age(text, 60), "1m00s");
	assert_string_equal(units_age(text, 3599), "59m59s");
	assert_string_equal(units_age(text, 3600), "1h00m");
	assert_string_equal(units_age(text, 86399), "23h59m");
	assert_string_equal(units_age(text, 86400), "1d0h");
	assert_string_equal(units_age(text, 99 * 86400.0 + 86399), "99d23h");
	assert_string_equal(units_age(text, 100 * 86400.0), "100d");
	assert_string_equal(units_age(text, -1), "0s");
	assert_string_equal(units_age(text, NAN), "0s");
}

static void byte_sizes(void **state)
{
	char text[UNITS_BYTES];

	(void)state;
	assert_string_equal(units_bytes(text, 0), "0");
	assert_string_equal(units_bytes(text, 1023), "1023");
	assert_string_equal(units_bytes(text, 1024), "1.0K");
	assert_string_equal(units_bytes(text, 1536), "1.5K");
	assert_string_equal(units_bytes(text, 1048575), "1.0M");
	assert_string_equal(units_bytes(text, 6.1 * 1048576), "6.1M");
	assert_string_equal(units_bytes(text, 512.0 * 1048576), "512M");
	assert_string_equal(units_bytes(text, 18446744073709551615.0), "16.0E");
}

static void counts(void **state)
{
	char text[UNITS_BYTES];

	(void)state;
	assert_string_equal(units_count(text, 0), "0");
	assert_string_equal(units_count(text, 99999), "99999");
	assert_string_equal(units_count(text, 100000), "100k");
	assert_string_equal(units_count(text, 999499), "999k");
	assert_string_equal(units_count(text, 999500), "1.00M");
	assert_string_equal(units_count(text, 1234567), "1.23M");
	assert_string_equal(units_count(text, 45.6e9), "45.6G");
	assert_string_equal(units_count(text, 18446744073709551615.0), "18.4E");
	assert_string_equal(units_grouped(text, 7), "7");
	assert_string_equal(units_grouped(text, 1234), "1,234");
	assert_string_equal(units_grouped(text, 123456), "123,456");
	assert_string_equal(units_grouped(text, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(units_rate(text, 0.04), "0");
	assert_string_equal(units_rate(text, 0.4), "0.4");
	assert_string_equal(units_rate(text, 99.94), "99.9");
	assert_string_equal(units_rate(text, 99.96), "100");
	assert_string_equal(units_rate(text, 25123.4), "25123");
}

static void milliseconds(void **state)
{
	char text[UNITS_BYTES];

	(void)state;
	assert_string_equal(units_ms(text, NAN), "-");
	assert_string_equal(units_ms(text, 0), "0.00");
	assert_string_equal(units_ms(text, 1.254), "1.25");
	assert_string_equal(units_ms(text, 9.996), "10.0");
	assert_string_equal(units_ms(text, 99.96), "100");
	assert_string_equal(units_ms(text, 60000), "60000");
	assert_string_equal(units_percent(text, 0.454), "45%");
	assert_string_equal(units_percent(text, 1), "100%");
}

/* --- the table ------------------------------------------------------------------------------- */

static struct report_row rows[3];
static char file[] = "config/quern.json";

static struct report example(void)
{
	rows[0] = (struct report_row){.slot = 0,
		.pid = 12345,
		.state = "ready",
		.age_s = 11520,
		.memory_bytes = 6396313,
		.connections = 16,
		.active = 3,
		.queue = 2,
		.requests = 1234567,
		.requests_per_s = 5123.4,
		.busy = 0.934,
		.cpu = 0.87,
		.lag_ms = {0.12, 1.4, 3},
		.response_ms = {2.345, 1.2, 8.75, 20.5},
		.queue_ms = {1.1, 0.5, 6, 18.2},
		.service_ms = {0.2, 0.19, 0.3, 0.4},
		.bytes_in = 123456789,
		.bytes_out = 987654321,
		.shed_full = 12};
	rows[1] = (struct report_row){.slot = 1,
		.state = "waiting",
		.restarts = 7,
		.lag_ms = {0, NAN, NAN},
		.response_ms = {NAN, NAN, NAN, NAN},
		.queue_ms = {NAN, NAN, NAN, NAN},
		.service_ms = {NAN, NAN, NAN, NAN}};
	rows[2] = (struct report_row){.slot = 31,
		.pid = 23456,
		.state = "draining",
		.age_s = 42,
		.memory_bytes = 5242880,
		.requests = 18,
		.busy = 0.5,
		.cpu = 0.01,
		.lag_ms = {412, 400, 412},
		.response_ms = {500, 500, 505, 512},
		.queue_ms = {0.01, 0.01, 0.01, 0.01},
		.service_ms = {500, 500, 505, 512}};

	struct report r = {.version = "0.1.0",
		.pid = 12340,
		.uptime_s = 11521,
		.config = file,
		.listen = "127.0.0.1:8080",
		.balancer = "haproxy",
		.policy = "roundrobin",
		.wanted = 3,
		.ready = 1,
		.max = 32,
		.master_bytes = 942080,
		.admin_bytes = 1898905,
		.worker = rows,
		.workers = 3};
	r.fleet = rows[0];
	r.fleet.pid = 0;
	strcpy(r.fleet.state, "degraded");
	r.fleet.memory_bytes = rows[0].memory_bytes + rows[2].memory_bytes;
	r.fleet.restarts = 7;
	r.fleet.busy = 0.717;
	r.fleet.cpu = 0.88;
	r.fleet.requests = 1234585;
	return r;
}

static void is_table(const struct report *r, const struct table_style *style, const char *expected)
{
	struct buffer out;

	buffer_init(&out);
	table_write(r, style, &out);
	assert_string_equal(buffer_cstring(&out), expected);
	buffer_done(&out);
}

static void at_80_columns(void **state)
{
	const struct table_style style = {.columns = 80};
	struct report r = example();

	(void)state;
	/* clang-format off */
	is_table(&r, &style,
		"quernd 0.1.0   degraded   up 3h12m   pid 12340   config/quern.json\n"
		"1 of 3 workers ready, at most 32   http://127.0.0.1:8080 by haproxy, roundrobin\n"
		"memory 13.8M (master 920K, admin 1.8M)\n"
		"1,234,585 requests, 5123 per s   received 118M, sent 942M\n"
		"refused 12 (queue full 12, waited too long 0)\n"
		"\n"
		"                                 - requests -          lag ms response ms    re-\n"
		"slot   pid state      age memory queued per s busy CPU    now    p50  p99 starts\n"
		"   0 12345 ready    3h12m   6.1M      2  5123  93% 87%   0.12   1.20 20.5      0\n"
		"   1     - waiting      -      -      -     0    -   -      -      -    -      7\n"
		"  31 23456 draining   42s   5.0M      0     0  50%  1%    412    500  512      0\n"
		" all       degraded        11.1M      2  5123  72% 88%   0.12   1.20 20.5      7\n"
		"per s, busy, CPU: the last second; percentiles: the last 10 s\n");
	/* clang-format on */
}

static void at_120_columns(void **state)
{
	const struct table_style style = {.columns = 120};
	struct report r = example();

	(void)state;
	/* clang-format off */
	is_table(&r, &style,
		"quernd 0.1.0   degraded   up 3h12m   pid 12340   config/quern.json\n"
		"1 of 3 workers ready, at most 32   http://127.0.0.1:8080 by haproxy, roundrobin   memory 13.8M (master 920K, admin 1.8M)\n"
		"1,234,585 requests, 5123 per s   received 118M, sent 942M   refused 12 (queue full 12, waited too long 0)\n"
		"\n"
		"                                       ------- requests --------             lag ms --- response ms ---    re-\n"
		"slot   pid state      age memory conns active queued total per s busy CPU  now  p95 mean  p50  p95  p99 starts\n"
		"   0 12345 ready    3h12m   6.1M    16      3      2 1.23M  5123  93% 87% 0.12 1.40 2.35 1.20 8.75 20.5      0\n"
		"   1     - waiting      -      -     -      -      -     0     0    -   -    -    -    -    -    -    -      7\n"
		"  31 23456 draining   42s   5.0M     0      0      0    18     0  50%  1%  412  400  500  500  505  512      0\n"
		" all       degraded        11.1M    16      3      2 1.23M  5123  72% 88% 0.12 1.40 2.35 1.20 8.75 20.5      7\n"
		"per s, busy, CPU: the last second; mean and percentiles: the last 10 s\n");
	/* clang-format on */
}

static void at_200_columns(void **state)
{
	const struct table_style style = {.columns = 200};
	struct report r = example();

	(void)state;
	/* clang-format off */
	is_table(&r, &style,
		"quernd 0.1.0   degraded   up 3h12m   pid 12340   config/quern.json\n"
		"1 of 3 workers ready, at most 32   http://127.0.0.1:8080 by haproxy, roundrobin   memory 13.8M (master 920K, admin 1.8M)\n"
		"1,234,585 requests, 5123 per s   received 118M, sent 942M   refused 12 (queue full 12, waited too long 0)\n"
		"\n"
		"                                             --------- requests ---------             - lag ms -  ---- response ms -----    queue ms  service ms           --- client ---  - bytes --           re-\n"
		"slot    pid  state       age  memory  conns  active  queued  total  per s  busy  CPU   now   p95  mean   p50   p95   p99   p50   p99   p50   p99  refused  gone  timeouts    in   out  hung  starts\n"
		"   0  12345  ready     3h12m    6.1M     16       3       2  1.23M   5123   93%  87%  0.12  1.40  2.35  1.20  8.75  20.5  0.50  18.2  0.19  0.40       12     0         0  118M  942M     0       0\n"
		"   1      -  waiting       -       -      -       -       -      0      0     -    -     -     -     -     -     -     -     -     -     -     -        0     0         0     0     0     0       7\n"
		"  31  23456  draining    42s    5.0M      0       0       0     18      0   50%   1%   412   400   500   500   505   512  0.01  0.01   500   512        0     0         0     0     0     0       0\n"
		" all         degraded          11.1M     16       3       2  1.23M   5123   72%  88%  0.12  1.40  2.35  1.20  8.75  20.5  0.50  18.2  0.19  0.40       12     0         0  118M  942M     0       7\n"
		"per s, busy, CPU: the last second; mean and percentiles: the last 10 s\n");
	/* clang-format on */
}

static void lines_are_drawn_where_utf8_is_understood(void **state)
{
	const struct table_style style = {.columns = 120, .utf8 = true};
	struct report r = example();

	(void)state;
	/* clang-format off */
	is_table(&r, &style,
		"quernd 0.1.0   degraded   up 3h12m   pid 12340   config/quern.json\n"
		"1 of 3 workers ready, at most 32   http://127.0.0.1:8080 by haproxy, roundrobin   memory 13.8M (master 920K, admin 1.8M)\n"
		"1,234,585 requests, 5123 per s   received 118M, sent 942M   refused 12 (queue full 12, waited too long 0)\n"
		"\n"
		"                                       \u2500\u2500\u2500\u2500\u2500\u2500\u2500 requests \u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500             lag ms \u2500\u2500\u2500 response ms \u2500\u2500\u2500    re-\n"
		"slot   pid state      age memory conns active queued total per s busy CPU  now  p95 mean  p50  p95  p99 starts\n"
		"   0 12345 ready    3h12m   6.1M    16      3      2 1.23M  5123  93% 87% 0.12 1.40 2.35 1.20 8.75 20.5      0\n"
		"   1     - waiting      -      -     -      -      -     0     0    -   -    -    -    -    -    -    -      7\n"
		"  31 23456 draining   42s   5.0M     0      0      0    18     0  50%  1%  412  400  500  500  505  512      0\n"
		" all       degraded        11.1M    16      3      2 1.23M  5123  72% 88% 0.12 1.40 2.35 1.20 8.75 20.5      7\n"
		"per s, busy, CPU: the last second; mean and percentiles: the last 10 s\n");
	/* clang-format on */
}

/* No line is wider than the terminal, from the narrowest on that shows anything useful. */
static void no_line_is_too_wide(void **state)
{
	struct report r = example();

	(void)state;
	for (size_t columns = 60; columns <= 300; columns++) {
		const struct table_style style = {.columns = columns};
		struct buffer out;

		buffer_init(&out);
		table_write(&r, &style, &out);
		for (size_t at = 0; at < out.len;) {
			const char *end = memchr(out.data + at, '\n', out.len - at);
			size_t len = (size_t)(end - (out.data + at));

			assert_non_null(end);
			assert_true(len <= columns);
			assert_true(len == 0 || end[-1] != ' ');
			at += len + 1;
		}
		buffer_done(&out);
	}
}

static size_t count(const struct buffer *text, const char *what)
{
	size_t n = 0, len = strlen(what);

	for (const char *at = text->data;
		(at = memmem(at, text->len - (size_t)(at - text->data), what, len)) != NULL;
		at += len)
		n++;
	return n;
}

static void rows_that_do_not_fit_are_counted(void **state)
{
	struct report r = example();
	struct buffer out;

	(void)state;
	buffer_init(&out);
	r.workers = 100;
	r.worker = calloc(r.workers, sizeof(*r.worker));
	assert_non_null(r.worker);
	/* Three lines of summary, a blank one, two of heads, the sum; then workers; then the note. */
	for (size_t rows_max = 8; rows_max < 120; rows_max++) {
		const struct table_style style = {.columns = 120, .rows = rows_max};

		buffer_reset(&out);
		table_write(&r, &style, &out);
		assert_true(count(&out, "\n") <= rows_max);
		assert_int_equal(count(&out, "\n all "), 1);
		if (rows_max == 50)
			assert_int_equal(count(&out, "(58 more workers)\n"), 1);
		assert_int_equal(count(&out, "more workers"), rows_max < 107);
		assert_int_equal(count(&out, "the last second"), rows_max > 107);
	}
	free(r.worker);
	buffer_done(&out);
}

/* Whatever does not fit, the lines that are left are the first ones of the whole. */
static void the_top_stays_on_the_lowest_terminal(void **state)
{
	struct report r = example();
	struct table_style style = {.columns = 80, .rows = 10};
	struct buffer whole, out;

	(void)state;
	buffer_init(&whole);
	buffer_init(&out);
	buffer_puts(&out, "kept\n");
	table_write(&r, &style, &whole);
	for (style.rows = 1; style.rows < 10; style.rows++) {
		out.len = strlen("kept\n");
		table_write(&r, &style, &out);
		assert_int_equal(count(&out, "\n"), 1 + style.rows);
		assert_memory_equal(
			out.data + strlen("kept\n"), whole.data, out.len - strlen("kept\n"));
	}
	buffer_done(&whole);
	buffer_done(&out);
}

/* A stopped worker is ready by its slot: what gives it away is the loop that does not turn. */
static void a_late_worker_is_marked(void **state)
{
	const struct table_style plain = {.columns = 80}, colour = {.columns = 120, .colour = true};
	struct report r = example();
	struct buffer out;

	(void)state;
	buffer_init(&out);
	rows[0].lag_ms.now = r.fleet.lag_ms.now = 1000;
	table_write(&r, &plain, &out);
	assert_int_equal(count(&out, "!"), 0);

	rows[0].lag_ms.now = r.fleet.lag_ms.now = 12345;
	strcpy(r.fleet.state, "ok");
	buffer_reset(&out);
	table_write(&r, &plain, &out);
	assert_int_equal(count(&out, "\n   0 12345 ready! "), 1);
	assert_int_equal(count(&out, "\n all       ok "), 1);
	assert_int_equal(count(&out, "1 late (!): blocked for more than 1 s"), 1);
	buffer_reset(&out);
	table_write(&r, &colour, &out);
	assert_int_equal(count(&out, "\033[31;1mready!\033[0m"), 1);
	assert_int_equal(count(&out, "\033[31;1m1 late (!)"), 1);
	assert_int_equal(count(&out, "\033[32mok\033[0m"), 2);

	/* Nobody can be late in a slot without a worker. */
	rows[0].pid = 0;
	buffer_reset(&out);
	table_write(&r, &plain, &out);
	assert_int_equal(count(&out, "!"), 0);
	buffer_done(&out);
}

static void colours_mark_what_matters(void **state)
{
	const struct table_style style = {.columns = 120, .colour = true};
	struct report r = example();
	struct buffer out;

	(void)state;
	buffer_init(&out);
	table_write(&r, &style, &out);
	assert_int_equal(count(&out, "\033[33mdegraded\033[0m"), 2);
	assert_int_equal(count(&out, "\033[32mready\033[0m"), 1);
	assert_int_equal(count(&out, "\033[31;1mwaiting\033[0m"), 1);
	assert_int_equal(count(&out, "\033[31;1m93%\033[0m"), 1);
	assert_int_equal(count(&out, "\033[31;1m412\033[0m"), 1);
	buffer_done(&out);
}

static struct report_change *add_change(struct report *r, const char *kind, const char *state)
{
	struct report_change *c = &r->change[r->changes++];

	(void)snprintf(c->kind, sizeof(c->kind), "%s", kind);
	(void)snprintf(c->state, sizeof(c->state), "%s", state);
	return c;
}

static void a_change_that_runs_is_shown(void **state)
{
	const struct table_style style = {.columns = 120};
	struct report r = example();
	struct report_change *c;
	struct buffer out;

	(void)state;
	buffer_init(&out);
	add_change(&r, "reload", "failed");
	c = add_change(&r, "scale", "running");
	c->done = 3;
	c->total = 8;
	c->age_s = 12;
	strcpy(c->text, "from 3 to 8 workers");
	assert_int_equal(summary_write(&r, &style, &out), 4);
	assert_int_equal(count(&out, "\nscale: 3 of 8 workers, for 12s: from 3 to 8 workers\n"), 1);
	assert_int_equal(count(&out, "reload"), 0); /* what runs now is what matters */
	buffer_done(&out);
}

static void the_last_change_is_shown_if_it_failed_lately(void **state)
{
	const struct table_style style = {.columns = 80};
	struct report r = example();
	struct report_change *c = add_change(&r, "reload", "failed");
	struct buffer out;

	(void)state;
	buffer_init(&out);
	c->begun_us = 1000000;
	c->ended_us = 2000000;
	c->age_s = 301;
	strcpy(c->text, "quern.json: no option \"x\"\nquern.json: nor \"y\"");
	(void)summary_write(&r, &style, &out);
	assert_int_equal(
		count(&out, "\nreload failed 5m00s ago: quern.json: no option \"x\" ...\n"), 1);

	/* Of more than 80 characters as many are left as fit with what says that there were more. */
	for (int longer = 0; longer < 3; longer++) {
		(void)snprintf(c->text, sizeof(c->text), "%s%s%.*s",
			"01234567890123456789012345678901234567890123456789",
			"\xc3\xa4\xc3\xa4"
			"567",
			longer, "89");
		buffer_reset(&out);
		(void)summary_write(&r, &style, &out);
		assert_int_equal(count(&out, "567\n"), longer == 0);
		assert_int_equal(count(&out, "89 ...\n"), 0);
		assert_int_equal(count(&out, "89\xc3\xa4 ...\n"), longer > 0);
	}

	/* What failed long ago, or was made good since, is past. */
	c->age_s = 3602;
	buffer_reset(&out);
	(void)summary_write(&r, &style, &out);
	assert_int_equal(count(&out, "reload"), 0);
	c->age_s = 10;
	add_change(&r, "reload", "done");
	(void)summary_write(&r, &style, &out);
	assert_int_equal(count(&out, "reload"), 0);
	buffer_done(&out);
}

static void parked_slots_and_successions_are_told(void **state)
{
	const struct table_style style = {.columns = 120},
				 colour = {.columns = 120, .colour = true};
	struct report r = example();
	struct buffer out;

	(void)state;
	buffer_init(&out);
	strcpy(rows[1].state, "parked");
	rows[1].next_start_s = 298;
	rows[0].draining_pid = 777;
	rows[2].draining_pid = 778;
	r.fleet.hung = 3;
	r.fleet.recycled = 1234;
	table_write(&r, &style, &out);
	assert_int_equal(count(&out, "1 parked, next try in 4m58s"), 1);
	assert_int_equal(count(&out, "2 replaced (+), still draining"), 1);
	assert_int_equal(count(&out, "\n   0 12345 ready+ "), 1);
	assert_int_equal(count(&out, "\n   1     - parked "), 1);
	assert_int_equal(count(&out, "\nreplaced: 3 hung, 1,234 recycled\n"), 1);
	rows[0].lag_ms.now = 5000;
	buffer_reset(&out);
	table_write(&r, &style, &out);
	assert_int_equal(count(&out, "\n   0 12345 ready+! "), 1);
	buffer_reset(&out);
	table_write(&r, &colour, &out);
	assert_int_equal(count(&out, "\033[31;1mparked\033[0m"), 1);
	assert_int_equal(count(&out, "\033[31;1m1 parked"), 1);
	buffer_done(&out);
}

static void a_single_tls_listener_is_named(void **state)
{
	const struct table_style style = {.columns = 120};
	struct report r = example();
	struct buffer out;

	(void)state;
	buffer_init(&out);
	r.tls = 1;
	(void)summary_write(&r, &style, &out);
	assert_int_equal(count(&out, "https://127.0.0.1:8080 by haproxy"), 1);
	buffer_reset(&out);
	strcpy(r.balancer, "none");
	r.tls = 0;
	r.config = NULL;
	(void)summary_write(&r, &style, &out);
	assert_int_equal(count(&out, "   http://127.0.0.1:8080   "), 1);
	assert_int_equal(count(&out, "no configuration file"), 1);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages),
		cmocka_unit_test(byte_sizes),
		cmocka_unit_test(counts),
		cmocka_unit_test(milliseconds),
		cmocka_unit_test(at_80_columns),
		cmocka_unit_test(at_120_columns),
		cmocka_unit_test(at_200_columns),
		cmocka_unit_test(lines_are_drawn_where_utf8_is_understood),
		cmocka_unit_test(no_line_is_too_wide),
		cmocka_unit_test(rows_that_do_not_fit_are_counted),
		cmocka_unit_test(the_top_stays_on_the_lowest_terminal),
		cmocka_unit_test(a_late_worker_is_marked),
		cmocka_unit_test(colours_mark_what_matters),
		cmocka_unit_test(a_change_that_runs_is_shown),
		cmocka_unit_test(the_last_change_is_shown_if_it_failed_lately),
		cmocka_unit_test(parked_slots_and_successions_are_told),
		cmocka_unit_test(a_single_tls_listener_is_named),
	};

	return cmocka_run_group_tests_name("ctl_table", tests, NULL, NULL);
}
