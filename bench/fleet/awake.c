#include "bench/fleet/awake.h"

#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The CPUs that have no thread yet: each thread takes one away. */
static cpu_set_t left;
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;

static cpu_set_t take_one(void)
{
	cpu_set_t one;
	size_t cpu = 0;

	CPU_ZERO(&one);
	(void)pthread_mutex_lock(&left_lock);
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &left))
		cpu++;
	CPU_CLR(cpu, &left);
	(void)pthread_mutex_unlock(&left_lock);
	CPU_SET(cpu, &one);
	return one;
}

/* Without SCHED_IDLE it would be in everybody's way: then rather not. */
static void *spin(void *unused)
{
	const struct sched_param lowest = {.sched_priority = 0};
	const cpu_set_t one = take_one();

	(void)unused;
	if (sched_setaffinity(0, sizeof one, &one) != 0 ||
		sched_setscheduler(0, SCHED_IDLE, &lowest) != 0)
		return NULL;
	for (;;) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield");
#endif
	}
}

/*
 * The kernel divides CPUs among sessions first (sched(7), autogroup), and there a session of nothing
 * but SCHED_IDLE threads counts as much as any other: a worker that computes would get half of its
 * CPU. So this has a session of its own with the least share there is. The file is missing where there
 * are no such groups.
 */
static int step_back(void)
{
	if (setsid() < 0)
		return -errno;
	const int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	const int result = write(fd, "19", 2) == 2 ? 0 : -errno;
	(void)close(fd);
	return result;
}

static _Noreturn void run(pid_t parent)
{
	pthread_t thread;

	/* The parent may have gone before prctl(). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || step_back() < 0 ||
		sched_getaffinity(0, sizeof left, &left) != 0)
		_exit(1);
	for (int i = CPU_COUNT(&left); i > 0; i--)
		(void)pthread_create(&thread, NULL, spin, NULL);
	for (;;)
		(void)pause();
}

void awake_start(struct awake *ret)
{
	const pid_t parent = getpid();
	const pid_t pid = fork();

	if (pid == 0)
		run(parent);
	ret->pid = pid > 0 ? pid : 0;
}

void awake_stop(struct awake *a)
{
	if (a->pid == 0)
		return;
	(void)kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	a->pid = 0;
}

uint64_t awake_cpu_us(const struct awake *a)
{
	return a->pid ? clock_cpu_of_us(a->pid) : 0;
}
