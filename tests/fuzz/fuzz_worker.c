/*
 * A worker, whole, with its clients: worker_run() itself, in a world where time is the fuzzer's. Input: four bytes for the
 * configuration, then what clients do, see clients.h, with these commands besides:
 *
 *   ~T ~Q ~U  SIGTERM, SIGQUIT, SIGUSR1
 *   ~H CCCC   other live options, by four bytes as at the beginning, and SIGHUP
 *
 * In the end the worker is told to stop if it was not yet, and has to end. Then: every connection has well-formed answers
 * to its requests in their order; no whole request was lost, whatever happened, but to clients that have themselves left;
 * whoever had connected was let in, unless another worker follows; answers after the signal said that they are the last;
 * nothing is counted as open, active or queued; no descriptor and no memory is left; and the loop has not turned without
 * cause.
 */
#include "config/live.h"
#include "lib/log.h"
#include "server/worker.h"
#include "tests/fuzz/answers.h"
#include "tests/fuzz/clients.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/virtual.h"

#include <signal.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG_BYTES 4
#define LIMITS 4 /* that a run may have, one after the other */

static struct config config;
static struct stats_region *region;
static struct http_limits limits[LIMITS];
static unsigned limits_known;
static int stopped_by; /* the first signal that tells it to end */

static int64_t pick(const int64_t *from, unsigned n, unsigned choice)
{
	return from[choice % n];
}

static void configure(struct config *c, const uint8_t *bytes)
{
	static const int64_t few[] = {1000, 1, 2, 3}, header[] = {16384, 512},
			     body[] = {65536, 100, 0}, ms[] = {10000, 20, 1000, 60000},
			     drain[] = {10000, 0, 30}, slice[] = {20000, 200000};

	c->limits_connections = pick(few, 4, bytes[0]);
	c->limits_queue = pick(few, 4, bytes[0] >> 2);
	c->limits_header_bytes = pick(header, 2, bytes[0] >> 4);
	c->limits_body_bytes = pick(body, 3, bytes[0] >> 5);
	c->limits_client_ms = pick(ms, 4, bytes[1]);
	c->limits_idle_ms = pick(ms, 4, bytes[1] >> 2);
	c->limits_queue_ms = pick(ms, 4, bytes[1] >> 4);
	c->workers_drain_ms = pick(drain, 3, bytes[1] >> 6);
	c->balancer_kind = bytes[2] & 1;
	c->lab_enabled = bytes[2] & 2;
	c->http_access_log = bytes[2] & 4;
	c->http_log_text = bytes[2] & 8;
	c->qr_engine = bytes[2] >> 4 & 1;
	/* Threads have no place in a world of virtual time. */
	c->execution_strategy = bytes[2] & 32 ? STRATEGY_YIELD : STRATEGY_INLINE;
	c->execution_slice_us = pick(slice, 2, bytes[2] >> 6);
	if (limits_known < LIMITS)
		limits[limits_known++] =
			(struct http_limits){.header_bytes = (size_t)c->limits_header_bytes,
				.body_bytes = (size_t)c->limits_body_bytes};
}

/* SIGHUP, with what the master would have left in shared memory. */
static void reload(void)
{
	const uint8_t *bytes = limits_known < LIMITS ? clients_take(CONFIG_BYTES) : NULL;
	struct config next = config;

	if (!bytes)
		return;
	configure(&next, bytes);
	config_live_put(&next, region->live.value);
	REQUIRE(raise(SIGHUP) == 0);
}

static void stop(int signal)
{
	if (!clients.ended)
		stopped_by = signal;
	clients_mark();
	REQUIRE(raise(signal) == 0);
}

static void command(uint8_t what)
{
	if (what == 'T')
		stop(SIGTERM);
	else if (what == 'Q')
		stop(SIGQUIT);
	else if (what == 'U')
		REQUIRE(raise(SIGUSR1) == 0);
	else if (what == 'H')
		reload();
}

static void end(void)
{
	stop(SIGTERM);
}

/* What the counters say when nothing is left. */
static void check_counters(struct stats_seat *seat)
{
	REQUIRE(stats_get(&seat->connections) == 0);
	REQUIRE(stats_get(&seat->active) == 0);
	REQUIRE(stats_get(&seat->queue) == 0);
	REQUIRE(stats_get(&seat->calls) == 0);
	REQUIRE(stats_get(&seat->accepted) == virtual_world.accepted);
}

static void check_clients(const struct stats_seat *seat)
{
	/* Who does not take his answer, or is let in no more, gets none. */
	const bool late = stats_get(&seat->timeouts_client) > 0;
	const bool has_room = limits_known == 1 && config.limits_connections > CLIENTS_MAX;
	uint64_t answered = 0;

	for (unsigned i = 0; i < clients.count; i++) {
		struct client *c = &clients.client[i];
		const struct answers a =
			answers_check(&c->sent, &c->got, c->marked, limits, limits_known);

		answered += a.count;
		REQUIRE(i < virtual_world.accepted || c->got.len == 0);
		REQUIRE(!a.cut || c->left || late);
		REQUIRE(!a.missing || c->left || late || i >= virtual_world.accepted);
	}
	/* Whoever retires takes everybody in who had connected by then, as far as it has room. */
	if (stopped_by == SIGTERM && has_room && !clients.faults)
		REQUIRE(virtual_world.accepted >= clients.marked);
	uint64_t counted = 0;
	for (int route = 0; route < ROUTE_COUNT; route++)
		for (int status = 0; status < STATS_STATUSES; status++)
			counted += stats_get(&seat->requests[route][status]);
	REQUIRE(answered <= counted);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct buffer errors;
	(void)argc;
	(void)argv;

	buffer_init(&errors);
	REQUIRE(config_load(&config, NULL, NULL, NULL, 0, &errors, &errors) == 0);
	buffer_done(&errors);
	REQUIRE(log_open(LOG_LEVEL_DEBUG, "/dev/null") == 0);
	region = stats_region_new(1);
	REQUIRE(region);
	return 0;
}

/* A signal that the last worker was too late for is not for the next one. */
static void forget_signals(void)
{
	const struct timespec at_once = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	REQUIRE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	while (sigtimedwait(&set, NULL, &at_once) > 0)
		continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stats_seat *seat = &region->slot[0].seat[0];

	if (size < CONFIG_BYTES)
		return -1;
	const unsigned descriptors = clients_descriptors();
	memset(seat, 0, sizeof(*seat));
	forget_signals();
	limits_known = 0;
	configure(&config, data);
	int listener = clients_begin(data + CONFIG_BYTES, size - CONFIG_BYTES, command, end);
	virtual_world.send_bytes = data[3] & 1;
	REQUIRE(worker_run(&config, region, 0, 0, listener) == 0);
	clients_end();
	check_counters(seat);
	check_clients(seat);
	clients_done();
	REQUIRE(clients_descriptors() == descriptors);
	return 0;
}
