/* What `quern-bench load` was asked for: its options, checked against each other. */
#ifndef QUERN_BENCH_LOAD_COMMAND_LOAD_H
#define QUERN_BENCH_LOAD_COMMAND_LOAD_H

#include "bench/cli.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are those of the command line; NULL: not given. A path may be "-", at most one of them. */
struct load_settings {
	const char *url;
	const char *arrivals; /* never NULL */
	const char *mix;
	const char *json, *hdr, *record, *service_hist;
	double rate_rps;      /* 0: as a trace was recorded */
	uint64_t duration_us; /* 0: until `requests`; both 0: until the end of a trace */
	uint64_t requests;
	uint64_t warmup_us, timeout_us, max_lateness_us;
	uint64_t connections;
	uint64_t seed;	  /* given, or drawn */
	double precision; /* share of 1; 0: not asked for */
	bool realtime, insecure;
};

/*
 * c is filled in for messages that come later. BENCH_GO_ON, or the exit code; whatever was wrong
 * has been said.
 */
int load_settings_parse(struct load_settings *ret, struct cli *c, int argc, char **argv);

/* Some output goes to standard output, which holds nothing else then. */
bool load_settings_take_stdout(const struct load_settings *s);

#endif
