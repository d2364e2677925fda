/* server/stats/statsd and statsd_counts: real sockets on the loopback, a region written by hand, the loop turned by hand. */
#include "server/stats/statsd.h"

#include "lib/clock.h"
#include "server/stats/statsd_counts.h"
#include "tests/unit/stats_fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define INTERVAL_US 100000u
#define PATIENCE_US 20000000u

static struct stats_region *region;
static struct sampler *sampler;
static struct event_base *base;
static struct statsd *statsd;
static int receiver;
static int states, last_state;

static void on_state(int error, void *arg)
{
	(void)arg;
	states++;
	last_state = error;
}

static struct statsd_options options(void)
{
	struct statsd_options o = {
		.prefix = "quern", .interval_us = INTERVAL_US, .on_state = on_state};

	o.to.len = sizeof(o.to.storage);
	assert_int_equal(getsockname(receiver, (struct sockaddr *)&o.to.storage, &o.to.len), 0);
	return o;
}

static int set_up(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	(void)state;
	states = last_state = 0;
	region = stats_region_new(4);
	base = event_base_new();
	receiver = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(region && base && receiver >= 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(sampler_new(&sampler, region), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	statsd_free(statsd);
	statsd = NULL;
	sampler_free(sampler);
	event_base_free(base);
	stats_region_free(region);
	if (receiver >= 0)
		close(receiver);
	return 0;
}

static void start(void)
{
	struct statsd_options o = options();

	assert_int_equal(statsd_new(&statsd, base, region, sampler, &o), 0);
}

/* --- the receiver: sums of counters, the last of gauges */

#define NAMES 500

static struct figure {
	char name[64];
	char type[4];
	double sum, last;
	uint64_t values;
} figures[NAMES];
static size_t names, payloads;

static struct figure *figure(const char *name, const char *type)
{
	for (size_t i = 0; i < names; i++)
		if (strcmp(figures[i].name, name) == 0 && strcmp(figures[i].type, type) == 0)
			return &figures[i];
	assert_true(names < NAMES && strlen(name) < 64 && strlen(type) < 4);
	figures[names] = (struct figure){0};
	memcpy(figures[names].name, name, strlen(name) + 1);
	memcpy(figures[names].type, type, strlen(type) + 1);
	return &figures[names++];
}

static void take_value(const char *name, char *text)
{
	char *fields, *value = strtok_r(text, "|", &fields), *type = strtok_r(NULL, "|", &fields);
	char *rate = strtok_r(NULL, "|", &fields), *end;
	struct figure *f = figure(name, type);
	double weight = rate ? 1 / strtod(rate + 1, NULL) : 1;

	f->last = strtod(value, &end);
	assert_int_equal(*end, '\0');
	assert_true(value[0] >= '0' && value[0] <= '9');
	f->sum += f->last * weight;
	f->values++;
}

static void take_payload(char *text)
{
	char *lines, *values;

	payloads++;
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		const char *name = strtok_r(line, ":", &values);

		for (char *v = strtok_r(NULL, ":", &values); v; v = strtok_r(NULL, ":", &values))
			take_value(name, v);
	}
}

static void receive(void)
{
	char text[STATSD_PAYLOAD_BYTES + 2];
	ssize_t len;

	while ((len = recv(receiver, text, sizeof(text) - 1, 0)) > 0) {
		assert_true(len <= (ssize_t)STATSD_PAYLOAD_BYTES);
		text[len] = '\0';
		take_payload(text);
	}
}

static double sum_of(const char *name)
{
	return figure(name, "c")->sum;
}

static double gauge(const char *name)
{
	assert_true(figure(name, "g")->values > 0);
	return figure(name, "g")->last;
}

/* The fleet's last gauge is the end of an interval's figures. */
static void await_intervals(uint64_t n)
{
	uint64_t until_us = clock_us() + PATIENCE_US;

	names = payloads = 0;
	while (figure("quern.fleet.workers_parked", "g")->values < n) {
		assert_true(clock_us() < until_us);
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
		if (receiver >= 0)
			receive();
	}
}

static void await_lost(uint64_t n)
{
	uint64_t until_us = clock_us() + PATIENCE_US;

	while (stats_get(&region->statsd_lost) < n) {
		assert_true(clock_us() < until_us);
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
	}
}

static struct stats_seat *live(uint32_t slot, unsigned seat)
{
	struct stats_seat *s = &region->slot[slot].seat[seat];

	atomic_store(&region->slot[slot].current, seat);
	atomic_store(&s->pid, getpid());
	atomic_store(&s->state, SLOT_READY);
	stats_set(&s->spawned_us, clock_us());
	return s;
}

static void serve(struct stats_seat *s, unsigned requests, uint64_t us)
{
	for (unsigned i = 0; i < requests; i++) {
		stats_count_answer(s, i % 10 ? ROUTE_QR : ROUTE_NONE, i % 10 ? 200 : 404);
		stats_add(&s->jobs, 1);
		histogram_record(&s->response_time, us);
		histogram_record(&s->queue_time, us / 2);
	}
	stats_count_answer(s, ROUTE_HEALTHZ, 200);
}

static void counters_are_what_came_since(void **state)
{
	struct stats_seat *s = live(0, 0);

	(void)state;
	serve(s, 50, 1000); /* the past */
	start();
	serve(s, 30, 1000);
	await_intervals(1);
	assert_true(sum_of("quern.worker.0.requests") == 30);
	assert_true(sum_of("quern.worker.0.answers.200") == 27);
	assert_true(sum_of("quern.worker.0.answers.404") == 3);
	assert_true(sum_of("quern.worker.0.jobs") == 30);
	assert_true(sum_of("quern.fleet.requests") == 30);
	assert_int_equal(figure("quern.worker.0.response", "ms")->values, 30);
	assert_int_equal(figure("quern.fleet.queue", "ms")->values, 30);
	assert_int_equal(figure("quern.fleet.service", "ms")->values, 0);
	/* Nothing new: counters are 0, timers are left out. */
	await_intervals(2);
	assert_true(sum_of("quern.worker.0.requests") == 0);
	assert_int_equal(figure("quern.worker.0.requests", "c")->values, 2);
	assert_int_equal(figure("quern.worker.0.response", "ms")->values, 0);
	assert_int_equal(figure("quern.worker.0.answers.200", "c")->values, 0);
	assert_int_equal(stats_get(&region->statsd_lost), 0);
	assert_int_equal(states, 0);
}

/* Worker 1 dies, another takes its slot, a third one the other seat: nothing is lost, nothing comes twice. */
static void deltas_survive_workers(void **state)
{
	struct stats_seat *s;

	(void)state;
	start();
	s = live(1, 0);
	serve(s, 10, 2000);
	await_intervals(1);
	assert_true(sum_of("quern.worker.1.requests") == 10);
	assert_true(gauge("quern.fleet.workers_ready") == 1);
	serve(s, 5, 2000);
	atomic_store(&s->pid, 0);
	atomic_store(&s->state, SLOT_WAITING);
	await_intervals(1);
	assert_true(sum_of("quern.worker.1.requests") == 5);
	assert_true(gauge("quern.fleet.workers_ready") == 0);
	s = live(1, 0);
	stats_add(&region->slot[1].restarts, 1);
	serve(s, 7, 2000);
	await_intervals(1);
	assert_true(sum_of("quern.worker.1.requests") == 7);
	assert_true(sum_of("quern.worker.1.restarts") == 1);
	serve(s, 1, 2000);
	s = live(1, 1);
	serve(s, 2, 2000);
	await_intervals(1);
	assert_true(sum_of("quern.worker.1.requests") == 3);
	assert_int_equal(figure("quern.fleet.response", "ms")->values, 3);
	assert_true(sum_of("quern.fleet.restarts") == 0);
}

static void the_fleet_is_the_sum_of_its_workers(void **state)
{
	struct stats_seat *a = live(0, 0), *b = live(3, 1);

	(void)state;
	atomic_store(&region->wanted, 3);
	stats_set(&a->connections, 4);
	stats_set(&b->connections, 5);
	stats_set(&a->queue, 2);
	stats_set(&b->active, 1);
	stats_set(&b->lag_us, 1500);
	start();
	serve(a, 10, 1000);
	serve(b, 20, 3000);
	await_intervals(1);
	assert_true(sum_of("quern.fleet.requests") == 30);
	assert_true(sum_of("quern.worker.3.requests") == 20);
	assert_true(gauge("quern.worker.0.connections") == 4);
	assert_true(gauge("quern.fleet.connections") == 9);
	assert_true(gauge("quern.fleet.queue_length") == 2);
	assert_true(gauge("quern.fleet.active") == 1);
	assert_true(gauge("quern.worker.3.loop_lag_ms") == 1.5);
	assert_true(gauge("quern.fleet.loop_lag_ms") == 1.5);
	assert_true(gauge("quern.fleet.workers_ready") == 2);
	assert_true(gauge("quern.fleet.workers_wanted") == 3);
	assert_int_equal(figure("quern.fleet.response", "ms")->values, 30);
	for (size_t i = 0; i < names; i++)
		assert_null(strstr(figures[i].name, "worker.1."));
}

/* 50,000 requests in one interval: no more values than agreed, and the weights add up. */
static void a_big_interval_is_a_sample(void **state)
{
	struct stats_seat *s = live(0, 0);
	struct figure *f;

	(void)state;
	start();
	serve(s, 50000, 1000);
	await_intervals(1);
	assert_true(sum_of("quern.fleet.requests") == 50000);
	f = figure("quern.worker.0.response", "ms");
	assert_int_equal(f->values, STATSD_TIMER_VALUES);
	assert_true(f->sum > 50000 * 1.0035 - 0.1 && f->sum < 50000 * 1.0035 + 0.1);
	assert_true(payloads > 20);
	assert_int_equal(stats_get(&region->statsd_payloads), payloads);
	assert_int_equal(stats_get(&region->statsd_lost), 0);
}

static void nobody_listening_is_told_once(void **state)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);
	uint64_t lost;

	(void)state;
	live(0, 0);
	start();
	assert_int_equal(getsockname(receiver, (struct sockaddr *)&at, &len), 0);
	close(receiver);
	receiver = -1;
	await_lost(3);
	assert_int_equal(states, 1);
	assert_int_equal(last_state, -ECONNREFUSED);

	/* Somebody comes: that is told once, and nothing is lost from then on. */
	receiver = socket(at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(receiver >= 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&at, len), 0);
	await_intervals(2);
	lost = stats_get(&region->statsd_lost);
	await_intervals(2);
	assert_int_equal(states, 2);
	assert_int_equal(last_state, 0);
	assert_int_equal(stats_get(&region->statsd_lost), lost);
	assert_true(stats_get(&region->statsd_payloads) > lost);
}

static void a_new_interval_counts_at_once(void **state)
{
	uint64_t begun_us;

	(void)state;
	start();
	statsd_set_interval(statsd, 3600000000u);
	statsd_set_interval(statsd, 150000);
	begun_us = clock_us();
	await_intervals(2);
	assert_true(clock_us() - begun_us >= 300000 - 1000);
}

static void the_past_is_sent_where_nobody_has(void **state)
{
	struct statsd_options o = options();

	(void)state;
	serve(live(0, 0), 50, 1000);
	o.from_zero = true;
	assert_int_equal(statsd_new(&statsd, base, region, sampler, &o), 0);
	serve(live(0, 0), 30, 1000);
	await_intervals(1);
	assert_true(sum_of("quern.worker.0.requests") == 80);
	assert_int_equal(figure("quern.fleet.response", "ms")->values, 80);
}

/* What goes out at once, without time. */
#define FINISH_MOST 8

static void the_end_sends_what_is_left(void **state)
{
	struct stats_seat *s = live(0, 0);

	(void)state;
	start();
	serve(s, 20000, 1000);
	names = payloads = 0;
	while (stats_get(&region->statsd_payloads) < 2)
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
	serve(s, 5, 1000);
	statsd_finish(statsd, PATIENCE_US);
	receive();
	assert_true(sum_of("quern.fleet.requests") == 20005);
	assert_int_equal(figure("quern.fleet.workers_parked", "g")->values, 2);
	assert_int_equal(stats_get(&region->statsd_lost), 0);

	/* Without time it ends nevertheless, and all that it would have sent counts as lost. */
	uint64_t before = stats_get(&region->statsd_payloads);
	serve(s, 20000, 1000);
	statsd_finish(statsd, PATIENCE_US);
	uint64_t whole = stats_get(&region->statsd_payloads) - before;
	assert_true(whole > FINISH_MOST);
	assert_int_equal(stats_get(&region->statsd_lost), 0);
	before = stats_get(&region->statsd_payloads);
	serve(s, 20000, 1000);
	statsd_finish(statsd, 0);
	assert_int_equal(stats_get(&region->statsd_payloads) - before, whole);
	assert_int_equal(stats_get(&region->statsd_lost), whole - FINISH_MOST);
}

static void an_illegal_prefix_is_refused(void **state)
{
	struct statsd_options o = options();

	(void)state;
	o.prefix = "a b";
	assert_int_equal(statsd_new(&statsd, base, region, sampler, &o), -EINVAL);
	assert_null(statsd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_are_what_came_since),
		TEST(deltas_survive_workers),
		TEST(the_fleet_is_the_sum_of_its_workers),
		TEST(a_big_interval_is_a_sample),
		TEST(nobody_listening_is_told_once),
		TEST(a_new_interval_counts_at_once),
		TEST(the_past_is_sent_where_nobody_has),
		TEST(the_end_sends_what_is_left),
		TEST(an_illegal_prefix_is_refused),
	};

	return cmocka_run_group_tests_name("statsd", tests, NULL, NULL);
}
