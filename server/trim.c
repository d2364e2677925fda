#include "server/trim.h"

#include <stdlib.h> /* tells which C library it is */
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define CROWD 100 /* their bodies, of 64 KiB as it is by default, are some MiB */
#define FEW 16	  /* not worth another look */
#define PAUSE_US 1000000u

bool trim_is_due(struct trim *t, uint64_t open, uint64_t peak, uint64_t now_us)
{
	if (peak >= CROWD)
		t->crowd = true;
	return t->crowd && open <= peak / 2 && now_us >= t->last_us + PAUSE_US;
}

void trim_memory(struct trim *t, uint64_t open, uint64_t now_us)
{
	t->last_us = now_us;
	/* Those who are still here leave one after the other: each time when half of them have. */
	t->crowd = open >= FEW;
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}
