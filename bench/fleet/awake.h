/*
 * Keeps the CPUs awake while a fleet is measured. A worker that sleeps instead of computing leaves its
 * CPU idle, and a CPU that has gone to sleep takes 50 to 100 us to come back (a virtual one has to be
 * scheduled by its host first). In a fleet that really computes CPUs are not asleep at high
 * utilization, so emulated service would be charged for something that belongs to the emulation
 * alone. One process with a thread on each CPU spins under SCHED_IDLE: whoever else wants the CPU gets
 * it at once.
 *
 * Measured with one worker behind HAProxy, 5 ms of service, on two virtual CPUs: the hand-over of a
 * request from HAProxy's queue took 0.26 ms without and 0.08 ms with it.
 */
#ifndef QUERN_BENCH_FLEET_AWAKE_H
#define QUERN_BENCH_FLEET_AWAKE_H

#include <stdint.h>
#include <sys/types.h>

struct awake {
	pid_t pid; /* 0: none runs */
};

/* A thread for each CPU that this process may use. They end with the calling thread. Where it fails
 * CPUs sleep as usual. */
void awake_start(struct awake *ret);
void awake_stop(struct awake *a);

/* CPU time used so far. */
uint64_t awake_cpu_us(const struct awake *a);

#endif
