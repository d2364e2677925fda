/* When a request came to the fleet: HAProxy's stamp if there is one, else when it was whole here.
 */
#ifndef QUERN_SERVER_ARRIVAL_H
#define QUERN_SERVER_ARRIVAL_H

#include "server/http/conn.h"
#include "server/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * How long the request in hand has waited at now_us (CLOCK_MONOTONIC). X-Request-Start:
 * t=<microseconds since the epoch> counts if it lies between a minute ago and now; one that does
 * not is counted in stats->bad_start. stamped: requests come by HAProxy; from others no stamp is
 * believed.
 *
 * Where this host's wall clock is set forward, a stamp from before is taken for what it was: the step does not make the
 * requests under way look old. (Out of the range, they count as those whose stamp is of no use.)
 */
uint64_t arrival_waited_us(
	const struct http_conn *c, uint64_t now_us, bool stamped, struct stats_seat *stats);

#endif
