/*
 * A world for an event loop under a fuzzer: time passes only as the fuzzer wants it, and nothing is waited for, so that a
 * run takes the same way each time. The calls of libevent are met by functions of the same name here, those of our own
 * files by the linker's --wrap (tests/fuzz/run).
 *
 * Whenever the loop looks for events, the world calls `turn` first. If nothing has happened then and the loop would
 * wait, time jumps to what it waits for, but only when `turn` says so.
 */
#ifndef QUERN_TESTS_FUZZ_VIRTUAL_H
#define QUERN_TESTS_FUZZ_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

struct virtual_world {
	bool (*turn)(bool waits); /* the loop would wait; true: time may jump */
	uint64_t now_us;	  /* CLOCK_MONOTONIC */
	unsigned polls, events;	  /* so far: looks for events, and those that had any */
	int refuse_accept;	  /* what the next accept4() fails with; 0: nothing */
	int send_bytes;		  /* SO_SNDBUF of sockets that are accepted; 0: as usual */
	unsigned accepted;
};

extern struct virtual_world virtual_world;

/* A new world, some time after boot. */
void virtual_begin(bool (*turn)(bool waits));
void virtual_end(void);

#endif
