/* Ports that a fleet can listen on. */
#ifndef QUERN_BENCH_FLEET_PORTS_H
#define QUERN_BENCH_FLEET_PORTS_H

#include <stdint.h>

/*
 * The first of `count` ports in a row on 127.0.0.1 that nothing listened on a moment ago, from
 * 10000 to 32767: above that are those that outgoing connections take. 0 or -EADDRINUSE. Somebody
 * may be quicker: the caller tries again then.
 */
int ports_find(unsigned count, uint16_t *ret_first) __attribute__((warn_unused_result));

#endif
