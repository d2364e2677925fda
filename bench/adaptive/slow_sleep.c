/*
 * Makes the emulated work of one worker take longer (LD_PRELOAD): /lab/sleep waits by clock_nanosleep() until a time; in
 * the process whose pid stands in the file SLOW_SLEEP the wait is stretched by a factor. The file holds struct slow and
 * is mapped, so that it can be changed while the fleet runs. A worker is handicapped in its work alone; its HTTP is as
 * fast as the others'.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct slow {
	int32_t pid;
	int32_t percent; /* of the time that it would take */
};

static const volatile struct slow *slow;
static int (*next)(clockid_t, int, const struct timespec *, struct timespec *);

__attribute__((constructor)) static void find(void)
{
	const char *path = getenv("SLOW_SLEEP");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*slow), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		(void)close(fd);
	slow = at == MAP_FAILED ? NULL : at;
	*(void **)&next = dlsym(RTLD_NEXT, "clock_nanosleep");
}

static int64_t ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

__attribute__((visibility("default"))) int clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
	struct timespec now, later;

	if (!slow || slow->pid != getpid() || !(flags & TIMER_ABSTIME))
		return next(clock, flags, until, left);
	(void)clock_gettime(clock, &now);
	int64_t wait = ns(until) - ns(&now);
	int64_t end = ns(&now) + (wait > 0 ? wait * slow->percent / 100 : 0);
	later.tv_sec = end / 1000000000;
	later.tv_nsec = end % 1000000000;
	return next(clock, flags, &later, left);
}
