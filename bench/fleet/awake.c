#include "bench/fleet/awake.h"

#include "lib/clock.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void spin(size_t cpu, pid_t parent)
{
	const struct sched_param lowest = {.sched_priority = 0};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Without SCHED_IDLE it would be in everybody's way. The parent may have gone before prctl(). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
		sched_setaffinity(0, sizeof set, &set) != 0 ||
		sched_setscheduler(0, SCHED_IDLE, &lowest) != 0)
		_exit(1);
	for (;;) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

void awake_start(struct awake *ret)
{
	const pid_t parent = getpid();
	cpu_set_t set;

	ret->count = 0;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE && ret->count < AWAKE_MOST; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		const pid_t pid = fork();

		if (pid == 0)
			spin(cpu, parent);
		if (pid > 0)
			ret->pid[ret->count++] = pid;
	}
}

void awake_stop(struct awake *a)
{
	for (unsigned i = 0; i < a->count; i++)
		(void)kill(a->pid[i], SIGKILL);
	for (unsigned i = 0; i < a->count; i++)
		while (waitpid(a->pid[i], NULL, 0) < 0 && errno == EINTR)
			continue;
	a->count = 0;
}

uint64_t awake_cpu_us(const struct awake *a)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < a->count; i++)
		sum += clock_cpu_of_us(a->pid[i]);
	return sum;
}
