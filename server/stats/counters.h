/*
 * The plain counters of struct stats_seat, once: status.json and /metrics are both written from
 * this table.
 */
#ifndef QUERN_SERVER_STATS_COUNTERS_H
#define QUERN_SERVER_STATS_COUNTERS_H

#include "server/stats/stats.h"

#include <stddef.h>

struct counter {
	const char *name;   /* in status.json: that of the field */
	size_t offset;	    /* in struct stats_seat */
	const char *metric; /* in /metrics; with the metric of the row before, it adds a label */
	const char *label;  /* further label with its value, or NULL */
	const char *help;   /* as # HELP; NULL where the row before has said it */
};

#define COUNTERS 17 /* asserted against the table */
extern const struct counter counters[COUNTERS];

/* A slot's figures are the sums of both of its seats. */
uint64_t counter_get(const struct stats_slot *s, const struct counter *c);

/* Answers of a route with stats_status[status]. */
uint64_t counter_answers(const struct stats_slot *s, enum stats_route route, size_t status);

/* The histogram at `offset` in struct stats_seat. */
void counter_histogram(const struct stats_slot *s, size_t offset, struct histogram_copy *ret);

#endif
