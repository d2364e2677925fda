#include "config/config.h"
#include "config/cpus.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT                                                                                   \
	"33 24 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define CPUSET_MOUNT "34 24 0:31 / /sys/fs/cgroup/cpuset rw shared:10 - cgroup cgroup rw,cpuset\n"

static char root[] = "/tmp/quern-cpus-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	memset(root + sizeof root - 7, 'X', 6);
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes root/path, making its directories. */
static void put(const char *path, const char *content)
{
	char full[PATH_MAX];

	snprintf(full, sizeof full, "%s/%s", root, path);
	for (char *slash = full + sizeof root; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		mkdir(full, 0700);
	}
	FILE *file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_true(cpus_quota(root) == INT64_MAX);
	put("proc/self/cgroup", "0::/app\n");
	assert_true(cpus_quota(root) == INT64_MAX);
	put("proc/self/mountinfo", V2_MOUNT);
	assert_true(cpus_quota(root) == INT64_MAX);
	put("proc/self/cgroup", "rubbish\n0\n:\n::\n0::\n");
	put("proc/self/mountinfo",
		"rubbish\n\n1 2 3 4 5 6\n1 2 3 4 5 6 - \n1 2 3 4 5 6 7 - cgroup2\n");
	assert_true(cpus_quota(root) == INT64_MAX);
}

static void test_v2(void **state)
{
	(void)state;
	put("proc/self/cgroup", "0::/app\n");
	put("proc/self/mountinfo", CPUSET_MOUNT V2_MOUNT);
	put("sys/fs/cgroup/app/cpu.max", "max 100000\n");
	assert_true(cpus_quota(root) == INT64_MAX);
	put("sys/fs/cgroup/app/cpu.max", "200000 100000\n");
	assert_int_equal(cpus_quota(root), 2);
	put("sys/fs/cgroup/app/cpu.max", "200001 100000\n");
	assert_int_equal(cpus_quota(root), 3);
	put("sys/fs/cgroup/app/cpu.max", "10000 100000\n");
	assert_int_equal(cpus_quota(root), 1);
	put("sys/fs/cgroup/app/cpu.max", "300000 50000\n");
	assert_int_equal(cpus_quota(root), 6);
	put("sys/fs/cgroup/app/cpu.max", "rubbish\n");
	assert_true(cpus_quota(root) == INT64_MAX);
	put("sys/fs/cgroup/app/cpu.max", "100000 0\n");
	assert_true(cpus_quota(root) == INT64_MAX);
}

/* The least of all groups above counts, wherever it is set; groups beside do not. */
static void test_v2_above(void **state)
{
	(void)state;
	put("proc/self/cgroup", "0::/a/b/c\n");
	put("proc/self/mountinfo", V2_MOUNT);
	put("sys/fs/cgroup/a/b/c/cpu.max", "700000 100000\n");
	put("sys/fs/cgroup/a/beside/cpu.max", "100000 100000\n");
	assert_int_equal(cpus_quota(root), 7);
	put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("sys/fs/cgroup/a/cpu.max", "300000 100000\n");
	assert_int_equal(cpus_quota(root), 3);
	put("sys/fs/cgroup/a/b/c/cpu.max", "200000 100000\n");
	assert_int_equal(cpus_quota(root), 2);
	/* A container's own root has a quota as well. */
	put("sys/fs/cgroup/cpu.max", "100000 100000\n");
	assert_int_equal(cpus_quota(root), 1);
}

static void test_v1(void **state)
{
	(void)state;
	put("proc/self/cgroup", "5:cpuset:/\n4:cpu,cpuacct:/app/web\n0::/\n");
	put("proc/self/mountinfo", CPUSET_MOUNT V1_MOUNT);
	put("sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n");
	put("sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
	put("sys/fs/cgroup/cpu,cpuacct/app/web/cpu.cfs_quota_us", "-1\n");
	put("sys/fs/cgroup/cpu,cpuacct/app/web/cpu.cfs_period_us", "100000\n");
	assert_true(cpus_quota(root) == INT64_MAX);
	put("sys/fs/cgroup/cpu,cpuacct/app/web/cpu.cfs_quota_us", "450000\n");
	assert_int_equal(cpus_quota(root), 5);
	put("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "150000\n");
	put("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus_quota(root), 2);
}

/* Docker with cgroup v1: the container's group is mounted where the host has the root. */
static void test_part_of_the_tree(void **state)
{
	(void)state;
	put("proc/self/cgroup", "4:cpu:/docker/4f/sub\n");
	put("proc/self/mountinfo",
		"33 24 0:30 /docker/4f /sys/fs/cg\\040cpu rw - cgroup cgroup rw,cpu\n");
	put("sys/fs/cg cpu/cpu.cfs_quota_us", "400000\n");
	put("sys/fs/cg cpu/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus_quota(root), 4);
	put("sys/fs/cg cpu/sub/cpu.cfs_quota_us", "200000\n");
	put("sys/fs/cg cpu/sub/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus_quota(root), 2);

	/* A group outside of the mount: what is mounted holds, nothing below it is taken for the
	 * group. */
	put("proc/self/cgroup", "4:cpu:/docker/4fff/sub\n");
	assert_int_equal(cpus_quota(root), 4);
	put("proc/self/cgroup", "4:cpu:/../sub\n");
	assert_int_equal(cpus_quota(root), 4);
}

static void test_both_versions(void **state)
{
	(void)state;
	put("proc/self/cgroup", "4:cpu,cpuacct:/\n0::/app\n");
	put("proc/self/mountinfo", V1_MOUNT V2_MOUNT);
	put("sys/fs/cgroup/app/cpu.max", "500000 100000\n");
	put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
	put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cpus_quota(root), 3);
	put("sys/fs/cgroup/app/cpu.max", "100000 100000\n");
	assert_int_equal(cpus_quota(root), 1);
}

static void test_affinity(void **state)
{
	cpu_set_t before;
	cpu_set_t one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	assert_in_range(config_usable_cpus(), 1, CPU_COUNT(&before));

	size_t cpu = 0;
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(config_usable_cpus(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_v2, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_v2_above, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_v1, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_part_of_the_tree, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_both_versions, make_root, remove_root),
		cmocka_unit_test(test_affinity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
