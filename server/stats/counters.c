#include "server/stats/counters.h"

#define FIELD(name) #name, offsetof(struct stats_seat, name)

const struct counter counters[] = {
	{FIELD(accepted), "quern_connections_accepted_total", NULL, "Connections accepted."},
	{FIELD(accept_paused), "quern_accept_pauses_total", NULL,
		"Times that accepting paused: no descriptor was left, or limits.connections "
		"reached."},
	{FIELD(bytes_in), "quern_received_bytes_total", NULL, "Bytes read from clients."},
	{FIELD(bytes_out), "quern_sent_bytes_total", NULL, "Bytes written to clients."},
	{FIELD(jobs), "quern_jobs_total", NULL, "Jobs run."},
	{FIELD(slices), "quern_slices_total", NULL,
		"Further pieces that jobs were run in on the loop, with strategy yield."},
	{FIELD(offloaded), "quern_offloaded_jobs_total", NULL,
		"Jobs that threads have run, with strategy offload."},
	{FIELD(loop_full), "quern_loop_full_total", NULL,
		"Times that the loop's timer was late by more than a fifth of its period."},
	{FIELD(calls_made), "quern_backend_calls_total", NULL, "Calls of the lab's backend."},
	{FIELD(calls_failed), "quern_backend_failures_total", "reason=\"failed\"",
		"Calls of the lab's backend without a usable answer."},
	{FIELD(calls_late), "quern_backend_failures_total", "reason=\"late\"", NULL},
	{FIELD(abandoned), "quern_requests_abandoned_total", NULL,
		"Requests whose client had left before they were answered: before their turn, or "
		"between the pieces of their work."},
	{FIELD(shed_full), "quern_requests_shed_total", "reason=\"queue_full\"",
		"Requests answered 503: the queue was full, or they had waited too long."},
	{FIELD(shed_late), "quern_requests_shed_total", "reason=\"too_late\"", NULL},
	{FIELD(timeouts_client), "quern_client_timeouts_total", NULL,
		"Requests not complete, or answers not taken, within limits.client_ms."},
	{FIELD(bad_start), "quern_request_start_invalid_total", NULL,
		"X-Request-Start fields that were ignored: in the future, or above a minute old."},
	{FIELD(log_lost), "quern_log_lines_lost_total", NULL,
		"Log lines that could not be written."},
};
_Static_assert(
	sizeof(counters) / sizeof(counters[0]) == COUNTERS, "COUNTERS is the number of rows");

static const void *at(const struct stats_slot *s, size_t seat, size_t offset)
{
	return (const char *)&s->seat[seat] + offset;
}

uint64_t counter_get(const struct stats_slot *s, const struct counter *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_SEATS; i++)
		sum += stats_get((const stats_counter *)at(s, i, c->offset));
	return sum;
}

uint64_t counter_answers(const struct stats_slot *s, enum stats_route route, size_t status)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_SEATS; i++)
		sum += stats_get(&s->seat[i].requests[route][status]);
	return sum;
}

void counter_histogram(const struct stats_slot *s, size_t offset, struct histogram_copy *ret)
{
	struct histogram_copy other;

	histogram_read(at(s, 0, offset), ret);
	for (size_t i = 1; i < STATS_SEATS; i++) {
		histogram_read(at(s, i, offset), &other);
		histogram_add(ret, &other);
	}
}
