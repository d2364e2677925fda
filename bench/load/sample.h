/* One request of a load, as the generator saw it. Times are in us since the start of the run. */
#ifndef QUERN_BENCH_LOAD_SAMPLE_H
#define QUERN_BENCH_LOAD_SAMPLE_H

#include <stdint.h>

/* `status` of requests that got no answer; real statuses are 100 to 599. */
enum sample_failure {
	SAMPLE_CONNECT = 1, /* no connection could be made */
	SAMPLE_RESET,	    /* the connection ended before the answer was complete */
	SAMPLE_TIMEOUT,	    /* no whole answer within the timeout, counted from the intended send */
	SAMPLE_BROKEN,	    /* what came was no HTTP answer (or TLS failed) */
	SAMPLE_UNFINISHED,  /* still under way, or not yet sent, when the run was broken off */
	SAMPLE_FAILURES
};

struct sample {
	double intended_us;
	double due_us; /* when the generator came round to it; due - intended is its own lateness */
	double sent_us; /* first byte written; later than due while no connection was free; -1: never */
	double done_us;	 /* last byte of the answer, or when it failed */
	double asked_us; /* see mix_request */
	double queue_us; /* Server-Timing of the answer: queue;dur= (ms there); -1 without */
	double service_us; /* the dur of the entry that is the request's own work, i.e. neither queue nor total; -1 without */
	int32_t worker; /* Server-Timing: worker;desc="N"; -1 without */
	uint16_t status;
	uint16_t template_index;
};

/* A failure, or a status of 400 and above. */
static inline int sample_is_error(const struct sample *s)
{
	return s->status < 200 || s->status >= 400;
}

/*
 * The name of a failure or the status's number: "timeout", "503". Static or in text (8 bytes
 * suffice for a status).
 */
const char *sample_status_name(unsigned status, char text[8]);

#endif
