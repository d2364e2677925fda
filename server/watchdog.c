#include "server/watchdog.h"

/* A round this often, or as often as a fifth of the limit if that is shorter: a worker that does not even take SIGABRT is
 * to be replaced within the limit and a second, of which WATCHDOG_GRACE_US is half and the loop's timer a tenth. */
#define PERIOD_US UINT64_C(200000)
/* A round that comes later than this, or than a quarter of the limit, tells that the master itself was away. */
#define LATE_US UINT64_C(1000000)
#define DISTRUST_US UINT64_C(1000000)

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void watchdog_set(struct watchdog *w, uint64_t limit_us, uint64_t now_us)
{
	const uint64_t next_us = now_us + smaller(limit_us / 5, PERIOD_US);

	if (limit_us == 0)
		w->due_us = UINT64_MAX;
	else if (w->limit_us == 0)
		w->due_us = next_us;
	else
		/* Never later than it was, or one who sets it again and again would keep it from looking. */
		w->due_us = smaller(w->due_us, next_us);
	w->limit_us = limit_us;
}

bool watchdog_round(struct watchdog *w, uint64_t now_us)
{
	if (w->limit_us == 0)
		return false;
	if (now_us > w->due_us && now_us - w->due_us > smaller(w->limit_us / 4, LATE_US))
		w->trust_us = now_us + DISTRUST_US;
	w->due_us = now_us + smaller(w->limit_us / 5, PERIOD_US);
	return now_us >= w->trust_us;
}

static uint64_t since(uint64_t sign_us, uint64_t now_us)
{
	return now_us > sign_us ? now_us - sign_us : 0;
}

static uint64_t loop_silence_us(const struct stats_seat *s, uint64_t now_us)
{
	/* The latest sign of all: what an earlier worker left behind is older than the fork of this one. */
	const uint64_t spawned_us = stats_get(&s->spawned_us), ready_us = stats_get(&s->ready_us);

	if (ready_us == 0)
		return since(spawned_us, now_us);
	return since(larger(spawned_us, larger(ready_us, stats_get(&s->lag_due_us))), now_us);
}

/* A thread that is in one job for so long hangs as a loop would. */
static uint64_t pool_silence_us(const struct stats_seat *s, uint64_t now_us)
{
	const uint64_t ready_us = stats_get(&s->ready_us), pool_us = stats_get(&s->pool_since_us);

	return ready_us != 0 && pool_us != 0 ? since(larger(ready_us, pool_us), now_us) : 0;
}

/* All threads may share one CPU. */
static uint64_t patience(const struct stats_seat *s)
{
	return larger(stats_get(&s->pool_threads), 1);
}

uint64_t watchdog_silence_us(const struct stats_seat *s, uint64_t now_us)
{
	if (atomic_load_explicit(&s->pid, memory_order_relaxed) == 0)
		return 0;
	return watchdog_blames_thread(s, now_us) ? pool_silence_us(s, now_us)
						 : loop_silence_us(s, now_us);
}

bool watchdog_blames_thread(const struct stats_seat *s, uint64_t now_us)
{
	/* A loop that hangs no longer tells what the threads do. */
	return loop_silence_us(s, now_us) < pool_silence_us(s, now_us) / patience(s) / 2;
}

bool watchdog_is_hung(const struct watchdog *w, const struct stats_seat *s, uint64_t now_us)
{
	if (w->limit_us == 0 || atomic_load_explicit(&s->pid, memory_order_relaxed) == 0)
		return false;
	return loop_silence_us(s, now_us) > w->limit_us ||
	       pool_silence_us(s, now_us) > w->limit_us * patience(s);
}
