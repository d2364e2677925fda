#include "server/stats/counters.h"

#define FIELD(name) #name, offsetof(struct stats_slot, name)

const struct counter counters[] = {
	{FIELD(accepted), "quern_connections_accepted_total", NULL, "Connections accepted."},
	{FIELD(accept_paused), "quern_accept_pauses_total", NULL,
		"Times that accepting paused: no descriptor was left, or limits.connections "
		"reached."},
	{FIELD(bytes_in), "quern_received_bytes_total", NULL, "Bytes read from clients."},
	{FIELD(bytes_out), "quern_sent_bytes_total", NULL, "Bytes written to clients."},
	{FIELD(jobs), "quern_jobs_total", NULL, "Jobs run."},
	{FIELD(abandoned), "quern_requests_abandoned_total", NULL,
		"Requests whose client had left before their turn came."},
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

uint64_t counter_get(const struct stats_slot *s, const struct counter *c)
{
	return stats_get((const stats_counter *)(const void *)((const char *)s + c->offset));
}
