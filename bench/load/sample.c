#include "bench/load/sample.h"

#include <stddef.h>
#include <stdio.h>

const char *sample_status_name(unsigned status, char text[8])
{
	static const char *const failures[SAMPLE_FAILURES] = {
		[SAMPLE_CONNECT] = "connect",
		[SAMPLE_RESET] = "reset",
		[SAMPLE_TIMEOUT] = "timeout",
		[SAMPLE_BROKEN] = "broken",
		[SAMPLE_UNFINISHED] = "unfinished",
	};

	if (status < SAMPLE_FAILURES && failures[status])
		return failures[status];
	(void)snprintf(text, 8, "%u", status % 10000);
	return text;
}
