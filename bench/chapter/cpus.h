/* Which CPUs a chapter's server has, and which ones everything else has. */
#ifndef QUERN_BENCH_CHAPTER_CPUS_H
#define QUERN_BENCH_CHAPTER_CPUS_H

#include "lib/buffer.h"

#include <sched.h>
#include <stdbool.h>

#define CPUS_BYTES 4096

struct cpus {
	unsigned count;		       /* that this process may use */
	char first[16];		       /* the server's */
	char all_but_last[CPUS_BYTES]; /* those of a server that has no one core */
	char rest
		[CPUS_BYTES]; /* all but the first, or the last one for such a server: see cpus_rest() */
	char last[16];
};

void cpus_find(struct cpus *ret);

/* Where everything but the server runs. */
const char *cpus_rest(const struct cpus *c, bool same_core);

struct cpus_place {
	cpu_set_t set;
	bool moved;
};

/* Moves the calling thread. 0 or -errno with a sentence. */
int cpus_move(const char *list, struct cpus_place *ret_before, struct buffer *error)
	__attribute__((warn_unused_result));
void cpus_return(const struct cpus_place *before);

#endif
