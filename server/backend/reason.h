/* What went wrong with a call, in words for the client: printable ASCII, whatever Redis has sent. For server/backend/ only. */
#ifndef QUERN_SERVER_BACKEND_REASON_H
#define QUERN_SERVER_BACKEND_REASON_H

#include "server/backend/link.h"

#include <stddef.h>
#include <stdint.h>

/* Each writes at most n bytes, NUL included. where is Redis's address. */

/* How a link ended. retry_us: until the next attempt to connect, for LINK_REFUSED. */
void reason_of_end(
	char *text, size_t n, const char *where, const struct link_ending *e, uint64_t retry_us);

/* What a call has spent its time with. */
enum lateness {
	LATE_WAITING, /* most of it: for a connection */
	LATE_CONNECTING,
	LATE_ASKED,
};

/* For a call whose time has passed. */
void reason_of_lateness(char *text, size_t n, const char *where, enum lateness spent, uint64_t us);

/* For an answer that the call did not ask for. False: it is what was wanted, and nothing is written. */
bool reason_of_answer(
	char *text, size_t n, const char *where, const struct answer *a, bool wants_list);

#endif
