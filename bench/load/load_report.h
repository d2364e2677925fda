/* A load's result in its formats. None of them holds a request's text. */
#ifndef QUERN_BENCH_LOAD_LOAD_REPORT_H
#define QUERN_BENCH_LOAD_LOAD_REPORT_H

#include "bench/load/recorder.h"

#include <jansson.h>

struct load_report {
	const char *url;
	const char *arrivals; /* arrival_name() */
	const struct mix *mix;
	uint64_t seed;
	const struct recorder *recorder;
	const struct load_totals *totals;
	const char *void_reason; /* NULL: it counts */
};

/* For people: aligned columns, units, intervals; 100 columns at most. */
void load_report_table(const struct load_report *r, struct buffer *out);

/* The object of `load --json` (docs/lab.md); a new reference, NULL without memory. */
json_t *load_report_json(const struct load_report *r);

/*
 * HdrHistogram's percentile text (Value Percentile TotalCount 1/(1-Percentile), values in ms), as
 * wrk2 prints it and HdrHistogram's plotter reads it.
 */
void load_report_hdr(const struct quantiles *latency, struct buffer *out);

/*
 * --record: a header line that begins with "# ", then one line per measured request, in the order
 * in which they ended, with these columns, divided by tabs. Times are in us since the start of the
 * run, with three decimals; "-" stands for what is not known.
 *
 *   intended_us  when the arrival process wanted it to be sent: latency is done_us - intended_us
 *   sent_us      when its first byte was written; "-" if it never was
 *   done_us      when the last byte of its answer had come, or when it failed
 *   status       of the answer, or connect, reset, timeout, broken, unfinished (bench/load/sample.h)
 *   worker       as Server-Timing told
 *   queue_us     the server's own wait, as Server-Timing told
 *   service_us   the server's own work, as Server-Timing told
 *   due_us       when the generator came round to it: its lateness is due_us - intended_us
 *   asked_us     the service time that {us:...} drew
 *   template     from 0, in the order of the mix
 */
extern const char load_record_head[];			/* with its newline */
int load_record_line(FILE *to, const struct sample *s); /* 0 or -errno */

/*
 * Service times as a histogram file (bench/model/service.h). `comment`, one line, stands at its
 * top.
 */
void load_report_service_hist(
	const struct quantiles *service, const char *comment, struct buffer *out);

#endif
