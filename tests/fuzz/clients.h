/*
 * Clients of a server that runs in a virtual world (virtual.h), as an input tells them to behave: one thing before each
 * look of the server's loop for events. Bytes are sent as they are, in one piece, up to the next '~', which begins a
 * command:
 *
 *   ~0 to ~7  the client from now on; it connects if it is not connected
 *   ~r        reads all that has come; clients read nothing of themselves until the end
 *   ~h ~x     closes its sending side; closes, with everything unread
 *   ~t C      time passes: 10 us, 1 ms, 50 ms, 1 s, 7 s, 1 min by C
 *   ~e C      the next accept4() fails: out of descriptors, ..., by C
 *
 * Others are told to `command`; those that nobody knows do nothing, for one turn.
 */
#ifndef QUERN_TESTS_FUZZ_CLIENTS_H
#define QUERN_TESTS_FUZZ_CLIENTS_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX 128 /* in a run */

struct client {
	int fd;	       /* -1: closed */
	bool left;     /* it has closed one side or both while answers could come */
	size_t marked; /* of sent, what was there at clients_mark() */
	struct buffer sent, got;
};

struct clients {
	const uint8_t *at, *end; /* what is left of the input */
	struct client client[CLIENTS_MAX];
	unsigned count;	 /* in the order in which they connected */
	unsigned quiet;	 /* looks in a row in which nothing came, after the input's end */
	bool ended;	 /* the server was told to end: clients_mark() */
	bool faults;	 /* an accept4() was to fail */
	unsigned marked; /* count at clients_mark() */
};

extern struct clients clients;

/*
 * A new world, in which a server shall be started on the listening socket that is returned (of family AF_UNIX). Each
 * command that is not known here goes to `command`; when nothing happens any more after the input's end, `end` is called.
 */
int clients_begin(
	const uint8_t *data, size_t size, void (*command)(uint8_t what), void (*end)(void));

/* The next n bytes of the input, or NULL where there are not as many. */
const uint8_t *clients_take(size_t n);

/* The server is being told to end. Only the first time counts. */
void clients_mark(void);

/* The server has ended: reads the rest and goes back to the real world. What was sent and got stays until clients_done(). */
void clients_end(void);

/* Forgets all, and closes the listener. */
void clients_done(void);

/* Descriptors that are open in this process, to be compared. */
unsigned clients_descriptors(void);

#endif
