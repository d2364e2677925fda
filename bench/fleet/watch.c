#include "bench/fleet/watch.h"

#include "bench/fleet/fetch.h"
#include "bench/fleet/watch_metrics.h"
#include "lib/clock.h"
#include "lib/number.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE_MS 5000

/* --- processes ------------------------------------------------------------------------------------------------- */

static int look_at_pids(const struct watch *w, struct watch_look *ret, struct buffer *error)
{
	if (w->pid_count > WATCH_WORKERS_MOST) {
		buffer_printf(error, "%u processes; allowed: at most %d", w->pid_count,
			WATCH_WORKERS_MOST);
		return -EINVAL;
	}
	for (unsigned i = 0; i < w->pid_count; i++) {
		const uint64_t cpu_us = clock_cpu_of_us(w->pids[i]);

		if (cpu_us == 0) {
			buffer_printf(error, "process %d is gone", (int)w->pids[i]);
			return -ESRCH;
		}
		ret->worker[i] = (struct watch_worker){.pid = w->pids[i], .cpu_us = cpu_us};
	}
	ret->workers = w->pid_count;
	return 0;
}

static int look_at_admin(const struct watch *w, struct watch_look *ret, struct buffer *error)
{
	struct buffer page;

	buffer_init(&page);
	int result = fetch_page(w->admin, "/metrics", PAGE_MS, &page, error);
	if (result == 0 && watch_metrics_read(ret, page.data, page.len) != 0) {
		buffer_printf(error,
			"http://%s/metrics does not tell of any worker that is ready: is it the "
			"admin address of a quernd?",
			w->admin);
		result = -EPROTO;
	}
	buffer_done(&page);
	return result;
}

static uint64_t own_cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* --- the machine ----------------------------------------------------------------------------------------------- */

/* "cpu  user nice system idle iowait irq softirq steal ...", in ticks. */
static int look_at_machine(struct watch_look *ret, struct buffer *error)
{
	char text[512];
	int64_t ticks[8] = {0};
	const int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	const int why = errno;

	if (fd >= 0)
		(void)close(fd);
	if (n < 5 || memcmp(text, "cpu ", 4) != 0) {
		buffer_printf(error, "/proc/stat: %s", n < 0 ? strerror(why) : "cannot be read");
		return n < 0 ? -why : -EPROTO;
	}
	const char *at = text + 4, *end = text + n;
	for (size_t i = 0; i < 8; i++) {
		while (at < end && *at == ' ')
			at++;
		size_t len = 0;
		while (at + len < end && at[len] >= '0' && at[len] <= '9')
			len++;
		if (number_parse_int(&ticks[i], at, len, 0, INT64_MAX) != 0)
			break;
		at += len;
	}
	const uint64_t tick_us = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	ret->machine_idle_us = (uint64_t)(ticks[3] + ticks[4]) * tick_us;
	ret->machine_steal_us = (uint64_t)ticks[7] * tick_us;
	return 0;
}

int watch_look(const struct watch *w, struct watch_look *ret, struct buffer *error)
{
	int result;

	*ret = (struct watch_look){.at_us = clock_us()};
	if (w->admin)
		result = look_at_admin(w, ret, error);
	else
		result = look_at_pids(w, ret, error);
	if (result < 0)
		return result;
	if (w->balancer)
		ret->balancer_cpu_us = clock_cpu_of_us(w->balancer);
	if (w->awake)
		ret->awake_cpu_us = awake_cpu_us(w->awake);
	ret->own_cpu_us = own_cpu_us();
	ret->told_idle = w->admin != NULL;
	return look_at_machine(ret, error);
}

/* --- between two looks ----------------------------------------------------------------------------------------- */

static double since(uint64_t later, uint64_t earlier)
{
	return later > earlier ? (double)(later - earlier) : 0;
}

static double at_least_0(double value)
{
	return value > 0 ? value : 0;
}

static void share_of_worker(const struct watch_look *a, const struct watch_look *b, unsigned i,
	double wall_us, struct watch_shares *ret)
{
	const struct watch_worker *from = &a->worker[i], *to = &b->worker[i];

	ret->cpu[i] = since(to->cpu_us, from->cpu_us) / wall_us;
	ret->busy[i] = ret->cpu[i];
	if (b->told_idle)
		ret->busy[i] = at_least_0(1 - since(to->idle_us, from->idle_us) / wall_us);
	ret->jobs += since(to->jobs, from->jobs);
	if (to->restarts != from->restarts || to->pid != from->pid || to->slot != from->slot)
		ret->restarted = 1;
}

void watch_between(const struct watch_look *a, const struct watch_look *b, struct watch_shares *ret)
{
	const double wall_us = b->at_us > a->at_us ? (double)(b->at_us - a->at_us) : 1;
	const double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	double known = 0;

	*ret = (struct watch_shares){.workers = a->workers < b->workers ? a->workers : b->workers,
		.restarted = a->workers != b->workers};
	for (unsigned i = 0; i < ret->workers; i++) {
		share_of_worker(a, b, i, wall_us, ret);
		ret->busy_mean += ret->busy[i] / ret->workers;
		ret->busy_most = ret->busy[i] > ret->busy_most ? ret->busy[i] : ret->busy_most;
		known += ret->cpu[i];
	}
	ret->balancer = since(b->balancer_cpu_us, a->balancer_cpu_us) / wall_us;
	ret->own = since(b->own_cpu_us, a->own_cpu_us) / wall_us;
	/* What only keeps CPUs awake is in nobody's way. */
	ret->awake = since(b->awake_cpu_us, a->awake_cpu_us) / wall_us;
	const double idle = since(b->machine_idle_us, a->machine_idle_us) / wall_us + ret->awake;
	const double steal = since(b->machine_steal_us, a->machine_steal_us) / wall_us;
	ret->machine_idle = idle / cpus < 1 ? idle / cpus : 1;
	ret->machine_steal = steal / cpus;
	ret->others = at_least_0(cpus - idle - steal - known - ret->balancer - ret->own);
}
