/* The CPU quota of cgroups, apart from config_usable_cpus() so that a test can show it a tree of
 * its own. */
#ifndef QUERN_CONFIG_CPUS_H
#define QUERN_CONFIG_CPUS_H

#include <stdint.h>

/*
 * The least CPU quota of this process's group and every group above it that is mounted, v2
 * (cpu.max) and v1 (cpu.cfs_quota_us), in CPUs, rounded up. INT64_MAX when there is none, or
 * nothing can be read. root goes before every path, /proc/self included; "" is the real one.
 */
int64_t cpus_quota(const char *root);

#endif
