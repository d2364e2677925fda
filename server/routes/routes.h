/*
 * The handlers, one file per family. Each fills x->reply and never fails otherwise. And the classes of work, for routes
 * that can be cut, done by a thread, or wait for the backend.
 */
#ifndef QUERN_SERVER_ROUTES_ROUTES_H
#define QUERN_SERVER_ROUTES_ROUTES_H

#include "server/route.h"
#include "server/work.h"

/* picture.c: the QR code of a text, as JSON with a data URL, or in the format asked for. */
void route_root(struct exchange *x);
void route_qr(struct exchange *x);
/* The same, for a thread to do. */
extern const struct work_class work_root, work_qr;

/* health.c: whether this worker takes work. */
void route_healthz(struct exchange *x);

/* lab.c: ?us= microseconds, asleep or busy. */
extern const struct work_class work_sleep, work_burn;

/* lab.c: SHA-256, again and again. */
extern const struct work_class work_hash;

/* lab.c: ?bytes= bytes of a fixed text, without any work. */
void route_lab_constant(struct exchange *x);

/* lookup.c: one GET to the backend. */
extern const struct work_class work_lookup;

/* history.c: all rows of one user, each at a fixed cost. */
extern const struct work_class work_history;

/* latency.c: two GETs in series, each timed by the loop and by the kernel. */
extern const struct work_class work_latency;

#endif
