/* What the routes share that ask the backend: reading what is asked for, and passing on why there is no answer. */
#ifndef QUERN_SERVER_ROUTES_ASKING_H
#define QUERN_SERVER_ROUTES_ASKING_H

#include "server/backend/backend.h"
#include "server/http/refusal.h"
#include "server/route.h"
#include "server/work.h"

#include <stdint.h>

/* Of a key: longer than any that the lab has, and a bound. */
#define ASKING_KEY_BYTES 512

/* Why a call had no usable answer: 502, 503 or 504. Not for BACKEND_OK. */
void asking_refuse(struct http_refusal *refusal, const struct backend_reply *reply);

/* From the call's beginning until the loop came round to the answer, us. */
uint64_t asking_seen_us(const struct backend_reply *reply);

/* Work that asks for one key begins with this. */
struct asking {
	struct work work;
	char *key;		     /* owned; the call's word */
	struct http_refusal refusal; /* status 0: there is none */
};

/* ?key= becomes the call, a GET. */
enum work_next asking_begin(struct work *w, struct exchange *x);

void asking_done(struct work *w);

#endif
