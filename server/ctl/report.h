/* status.json as quernctl shows it. Figures that are null there are NAN here. */
#ifndef QUERN_SERVER_CTL_REPORT_H
#define QUERN_SERVER_CTL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct report_row {
	uint32_t slot;
	pid_t pid;	    /* 0: no living worker */
	pid_t draining_pid; /* of its predecessor, which still lives; 0: none */
	char state[16];
	double age_s;
	double next_start_s; /* until the next worker starts; 0: none is awaited */
	uint64_t memory_bytes, connections, active, queue, requests;
	uint64_t restarts, hung, recycled, parked;
	double requests_per_s, busy, cpu;
	struct {
		double now, p95, max;
	} lag_ms;
	struct report_latency {
		double mean, p50, p95, p99;
	} response_ms, queue_ms, service_ms;
	uint64_t shed_full, shed_late, abandoned, timeouts, bytes_in, bytes_out;
};

#define REPORT_TEXT_BYTES 1024
#define REPORT_CHANGES 32 /* as many as a quernd keeps */

/* server/stats/change.h */
struct report_change {
	char kind[16], state[16];
	uint64_t number, begun_us, ended_us;
	double age_s; /* since it began */
	uint32_t target, done, total;
	char text[REPORT_TEXT_BYTES]; /* of one or several lines, without a newline at the end */
};

struct report {
	char version[32];
	pid_t pid; /* of the master */
	uint64_t start_ticks;
	pid_t guardian_pid; /* the process that ends last; 0: the master */
	uint64_t guardian_ticks;
	double uptime_s;
	char *config; /* NULL: none; owned by the report */
	char listen[64], balancer[16], policy[16];
	int tls;
	uint64_t drain_ms;

	uint64_t master_bytes, admin_bytes; /* memory of the processes beside the workers */
	uint32_t wanted, ready, max;
	struct report_row fleet;   /* sums over the workers; state is that of the fleet */
	struct report_row *worker; /* owned by the report */
	size_t workers;

	bool tells_changes; /* false: of a version that does not know any */
	struct report_change change[REPORT_CHANGES]; /* the last ones, oldest first */
	size_t changes;
};

/*
 * Reads a whole status.json. Control characters in texts become '?', since they end up on a
 * terminal (but newlines in the text of a change). 0; -EINVAL: not the status of a quernd; -ENOMEM. On failure *ret is untouched.
 */
int report_read(struct report *ret, const char *json, size_t len)
	__attribute__((warn_unused_result));
void report_done(struct report *r);

#endif
