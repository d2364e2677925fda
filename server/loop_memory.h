/*
 * libevent's small allocations, apart from everybody else's. It keeps an entry for each descriptor that it has ever seen,
 * up to its end; allocated among the connections of a crowd, those few bytes would hold each of the crowd's pages after it
 * has left.
 *
 * Up to LOOP_MEMORY_MOST bytes come from an address range of their own, reserved once, whose pages are taken as they are
 * needed and never given back; larger ones, and those that do not fit any more, from malloc(). Children have what their
 * parent had, each for itself. Not for several threads.
 */
#ifndef QUERN_SERVER_LOOP_MEMORY_H
#define QUERN_SERVER_LOOP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define LOOP_MEMORY_MOST 64u

/*
 * For this process and its children, once; to be called before anything of libevent's is made. 0, or -errno where the range
 * cannot be reserved: then malloc() serves all.
 */
int loop_memory_install(void) __attribute__((warn_unused_result));

/* What libevent is given, as malloc(3) has it: each takes what the others, or malloc(), have returned. */
void *loop_memory_new(size_t bytes);
void *loop_memory_resize(void *memory, size_t bytes);
void loop_memory_free(void *memory);

/* Whether it lies in the range. */
bool loop_memory_has(const void *memory);

#endif
