/*
 * How a worker leaves without a request being lost: it tells, it waits until it was heard, it empties its accept queue,
 * it finishes what it has. Decisions only, no sockets: times in, what to do out.
 *
 * RETIRE: nobody takes the worker's place (scaling down, stopping). Health checks get 404 from the first moment on, and
 * the door stays open until every HAProxy that checks has had time to see that: one period of checks
 * (HEALTH_CHECK_MS) and a bit after the drain began, and a moment after the last 404 that came later because the loop
 * was blocked; at most half of the drain's time. Where nobody has checked lately, nobody needs the time.
 * HAND_OVER: another worker already accepts on the same socket. The door closes at once, and health checks that still
 * come on old connections are answered 200, since the slot goes on.
 *
 * In both, connections are not cut while they are idle: each one's next answer says `Connection: close`, or where more
 * requests have come already, the answer to the last of them. Those that stay quiet are closed when they have been so for
 * long enough that no request can be on its way, see drain_idle_us().
 */
#ifndef QUERN_SERVER_DRAIN_H
#define QUERN_SERVER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

enum drain_kind { DRAIN_NONE, DRAIN_RETIRE, DRAIN_HAND_OVER };

/* Zeroed: no drain. */
struct drain {
	enum drain_kind kind;
	bool balanced;	   /* behind HAProxy */
	uint64_t began_us; /* clock_us() */
	uint64_t limit_us; /* workers.drain_ms */
	uint64_t
		checked_us; /* when the last health check came, here or before in the slot; 0: never */
	uint64_t refused; /* 404s given to health checks */
};

/* A health check was answered at now_us; to be told of all of them, from the worker's first moment on. */
void drain_note_check(struct drain *d, uint64_t now_us);

/* Begins. A drain that has begun goes on as it is: a RETIRE after a HAND_OVER, or the other way round, has no effect. */
void drain_begin(
	struct drain *d, enum drain_kind kind, bool balanced, uint64_t limit_us, uint64_t now_us);

/* Whether health checks are to be told that the worker leaves. */
bool drain_refuses_checks(const struct drain *d);

/* From when on no new connections are to be accepted, as far as is known now: a later check may move it. UINT64_MAX
 * without a drain. */
uint64_t drain_door_us(const struct drain *d);

/* Whether that is so at now_us. */
bool drain_closes_door(const struct drain *d, uint64_t now_us);

/*
 * How long a connection may stay idle before it is closed, counted from the drain's begin: behind HAProxy, which sends a
 * request again that met a closed connection, 300 ms, and in a RETIRE until it has seen the 404. Other clients would see
 * a reset instead of an answer, so without HAProxy it is half of the drain's time.
 */
uint64_t drain_idle_us(const struct drain *d);

/* How long requests and answers under way may take at most: half of the drain's time. */
uint64_t drain_client_us(const struct drain *d);

#endif
