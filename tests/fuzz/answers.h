/*
 * What a server answered on one connection, held against what was sent there: an answer for each request, in order, all
 * of them well-formed, none that nobody asked for.
 */
#ifndef QUERN_TESTS_FUZZ_ANSWERS_H
#define QUERN_TESTS_FUZZ_ANSWERS_H

#include "lib/buffer.h"
#include "server/http/parse.h"

#include <stdbool.h>

struct answers {
	unsigned count; /* whole ones, 100 Continue left out */
	bool missing; /* the next request was whole and got none, though the connection could have lived on */
	bool cut; /* the last one is not whole */
};

/*
 * Aborts where something is wrong. limits are those that the server had, in any order. What was sent from byte `closing` on
 * came when the server was about to end, so that the last one of its answers must say so.
 */
struct answers answers_check(const struct buffer *sent, const struct buffer *got, size_t closing,
	const struct http_limits *limits, unsigned limits_known);

#endif
