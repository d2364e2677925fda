/* When a fleet takes work: what quernd's status and HAProxy's statistics say. */
#ifndef QUERN_BENCH_FLEET_READY_H
#define QUERN_BENCH_FLEET_READY_H

#include "lib/buffer.h"

#include <stddef.h>

/* How many workers are ready, from /status.json; -EPROTO for anything else. */
int ready_workers(const struct buffer *status_json);

/*
 * How many of HAProxy's servers of the backend "workers" are up, from /stats;csv; -EPROTO for
 * anything else.
 */
int ready_servers(const struct buffer *csv);

#endif
