/*
 * Header fields of a response: those that say where its body ends, whether the connection goes on,
 * and Server-Timing.
 */
#ifndef QUERN_BENCH_LOAD_RESPONSE_FIELD_H
#define QUERN_BENCH_LOAD_RESPONSE_FIELD_H

#include "bench/load/response.h"

/*
 * One line of the head, not empty, without its end. false: it breaks the grammar, or contradicts an
 * earlier one.
 */
bool response_field(struct response *r, const char *line, size_t len)
	__attribute__((warn_unused_result));

#endif
