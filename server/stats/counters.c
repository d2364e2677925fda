#include "server/stats/counters.h"

#define ROW(field, metric, label, help)                                                            \
	{                                                                                          \
#field, metric, label, help, offsetof(struct stats_slot, field)                    \
	}

const struct counter counters[COUNTERS] = {
	ROW(accepted, "quern_connections_accepted_total", NULL, "Connections accepted."),
	ROW(accept_paused, "quern_accept_pauses_total", NULL,
		"Times that accepting paused: no descriptor was left, or limits.connections "
		"reached."),
	ROW(bytes_in, "quern_received_bytes_total", NULL, "Bytes read from clients."),
	ROW(bytes_out, "quern_sent_bytes_total", NULL, "Bytes written to clients."),
	ROW(jobs, "quern_jobs_total", NULL, "Jobs run."),
	ROW(abandoned, "quern_requests_abandoned_total", NULL,
		"Requests whose client had left before their turn came."),
	ROW(shed_full, "quern_requests_shed_total", "reason=\"queue_full\"",
		"Requests answered 503: the queue was full, or they had waited too long."),
	ROW(shed_late, "quern_requests_shed_total", "reason=\"too_late\"", NULL),
	ROW(timeouts_client, "quern_client_timeouts_total", NULL,
		"Requests not complete, or answers not taken, within limits.client_ms."),
	ROW(bad_start, "quern_request_start_invalid_total", NULL,
		"X-Request-Start fields that were ignored: in the future, or above a minute old."),
	ROW(log_lost, "quern_log_lines_lost_total", NULL, "Log lines that could not be written."),
};

uint64_t counter_get(const struct stats_slot *s, const struct counter *c)
{
	return stats_get((const stats_counter *)(const void *)((const char *)s + c->offset));
}
