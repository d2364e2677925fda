#include "bench/measure/measure.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define TIMEOUT_US 60000000u
#define CONNECTIONS_MOST 4000u
#define CONNECTIONS_LEAST 64u
#define OTHER_DESCRIPTORS 100u
#define DIGEST_MS 400
#define SECONDS_UNTIL_THE_NEXT_TICK 2

/* What the generator's thread tells the other one, through an eventfd that counts them. */
enum moment { WARM, ENOUGH, OVER, MOMENTS };

struct session {
	const struct measure_options *o;
	struct measure *m;

	/* Written by the generator's thread. */
	size_t capacity;
	_Atomic size_t stored; /* samples that the other thread may read */
	int event;
	bool said_warm;
	bool early; /* ended before its time, because p99 is known well enough */

	/* Written by the other thread. */
	atomic_bool narrow; /* p99 is known well enough */
	size_t taken;
	struct watch_look look[2]; /* at WARM and at ENOUGH */
	int looks;
	int failure;	   /* of a look */
	struct buffer why; /* owned */
};

/* --- the generator's thread ------------------------------------------------------------------------------------ */

static void on_sample(void *own, const struct sample *s)
{
	struct session *session = own;
	const size_t at = atomic_load_explicit(&session->stored, memory_order_relaxed);

	if (at == session->capacity) {
		session->m->too_many = true;
		return;
	}
	session->m->sample[at] = *s;
	atomic_store_explicit(&session->stored, at + 1, memory_order_release);
}

static void tell(struct session *session)
{
	const uint64_t one = 1;

	/* Fails only when the counter would overflow. */
	if (write(session->event, &one, sizeof one) < 0)
		session->m->too_many = true;
}

static bool on_tick(void *own, double elapsed_us)
{
	struct session *session = own;
	const struct measure_options *o = session->o;
	const double measured_s = (elapsed_us - session->m->warmup_us) / 1e6;

	if (!session->said_warm && measured_s >= 0) {
		session->said_warm = true;
		tell(session);
	}
	if (measured_s < o->most_s && (measured_s < o->least_s || !atomic_load(&session->narrow)))
		return false;
	session->early = measured_s < o->most_s;
	tell(session);
	return true;
}

/* --- the other thread ------------------------------------------------------------------------------------------ */

static void digest(struct session *session)
{
	struct measure *m = session->m;
	const size_t stored = atomic_load_explicit(&session->stored, memory_order_acquire);

	for (; session->taken < stored; session->taken++)
		if (m->sample[session->taken].intended_us >= m->warmup_us)
			recorder_take(&m->recorder, &m->sample[session->taken]);
}

static void judge(struct session *session)
{
	const struct measure *m = session->m;
	const struct batches *latency = &m->recorder.latency;
	const struct interval p99 = batches_interval(latency, 0.99);
	const double value = quantiles_at(&latency->all, 0.99);
	const double last = session->taken ? m->sample[session->taken - 1].done_us : 0;
	const struct measure_live live = {.elapsed_s = (last - m->warmup_us) / 1e6,
		.p99_us = value,
		.p99 = p99,
		.errors = m->recorder.errors};

	if (interval_relative(p99, value) <= session->o->precision)
		atomic_store(&session->narrow, true);
	if (session->o->show)
		session->o->show(session->o->own, &live);
}

static void look(struct session *session, int which)
{
	if (session->failure < 0)
		return;
	session->failure = watch_look(session->o->watch, &session->look[which], &session->why);
	session->looks += session->failure == 0;
}

static void *follow(void *own)
{
	struct session *session = own;
	int next = WARM;

	while (next < MOMENTS) {
		struct pollfd p = {.fd = session->event, .events = POLLIN};
		uint64_t one;

		if (poll(&p, 1, DIGEST_MS) > 0 &&
			read(session->event, &one, sizeof one) == (ssize_t)sizeof one) {
			if (next < OVER)
				look(session, next);
			next++;
			continue;
		}
		digest(session);
		judge(session);
	}
	digest(session);
	return NULL;
}

/* Signals are for the generator's thread, which waits for them. */
static int start_following(struct session *session, pthread_t *ret)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	const int result = -pthread_create(ret, NULL, follow, session);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

/* --- together -------------------------------------------------------------------------------------------------- */

int measure_load(struct load_options *o, struct load_totals *ret, struct buffer *error)
{
	const size_t before = error->len;

	o->realtime = true;
	int result = load_run(o, ret, error);
	if (result == -EPERM) {
		error->len = before;
		o->realtime = false;
		result = load_run(o, ret, error);
	}
	return result;
}

unsigned measure_connections(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return CONNECTIONS_LEAST;
	const rlim_t wanted = CONNECTIONS_MOST + OTHER_DESCRIPTORS;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
			return CONNECTIONS_LEAST;
	}
	if (limit.rlim_cur < CONNECTIONS_LEAST + OTHER_DESCRIPTORS)
		return CONNECTIONS_LEAST;
	const rlim_t left = limit.rlim_cur - OTHER_DESCRIPTORS;
	return left < CONNECTIONS_MOST ? (unsigned)left : CONNECTIONS_MOST;
}

static int run(struct session *session, struct buffer *error)
{
	const struct measure_options *o = session->o;
	struct measure *m = session->m;
	struct arrival arrival = {.kind = ARRIVAL_POISSON};
	/* Always ended by on_tick(), so that the second look is taken while the load is on. */
	struct load_options options = {.target = o->target,
		.mix = o->mix,
		.arrival = &arrival,
		.rate_rps = o->rate_rps,
		.seed = o->seed,
		.duration_us =
			(uint64_t)((o->warmup_s + o->most_s + SECONDS_UNTIL_THE_NEXT_TICK) * 1e6),
		.timeout_us = TIMEOUT_US,
		.connections = measure_connections(),
		.sink = on_sample,
		.tick = on_tick,
		.own = session,
		.stop = o->stop};
	pthread_t thread;

	int result = start_following(session, &thread);
	if (result < 0) {
		buffer_printf(error, "cannot start a thread: %s", strerror(-result));
		return result;
	}
	result = measure_load(&options, &m->totals, error);
	/* Whatever was not told yet: the other thread goes through all moments, and ends. */
	for (int i = 0; i < MOMENTS; i++)
		tell(session);
	(void)pthread_join(thread, NULL);
	return result;
}

/* The totals of the whole run become those of the measured part. */
static void leave_out_warmup(struct measure *m)
{
	struct load_totals *t = &m->totals;
	uint64_t measured = m->recorder.latency.all.count;

	t->warmup = t->intended > measured ? t->intended - measured : 0;
	t->intended = measured;
	t->elapsed_us -= m->warmup_us;
	t->elapsed_us = t->elapsed_us > 0 ? t->elapsed_us : 0;
	if (t->elapsed_us > 0)
		t->intended_rps = (double)measured / (t->elapsed_us / 1e6);
}

static int prepare(struct session *session, struct buffer *error)
{
	const struct measure_options *o = session->o;
	const double expected =
		o->rate_rps * (o->warmup_s + o->most_s + SECONDS_UNTIL_THE_NEXT_TICK);

	/* Six standard deviations of a Poisson number. */
	session->capacity = (size_t)(expected + 6 * sqrt(expected)) + 100;
	session->m->sample = calloc(session->capacity, sizeof *session->m->sample);
	if (!session->m->sample) {
		buffer_printf(error, "no memory for %.0f requests", (double)session->capacity);
		return -ENOMEM;
	}
	session->event = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	if (session->event >= 0)
		return 0;
	const int why = errno;
	buffer_printf(error, "eventfd: %s", strerror(why));
	return -why;
}

int measure_run(const struct measure_options *o, struct measure *ret, struct buffer *error)
{
	struct measure m = {.warmup_us = o->warmup_s * 1e6};
	struct session *session = calloc(1, sizeof *session);
	int result = recorder_init(&m.recorder, mix_templates(o->mix), false, NULL);

	if (!session || result < 0) {
		free(session);
		if (result == 0)
			recorder_done(&m.recorder);
		buffer_puts(error, "no memory is left");
		return -ENOMEM;
	}
	*session = (struct session){.o = o, .m = &m, .event = -1};
	result = prepare(session, error);
	if (result == 0)
		result = run(session, error);
	if (result == 0 && !m.totals.interrupted && session->failure < 0) {
		result = session->failure;
		buffer_append(error, session->why.data, session->why.len);
	}
	if (result == 0) {
		m.samples = atomic_load(&session->stored);
		m.totals.ended_early = session->early;
		leave_out_warmup(&m);
		/* Interrupted in the warm-up, both looks were taken at the end, with nothing in between. */
		if (session->looks == 2 && session->said_warm)
			watch_between(&session->look[0], &session->look[1], &m.shares);
	}
	if (session->event >= 0)
		(void)close(session->event);
	buffer_done(&session->why);
	free(session);
	if (result < 0)
		measure_done(&m);
	else
		*ret = m;
	return result;
}

void measure_done(struct measure *m)
{
	recorder_done(&m->recorder);
	free(m->sample);
	*m = (struct measure){.sample = NULL};
}
