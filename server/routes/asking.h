/* What the routes share that ask the backend: reading what is asked for, and passing on why there is no answer. */
#ifndef QUERN_SERVER_ROUTES_ASKING_H
#define QUERN_SERVER_ROUTES_ASKING_H

#include "server/backend/backend.h"
#include "server/http/refusal.h"
#include "server/route.h"

#include <stdint.h>

/* Of a key: longer than any that the lab has, and a bound. */
#define ASKING_KEY_BYTES 512

/* Why a call had no usable answer: 502, 503 or 504. Not for BACKEND_OK. */
void asking_refuse(struct http_refusal *refusal, const struct backend_reply *reply);

/* From the call's beginning until the loop came round to the answer, us. */
uint64_t asking_seen_us(const struct backend_reply *reply);

/* ?key=, copied: the caller frees it. False: *refusal says why. */
bool asking_read_key(struct exchange *x, char **ret, size_t *ret_len, struct http_refusal *refusal)
	__attribute__((warn_unused_result));

/* Makes it a GET of the key, which is borrowed. */
void asking_get(struct backend_call *call, const char *key, size_t len);

/* Microseconds as milliseconds with three decimals. */
void asking_put_ms(struct buffer *out, uint64_t us);

#endif
