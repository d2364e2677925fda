/*
 * drive -t TARGETS [options] HOST PORT: requests at a steady rate whatever comes back (an open loop), each answer compared
 * with what it must be. A request's latency counts from the time at which it was due. Nothing is ever sent again.
 *
 *   -t FILE  what to ask, see targets.h         -o FILE  results as JSON, see tally.c
 *   -r N     requests a second (1000)           -s N     seconds (10); SIGTERM and SIGINT end it earlier
 *   -c N     connections kept for reuse (200)   -f N     percent of requests on a new connection (5)
 *   -p N     percent in pipelined pairs (2)     -w N     percent sent slowly, in two pieces (1)
 *   -l N     late is above so many ms (1000)    -T N     ms until a request is given up (40000)
 *   -S N     seed
 *
 * Says "driving" when it begins and one line at the end. Exits with 0 if all answers were right (or 503 with Retry-After),
 * 1 if not, 2 if it could not run.
 */
#include "lib/clock.h"
#include "lib/random.h"
#include "tests/faults/link.h"
#include "tests/faults/tally.h"
#include "tests/faults/targets.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS 256
#define SWEEP_US 100000u /* between two looks for requests that take too long */
#define SLOW_MIN_US 2000u
#define SLOW_MAX_US 30000u
#define SPARE_DESCRIPTORS 32
#define CONNECTIONS_MAX 20000u
#define BEHIND_MAX                                                                                 \
	500 /* requests that are caught up with in one go, before answers are looked at */

static volatile sig_atomic_t stopped;

struct drive {
	double rate, seconds;
	unsigned keep, fresh, pipelined, slow, late_ms, timeout_ms, seed;
	const char *targets_file, *json_file;
	struct targets targets;
	struct links links;
	struct tally tally;
	struct random random;
	uint64_t begun_us, due; /* due: requests that were due so far */
};

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* --- the command line */

static unsigned number_of(const char *text)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > 100000000) {
		fprintf(stderr, "drive: \"%s\" is no number\n", text);
		exit(2);
	}
	return (unsigned)n;
}

static double seconds_of(const char *text)
{
	char *end;
	const double seconds = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(seconds > 0 && seconds < 1e8)) {
		fprintf(stderr, "drive: \"%s\" is no number of seconds\n", text);
		exit(2);
	}
	return seconds;
}

static bool parse(struct drive *d, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:o:r:s:c:f:p:w:l:T:S:")) != -1) {
		switch (option) {
		case 't':
			d->targets_file = optarg;
			break;
		case 'o':
			d->json_file = optarg;
			break;
		case 'r':
			d->rate = number_of(optarg);
			break;
		case 's':
			d->seconds = seconds_of(optarg);
			break;
		case 'c':
			d->keep = number_of(optarg);
			break;
		case 'f':
			d->fresh = number_of(optarg);
			break;
		case 'p':
			d->pipelined = number_of(optarg);
			break;
		case 'w':
			d->slow = number_of(optarg);
			break;
		case 'l':
			d->late_ms = number_of(optarg);
			break;
		case 'T':
			d->timeout_ms = number_of(optarg);
			break;
		case 'S':
			d->seed = number_of(optarg);
			break;
		default:
			return false;
		}
	}
	return d->targets_file && d->rate > 0 && argc - optind == 2;
}

static bool resolve(struct links *s, const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	const int error = getaddrinfo(host, port, &hints, &found);

	if (error) {
		fprintf(stderr, "drive: %s %s: %s\n", host, port, gai_strerror(error));
		return false;
	}
	memcpy(&s->address, found->ai_addr, found->ai_addrlen);
	s->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* As many connections as the process may have. */
static size_t connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 512;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 512;
	return limit.rlim_cur < CONNECTIONS_MAX + SPARE_DESCRIPTORS
		       ? (size_t)limit.rlim_cur - SPARE_DESCRIPTORS
		       : CONNECTIONS_MAX;
}

/* --- what is asked, and when */

static uint64_t due_us(const struct drive *d)
{
	return d->begun_us + (uint64_t)((double)d->due * 1e6 / d->rate);
}

static bool chance(struct drive *d, unsigned percent)
{
	return random_below(&d->random, 100) < percent;
}

/* What asks for the connection to be closed can only be the last one on it. */
static const struct target *draw(struct drive *d, bool last)
{
	const struct target *t;

	do
		t = &d->targets.entry[random_below(&d->random, d->targets.count)];
	while (t->closes && !last);
	return t;
}

/* The next request, or a pair of them at the time of the first. */
static void ask(struct drive *d)
{
	const struct target *target[LINK_PIPELINE];
	const uint64_t intended_us = due_us(d), now_us = clock_us();
	/* A pair is two requests, so half the percentage of beginnings. */
	const unsigned n = random_below(&d->random, 200) < d->pipelined ? LINK_PIPELINE : 1;
	struct manner how = {.fresh = chance(d, d->fresh)};

	if (chance(d, d->slow))
		how.pause_us = SLOW_MIN_US + random_below(&d->random, SLOW_MAX_US - SLOW_MIN_US);
	for (unsigned i = 0; i < n; i++)
		target[i] = draw(d, i + 1 == n);
	if (now_us - intended_us > d->tally.send_lag_us)
		d->tally.send_lag_us = now_us - intended_us;
	links_ask(&d->links, target, n, &how, intended_us, now_us);
	d->due += n;
}

static void wait_for_events(struct drive *d, uint64_t until_us)
{
	struct epoll_event event[EVENTS];
	const uint64_t now_us = clock_us(), wait_us = until_us > now_us ? until_us - now_us : 0;
	const struct timespec t = {
		.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
	const int n = epoll_pwait2(d->links.epoll, event, EVENTS, &t, NULL);

	if (n < 0 && errno != EINTR)
		d->links.failure = -errno;
	for (int i = 0; i < n; i++)
		links_event(&d->links, event[i].data.ptr, event[i].events);
}

/* Until the time is up, and then until the last answer is there. */
static void run(struct drive *d)
{
	uint64_t sweep_us = clock_us() + SWEEP_US;
	const uint64_t end_us = d->begun_us + (uint64_t)(d->seconds * 1e6);

	while (d->links.failure == 0) {
		const uint64_t now_us = clock_us();
		const bool over = stopped || now_us >= end_us;
		uint64_t until_us = sweep_us;

		if (over && !links_busy(&d->links))
			return;
		for (int i = 0; !over && i < BEHIND_MAX && due_us(d) <= clock_us(); i++)
			ask(d);
		if (!over && due_us(d) < until_us)
			until_us = due_us(d);
		if (d->links.paused > 0) {
			links_resume(&d->links, now_us);
			if (now_us + SLOW_MIN_US < until_us)
				until_us = now_us + SLOW_MIN_US;
		}
		if (now_us >= sweep_us) {
			links_expire(&d->links, (uint64_t)d->timeout_ms * 1000, now_us);
			sweep_us = now_us + SWEEP_US;
		}
		wait_for_events(d, until_us);
	}
}

static int report(struct drive *d)
{
	const double seconds = (double)(clock_us() - d->begun_us) / 1e6;
	struct rusage usage;

	tally_print(&d->tally, stdout, seconds);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		printf("drive: used %.0f %% of a CPU\n",
			100 *
				((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
					(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
						1e6) /
				seconds);
	if (d->json_file) {
		FILE *f = fopen(d->json_file, "w");

		if (!f) {
			perror(d->json_file);
			return 2;
		}
		tally_write_json(&d->tally, f, seconds);
		if (fclose(f) != 0) {
			perror(d->json_file);
			return 2;
		}
	}
	if (d->links.failure) {
		fprintf(stderr, "drive: %s\n", strerror(-d->links.failure));
		return 2;
	}
	return tally_failed(&d->tally) > 0;
}

int main(int argc, char **argv)
{
	struct drive d = {.rate = 1000,
		.seconds = 10,
		.keep = 200,
		.fresh = 5,
		.pipelined = 2,
		.slow = 1,
		.late_ms = 1000,
		.timeout_ms = 40000,
		.seed = 1};
	const struct sigaction action = {.sa_handler = on_signal};

	if (!parse(&d, argc, argv)) {
		fprintf(stderr, "usage: drive -t TARGETS [options] HOST PORT, see drive.c\n");
		return 2;
	}
	int error = targets_read(&d.targets, d.targets_file);
	if (error == 0)
		error = tally_init(&d.tally, (uint64_t)d.late_ms * 1000);
	if (error == 0)
		error = links_init(&d.links, &d.tally, d.keep, connections_max());
	if (error) {
		fprintf(stderr, "drive: %s: %s\n", d.targets_file, strerror(-error));
		return 2;
	}
	if (!resolve(&d.links, argv[optind], argv[optind + 1]))
		return 2;
	if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
		prctl(PR_SET_TIMERSLACK, 50000) != 0) {
		perror("drive");
		return 2;
	}
	random_init(&d.random, d.seed, 0);
	puts("driving");
	fflush(stdout);
	d.begun_us = clock_us();
	run(&d);
	const int status = report(&d);
	links_done(&d.links);
	tally_done(&d.tally);
	targets_done(&d.targets);
	return status;
}
