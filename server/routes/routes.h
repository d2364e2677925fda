/* The handlers, one file per family. Each fills x->reply and never fails otherwise. */
#ifndef QUERN_SERVER_ROUTES_ROUTES_H
#define QUERN_SERVER_ROUTES_ROUTES_H

#include "server/route.h"

/* picture.c: the QR code of a text, as JSON with a data URL, or in the format asked for. */
void route_root(struct exchange *x);
void route_qr(struct exchange *x);

/* health.c: whether this worker takes work. */
void route_healthz(struct exchange *x);

/* lab.c: ?us= microseconds of blocking the loop, asleep or busy. */
void route_lab_sleep(struct exchange *x);
void route_lab_burn(struct exchange *x);

/* lab.c: ?bytes= bytes of a fixed text, without any work. */
void route_lab_constant(struct exchange *x);

#endif
