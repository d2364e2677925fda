/*
 * What a stage is measured on: its services and its server, brought up on ports of their own, and what is known of them
 * from outside. All end when this process does, and stand_stop() leaves nothing running.
 */
#ifndef QUERN_BENCH_CHAPTER_STAND_H
#define QUERN_BENCH_CHAPTER_STAND_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/variables.h"
#include "bench/fleet/watch.h"
#include "lib/buffer.h"

#include <signal.h>

struct stand_places {
	const char *build;	      /* where the programs are; absolute */
	const char *services, *peers; /* bench/services, bench/peers; absolute */
	const char *logs;	      /* a directory that is there */
	const char *server_cpus, *all_but_last, *rest_cpus;
	const volatile sig_atomic_t *stop; /* ends waiting; NULL: none */
};

struct stand; /* opaque */

/*
 * Prepares (what was prepared by this process before is not again), starts and fills. 0; -ENOPKG: something that it needs is
 * not there, or could not be prepared; -EINTR by stop; -errno; each with a sentence.
 */
int stand_start(struct stand **ret, const struct chapter_stage *stage,
	const struct stand_places *places, struct buffer *error)
	__attribute__((warn_unused_result));
void stand_stop(struct stand *s);

const char *stand_url(const struct stand *s);	  /* "http://127.0.0.1:12345" */
const char *stand_address(const struct stand *s); /* "127.0.0.1:12345" */
const char *stand_admin(const struct stand *s);	  /* of quernd; NULL: a peer */
void stand_watch(const struct stand *s, struct watch *ret);
const struct variables *stand_variables(const struct stand *s);

/* CPU time in us of all living processes of the services, and of a peer beyond its first process. */
void stand_cpu(const struct stand *s, uint64_t *ret_services_us, uint64_t *ret_peer_us);

/* 0; -ECHILD with a sentence, if something has died. */
int stand_check(struct stand *s, struct buffer *error) __attribute__((warn_unused_result));

#endif
