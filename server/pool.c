#include "server/pool.h"

#include "lib/clock.h"
#include "server/backtrace.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Told in one callback; the loop looks for input before it hears of further ones. */
#define DONE_PER_TURN 8

STAILQ_HEAD(pool_jobs, pool_job);

struct lane {
	struct pool *pool;
	unsigned number;
	pthread_t thread;
	uint64_t since_us; /* of the job that it is in; 0: none. Under the lock */
};

struct pool {
	struct pool_options options;
	int done_fd; /* eventfd: something was done */
	struct event *done_event;
	pthread_mutex_t lock;
	pthread_cond_t pushed;
	struct pool_jobs waiting, done; /* under the lock, as are the next three */
	unsigned queued, active;
	uint64_t spent_us; /* in the jobs that were put back; under the lock */
	bool ends;
	unsigned started; /* lanes that have a thread */
	struct lane lane[];
};

/* The next job, or NULL when the pool ends. Called and left with the lock held. */
static struct pool_job *take(struct lane *l)
{
	struct pool *p = l->pool;
	struct pool_job *job;

	while (!p->ends && STAILQ_EMPTY(&p->waiting))
		(void)pthread_cond_wait(&p->pushed, &p->lock);
	if (p->ends)
		return NULL;
	job = STAILQ_FIRST(&p->waiting);
	STAILQ_REMOVE_HEAD(&p->waiting, link);
	p->queued--;
	p->active++;
	l->since_us = clock_us();
	return job;
}

static void put_back(struct lane *l, struct pool_job *job)
{
	struct pool *p = l->pool;

	STAILQ_INSERT_TAIL(&p->done, job, link);
	p->active--;
	p->spent_us += job->end_us - job->start_us;
	l->since_us = 0;
}

static void tell(const struct pool *p)
{
	const uint64_t one = 1;

	/* EAGAIN: it has been told 2^64 - 2 times and not heard; EINTR is no matter of threads without signals. */
	(void)!write(p->done_fd, &one, sizeof(one));
}

static void *work(void *arg)
{
	struct lane *l = arg;
	struct pool *p = l->pool;
	struct pool_job *job;

	backtrace_add_thread(l->number);
	(void)pthread_mutex_lock(&p->lock);
	while ((job = take(l))) {
		job->start_us = l->since_us;
		job->lane = l->number;
		(void)pthread_mutex_unlock(&p->lock);
		backtrace_set_at_work(true);
		job->run(job);
		backtrace_set_at_work(false);
		job->end_us = clock_us();
		(void)pthread_mutex_lock(&p->lock);
		put_back(l, job);
		tell(p);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- on the loop */

static struct pool_job *next_done(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	struct pool_job *job = STAILQ_FIRST(&p->done);
	if (job)
		STAILQ_REMOVE_HEAD(&p->done, link);
	(void)pthread_mutex_unlock(&p->lock);
	return job;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;
	uint64_t count;
	(void)what;

	/* Read before looking, so that what is done afterwards is told again. */
	(void)!read(fd, &count, sizeof(count));
	for (unsigned i = 0; i < DONE_PER_TURN; i++) {
		job = next_done(p);
		if (!job)
			return;
		p->options.on_done(job, p->options.arg);
	}
	/* Whoever is told may push more, and threads be quicker than the loop. If there is nothing left, one look is lost. */
	tell(p);
}

/* Threads inherit the mask of who makes them: signals are the loop's. */
static int start_threads(struct pool *p)
{
	sigset_t all, before;
	int error = 0;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < p->options.threads && !error; i++) {
		p->lane[i] = (struct lane){.pool = p, .number = i};
		error = pthread_create(&p->lane[i].thread, NULL, work, &p->lane[i]);
		if (!error)
			p->started++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

int pool_new(struct pool **ret, const struct pool_options *options)
{
	struct pool *p = calloc(1, sizeof(*p) + options->threads * sizeof(p->lane[0]));
	int error = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->options = *options;
	STAILQ_INIT(&p->waiting);
	STAILQ_INIT(&p->done);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->pushed, NULL);
	p->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->done_fd < 0) {
		error = -errno;
		goto fail;
	}
	p->done_event = event_new(options->base, p->done_fd, EV_READ | EV_PERSIST, on_done, p);
	if (!p->done_event || event_add(p->done_event, NULL) != 0)
		goto fail;
	error = start_threads(p);
	if (error)
		goto fail;
	*ret = p;
	return 0;
fail:
	pool_free(p);
	return error;
}

static void end_threads(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->ends = true;
	(void)pthread_cond_broadcast(&p->pushed);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->started; i++)
		(void)pthread_join(p->lane[i].thread, NULL);
}

void pool_free(struct pool *p)
{
	struct pool_job *job;

	if (!p)
		return;
	end_threads(p);
	STAILQ_CONCAT(&p->done, &p->waiting);
	while ((job = next_done(p)))
		p->options.on_done(job, p->options.arg);
	if (p->done_event)
		event_free(p->done_event);
	if (p->done_fd >= 0)
		(void)close(p->done_fd);
	(void)pthread_cond_destroy(&p->pushed);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

bool pool_has_room(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	bool room = p->queued + p->active < p->options.threads + p->options.queue;
	(void)pthread_mutex_unlock(&p->lock);
	return room;
}

void pool_push(struct pool *p, struct pool_job *job)
{
	assert(pool_has_room(p));
	job->start_us = job->end_us = 0;
	(void)pthread_mutex_lock(&p->lock);
	STAILQ_INSERT_TAIL(&p->waiting, job, link);
	p->queued++;
	(void)pthread_cond_signal(&p->pushed);
	(void)pthread_mutex_unlock(&p->lock);
}

struct pool_load pool_load_of(struct pool *p)
{
	struct pool_load load = {0};

	(void)pthread_mutex_lock(&p->lock);
	const uint64_t now_us = p->active > 0 ? clock_us() : 0;
	load.queued = p->queued;
	load.active = p->active;
	load.spent_us = p->spent_us;
	for (unsigned i = 0; i < p->started; i++) {
		const uint64_t since_us = p->lane[i].since_us;

		if (since_us == 0)
			continue;
		load.spent_us += now_us - since_us;
		if (!load.oldest_us || since_us < load.oldest_us)
			load.oldest_us = since_us;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return load;
}

uint64_t pool_cpu_us(struct pool *p)
{
	uint64_t sum_us = 0;

	for (unsigned i = 0; i < p->started; i++) {
		struct timespec spent;
		clockid_t clock;

		if (pthread_getcpuclockid(p->lane[i].thread, &clock) == 0 &&
			clock_gettime(clock, &spent) == 0)
			sum_us +=
				(uint64_t)spent.tv_sec * 1000000u + (uint64_t)spent.tv_nsec / 1000u;
	}
	return sum_us;
}
