#include "bench/chapter/cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(char *list, size_t cpu)
{
	const size_t len = strlen(list);

	if (len < CPUS_BYTES - 16)
		(void)snprintf(list + len, CPUS_BYTES - len, "%s%zu", len ? "," : "", cpu);
}

void cpus_find(struct cpus *ret)
{
	cpu_set_t set;
	unsigned seen = 0;

	*ret = (struct cpus){.count = 0};
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return;
	ret->count = (unsigned)CPU_COUNT(&set);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (seen == 0)
			(void)snprintf(ret->first, sizeof ret->first, "%zu", i);
		else
			add(ret->rest, i);
		if (++seen < ret->count)
			add(ret->all_but_last, i);
		else
			(void)snprintf(ret->last, sizeof ret->last, "%zu", i);
	}
}

const char *cpus_rest(const struct cpus *c, bool same_core)
{
	return same_core ? c->rest : c->last;
}

int cpus_move(const char *list, struct cpus_place *ret_before, struct buffer *error)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
		CPU_SET((size_t)strtoul(at, NULL, 10) % CPU_SETSIZE, &set);
	ret_before->moved = sched_getaffinity(0, sizeof ret_before->set, &ret_before->set) == 0 &&
			    sched_setaffinity(0, sizeof set, &set) == 0;
	if (ret_before->moved)
		return 0;
	const int why = errno;
	buffer_printf(error, "cannot run on CPU %s: %s", list, strerror(why));
	return -why;
}

void cpus_return(const struct cpus_place *before)
{
	if (before->moved)
		(void)sched_setaffinity(0, sizeof before->set, &before->set);
}
