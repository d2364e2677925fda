#include "server/stats/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define START_FIELD 22

int process_start_ticks(pid_t pid, uint64_t *ret)
{
	char path[32], line[1024];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	const char *got = fgets(line, sizeof(line), f);
	(void)fclose(f);
	/* The second field is the program's name in parentheses, which may hold blanks and
	 * parentheses itself. */
	const char *at = got ? strrchr(line, ')') : NULL;
	for (int field = 2; at && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, " %" SCNu64, ret) != 1)
		return -EIO;
	return 0;
}
