#include "server/lag.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int arm(struct lag *l)
{
	struct itimerspec at = {
		.it_value.tv_sec = (time_t)(l->due_us / 1000000u),
		.it_value.tv_nsec = (long)(l->due_us % 1000000u) * 1000,
	};

	if (timerfd_settime(l->fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		return -errno;
	stats_set(&l->server->stats->lag_due_us, l->due_us);
	return 0;
}

static void publish_losses(struct lag *l)
{
	uint64_t lost = log_lost();

	stats_add(&l->server->stats->log_lost, lost - l->log_lost);
	l->log_lost = lost;
}

/* Not while somebody waits for a job. */
static void give_memory_back(struct lag *l)
{
	struct http_server *s = l->server;

	if (stats_get(&s->stats->queue) > 0 || !trim_is_due(&l->trim, s->open, s->peak, s->now_us))
		return;
	trim_memory(&l->trim, s->open, s->now_us);
	s->peak = s->open;
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct lag *l = arg;
	struct stats_seat *stats = l->server->stats;
	(void)fd;
	(void)what;

	http_server_wake(l->server);
	uint64_t now = l->server->now_us;
	uint64_t late = now > l->due_us ? now - l->due_us : 0;
	stats_set(&stats->lag_us, late);
	histogram_record(&stats->loop_lag, late);
	if (late > LAG_FULL_US)
		stats_add(&stats->loop_full, 1);
	publish_losses(l);
	if (l->on_tick)
		l->on_tick(l->arg);
	/* One sample a period, however late it was: a stall counts once, with its length. Arming
	 * clears the expiry. */
	l->due_us = now + LAG_PERIOD_US;
	int error = arm(l);
	if (error)
		log_error("the loop's timer cannot be set: error %d", -error);
	http_server_settle(l->server);
	give_memory_back(l);
}

int lag_init(struct lag *l, struct event_base *base, struct http_server *server)
{
	*l = (struct lag){.server = server, .fd = -1, .log_lost = log_lost()};
	l->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->fd < 0)
		return -errno;
	l->event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_due, l);
	if (!l->event || event_add(l->event, NULL) != 0)
		return -ENOMEM;
	l->due_us = clock_us() + LAG_PERIOD_US;
	return arm(l);
}

void lag_done(struct lag *l)
{
	publish_losses(l);
	if (l->event)
		event_free(l->event);
	if (l->fd >= 0)
		(void)close(l->fd);
}
