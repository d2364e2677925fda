#include "config/cpus.h"

#include "config/config.h"
#include "lib/number.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 65536 /* where the search for the size of the kernel's mask ends */

/* Where the CPU controller of a cgroup hierarchy is mounted. */
struct mount {
	char group[PATH_MAX]; /* the group that is visible at `point` */
	char point[PATH_MAX];
};

/* The first line of root + directory + name, without its newline. 0, or -1. */
static int read_line(
	const char *root, const char *directory, const char *name, char *line, size_t n)
{
	char path[2 * PATH_MAX];

	if (snprintf(path, sizeof path, "%s%s%s", root, directory, name) >= (int)sizeof path)
		return -1;
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	const bool got = fgets(line, (int)n, file) != NULL;
	fclose(file);
	if (!got)
		return -1;
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

/* quota / period in whole CPUs, rounded up; INT64_MAX for "max" and -1, which mean none. */
static int64_t quota_in_cpus(const char *quota, const char *period)
{
	int64_t quota_us;
	int64_t period_us;

	if (number_parse_int(&quota_us, quota, strlen(quota), 1, INT64_MAX / 2) < 0 ||
		number_parse_int(&period_us, period, strlen(period), 1, INT64_MAX / 2) < 0)
		return INT64_MAX;
	return (quota_us + period_us - 1) / period_us;
}

/* cpu.max: "max 100000" or "150000 100000". */
static int64_t quota_v2(const char *root, const char *group)
{
	char line[128];

	if (read_line(root, group, "/cpu.max", line, sizeof line) < 0)
		return INT64_MAX;
	char *blank = strchr(line, ' ');
	if (!blank)
		return INT64_MAX;
	*blank = '\0';
	return quota_in_cpus(line, blank + 1);
}

static int64_t quota_v1(const char *root, const char *group)
{
	char quota[64];
	char period[64];

	if (read_line(root, group, "/cpu.cfs_quota_us", quota, sizeof quota) < 0 ||
		read_line(root, group, "/cpu.cfs_period_us", period, sizeof period) < 0)
		return INT64_MAX;
	return quota_in_cpus(quota, period);
}

/* Whether word is one of the words between the commas of list[0..len). */
static bool list_has(const char *list, size_t len, const char *word)
{
	const size_t word_len = strlen(word);

	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		const size_t n = comma ? (size_t)(comma - list) : len;
		if (n == word_len && memcmp(list, word, n) == 0)
			return true;
		list += comma ? n + 1 : n;
		len -= comma ? n + 1 : n;
	}
	return false;
}

/* mountinfo writes blanks in paths as \040. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned int byte;
		if (*from == '\\' && sscanf(from + 1, "%3o", &byte) == 1) {
			*to = (char)byte;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Reads one line of mountinfo; true when it mounts the hierarchy looked for. */
static bool parse_mount(struct mount *ret, char *line, bool v2)
{
	char *fields[6];
	char *rest = line;

	/* 36 35 98:0 /group /point rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct */
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		fields[i] = strsep(&rest, " ");
		if (!rest)
			return false;
	}
	char *separator = strncmp(rest, "- ", 2) == 0 ? rest : strstr(rest, " - ");
	if (!separator)
		return false;
	rest = separator + (*separator == '-' ? 2 : 3);
	const char *type = strsep(&rest, " ");
	(void)strsep(&rest, " ");
	if (!rest)
		return false;
	if (v2 ? strcmp(type, "cgroup2") != 0
	       : strcmp(type, "cgroup") != 0 || !list_has(rest, strcspn(rest, "\n"), "cpu"))
		return false;
	unescape(fields[3]);
	unescape(fields[4]);
	snprintf(ret->group, sizeof ret->group, "%s", fields[3]);
	snprintf(ret->point, sizeof ret->point, "%s", fields[4]);
	return true;
}

static bool find_mount(struct mount *ret, const char *root, bool v2)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getline(&line, &size, file) > 0)
		found = parse_mount(ret, line, v2);
	free(line);
	fclose(file);
	return found;
}

/* The least quota from the group up to the mount's own. What group names outside of the mount
 * cannot be seen. */
static int64_t least_quota(const char *root, const struct mount *mount, const char *group, bool v2)
{
	const size_t above = strcmp(mount->group, "/") == 0 ? 0 : strlen(mount->group);
	char path[2 * PATH_MAX];
	int64_t least = INT64_MAX;

	const bool visible = strncmp(group, mount->group, above) == 0 &&
			     (!group[above] || group[above] == '/') && !strstr(group, "/..");
	snprintf(path, sizeof path, "%s%s", mount->point, visible ? group + above : "");
	for (;;) {
		const int64_t quota = v2 ? quota_v2(root, path) : quota_v1(root, path);
		if (quota < least)
			least = quota;
		char *slash = strrchr(path, '/');
		if (!slash || strlen(path) <= strlen(mount->point))
			return least;
		*slash = '\0';
	}
}

/* One line of /proc/self/cgroup: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1). */
static int64_t quota_of_line(const char *root, char *line)
{
	struct mount mount;

	line[strcspn(line, "\n")] = '\0';
	char *controllers = strchr(line, ':');
	char *group = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!group)
		return INT64_MAX;
	controllers++;
	const bool v2 = controllers == group;
	if (!v2 && !list_has(controllers, (size_t)(group - controllers), "cpu"))
		return INT64_MAX;
	if (!find_mount(&mount, root, v2))
		return INT64_MAX;
	return least_quota(root, &mount, group + 1, v2);
}

int64_t cpus_quota(const char *root)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	int64_t least = INT64_MAX;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	FILE *file = fopen(path, "re");
	if (!file)
		return INT64_MAX;
	while (getline(&line, &size, file) > 0) {
		const int64_t quota = quota_of_line(root, line);
		if (quota < least)
			least = quota;
	}
	free(line);
	fclose(file);
	return least;
}

/* CPUs in the affinity mask. The kernel says EINVAL to a mask that is smaller than its own, so try
 * larger ones. */
static int64_t affinity_cpus(void)
{
	for (int cpus = CPU_SETSIZE; cpus <= CPUS_MAX; cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC((size_t)cpus);
		const size_t size = CPU_ALLOC_SIZE((size_t)cpus);
		if (!set)
			return 1;
		const int result =
			sched_getaffinity(0, size, set) < 0 ? -errno : CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (result > 0)
			return result;
		if (result != -EINVAL)
			return 1;
	}
	return 1;
}

int64_t config_usable_cpus(void)
{
	const int64_t affinity = affinity_cpus();
	const int64_t quota = cpus_quota("");
	const int64_t cpus = affinity < quota ? affinity : quota;

	return cpus > 0 ? cpus : 1;
}
