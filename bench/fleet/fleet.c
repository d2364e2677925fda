#include "bench/fleet/fleet.h"

#include "bench/fleet/awake.h"
#include "bench/fleet/fetch.h"
#include "bench/fleet/fleet_config.h"
#include "bench/fleet/ports.h"
#include "bench/fleet/process.h"
#include "bench/fleet/ready.h"
#include "bench/output.h"
#include "lib/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 5
#define READY_MS 30000
#define POLL_MS 5
#define PAGE_MS 5000
#define GRACE_MS 3000
#define ADDRESS_BYTES 32

struct fleet {
	struct fleet_options options;
	char scratch[256]; /* a directory; empty: none yet */
	char url[ADDRESS_BYTES + 8];
	char front[ADDRESS_BYTES], admin[ADDRESS_BYTES], stats[ADDRESS_BYTES];
	pid_t quernd, haproxy; /* 0: not started */
	struct awake awake;
};

static const char *const scratch_files[] = {
	"quern.json", "haproxy.cfg", "quernd.log", "haproxy.log", "render.log"};

#define SCRATCH_FILES (sizeof scratch_files / sizeof *scratch_files)
#define PATH_BYTES 300

static char *path_of(const struct fleet *f, const char *name, char text[PATH_BYTES])
{
	(void)snprintf(text, PATH_BYTES, "%s/%s", f->scratch, name);
	return text;
}

/* --- configuration --------------------------------------------------------------------------------------------- */

/* Chooses addresses and writes quern.json. */
static int configure(struct fleet *f, struct buffer *error)
{
	char path[PATH_BYTES];
	uint16_t first;
	int result = ports_find(f->options.workers + 3, &first);

	if (result < 0) {
		buffer_printf(
			error, "no %u free ports in a row on 127.0.0.1", f->options.workers + 3);
		return result;
	}
	(void)snprintf(f->front, sizeof f->front, "127.0.0.1:%u", first);
	(void)snprintf(f->admin, sizeof f->admin, "127.0.0.1:%u", first + 1u);
	(void)snprintf(f->stats, sizeof f->stats, "127.0.0.1:%u", first + 2u);
	(void)snprintf(f->url, sizeof f->url, "http://%s", f->front);
	const struct fleet_addresses addresses = {f->front, f->admin, f->stats, first + 3u};
	json_t *object = fleet_config(&f->options, &addresses);
	result = object ? output_json(path_of(f, "quern.json", path), object) : -ENOMEM;
	json_decref(object);
	if (result < 0)
		buffer_printf(error, "cannot write %s: %s", path_of(f, "quern.json", path),
			strerror(-result));
	return result;
}

/* --- logs ------------------------------------------------------------------------------------------------------ */

/* "quernd has ended with status 1; the end of its log: ..." */
static void put_death(const struct fleet *f, const char *name, const char *log, struct buffer *to)
{
	char path[PATH_BYTES];

	buffer_printf(to, "%s has ended; the end of its log:\n", name);
	process_put_log_end(path_of(f, log, path), to);
}

/* Whether a log says that a port was taken: somebody was quicker. */
static bool was_port_taken(struct buffer *text)
{
	const char *words = buffer_cstring(text);

	return words && strcasestr(words, "address already in use");
}

/* --- start ----------------------------------------------------------------------------------------------------- */

static int start_quernd(struct fleet *f, struct buffer *error)
{
	struct buffer program;
	char config[PATH_BYTES], log[PATH_BYTES];

	buffer_init(&program);
	int result = process_find(&program, "quernd", error);
	if (result == 0) {
		char dash_c[] = "-c";
		char *const argv[] = {program.data, dash_c, path_of(f, "quern.json", config), NULL};

		result = process_start(&f->quernd, argv, path_of(f, "quernd.log", log),
			f->options.cpus_workers, error);
	}
	buffer_done(&program);
	return result;
}

static int render(struct fleet *f, struct buffer *error)
{
	struct buffer program;
	char config[PATH_BYTES], output[PATH_BYTES], log[PATH_BYTES];
	pid_t pid;

	buffer_init(&program);
	int result = process_find(&program, "quern-balancer", error);
	if (result == 0) {
		char verb[] = "render", dash_c[] = "-c", dash_o[] = "-o";
		char *const argv[] = {program.data, verb, dash_c, path_of(f, "quern.json", config),
			dash_o, path_of(f, "haproxy.cfg", output), NULL};

		result = process_start(&pid, argv, path_of(f, "render.log", log), NULL, error);
	}
	if (result == 0) {
		(void)process_await(pid, READY_MS);
		const int status = process_end(pid, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			put_death(f, "quern-balancer", "render.log", error);
			result = -EIO;
		}
	}
	buffer_done(&program);
	return result;
}

static int start_haproxy(struct fleet *f, struct buffer *error)
{
	struct buffer program;
	char config[PATH_BYTES], log[PATH_BYTES];

	buffer_init(&program);
	int result = process_find(&program, "haproxy", error);
	if (result == 0) {
		char dash_db[] = "-db", dash_f[] = "-f";
		char *const argv[] = {
			program.data, dash_db, dash_f, path_of(f, "haproxy.cfg", config), NULL};

		result = process_start(&f->haproxy, argv, path_of(f, "haproxy.log", log),
			f->options.cpus_balancer, error);
	}
	buffer_done(&program);
	return result;
}

/* Asks a page until `count` of it gives the number of workers. */
static int await_count(struct fleet *f, const char *address, const char *path,
	int (*count)(const struct buffer *page), struct buffer *error)
{
	const uint64_t until_us = clock_us() + (uint64_t)READY_MS * 1000;
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	struct buffer page, ignored;
	int result, found = 0;

	buffer_init(&page);
	buffer_init(&ignored);
	for (;;) {
		buffer_reset(&page);
		buffer_reset(&ignored);
		result = fleet_check(f, error);
		if (result < 0)
			break;
		if (f->options.stop && *f->options.stop) {
			buffer_puts(error, "interrupted");
			result = -EINTR;
			break;
		}
		if (fetch_page(address, path, PAGE_MS, &page, &ignored) == 0 && count(&page) >= 0)
			found = count(&page);
		if (found == (int)f->options.workers)
			break;
		if (clock_us() > until_us) {
			buffer_printf(error, "%d of %u workers are ready at http://%s%s after %d s",
				found, f->options.workers, address, path, READY_MS / 1000);
			result = -ETIMEDOUT;
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	buffer_done(&page);
	buffer_done(&ignored);
	return result;
}

/* HAProxy comes second: its first checks of all servers, before it accepts anything, find the workers there. */
static int start_once(struct fleet *f, struct buffer *error)
{
	int result = configure(f, error);

	if (result == 0)
		result = start_quernd(f, error);
	if (result == 0)
		result = await_count(f, f->admin, "/status.json", ready_workers, error);
	if (result < 0 || !fleet_config_has_balancer(&f->options.policy))
		return result;
	result = render(f, error);
	if (result == 0)
		result = start_haproxy(f, error);
	if (result == 0)
		result = await_count(f, f->stats, "/stats;csv", ready_servers, error);
	return result;
}

static void end_programs(struct fleet *f)
{
	if (f->haproxy)
		(void)process_end(f->haproxy, GRACE_MS);
	if (f->quernd)
		(void)process_end(f->quernd, GRACE_MS);
	f->haproxy = f->quernd = 0;
}

static void remove_files(const struct fleet *f)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < SCRATCH_FILES; i++)
		(void)unlink(path_of(f, scratch_files[i], path));
}

static int start_with_attempts(struct fleet *f, struct buffer *error)
{
	const size_t before = error->len;

	for (int attempt = 1;; attempt++) {
		const int result = start_once(f, error);

		if (result == 0)
			return 0;
		end_programs(f);
		if (attempt == ATTEMPTS || !was_port_taken(error))
			return result;
		remove_files(f);
		error->len = before;
	}
}

static int check_options(const struct fleet_options *o, struct buffer *error)
{
	char text[POLICY_TEXT_BYTES];

	if (!fleet_config_policy(&o->policy)) {
		buffer_printf(error,
			"a fleet cannot run policy %s; allowed: roundrobin, random, "
			"random(2), leastconn, central(m), shared",
			policy_format(&o->policy, text, sizeof text));
		return -EINVAL;
	}
	if (o->workers < 1 || o->workers > 256) {
		buffer_printf(error, "a fleet of %u workers; allowed: 1 to 256", o->workers);
		return -EINVAL;
	}
	return 0;
}

static int make_scratch(struct fleet *f, struct buffer *error)
{
	const char *parent = getenv("TMPDIR");

	if (!parent || parent[0] != '/' || strlen(parent) > 200)
		parent = "/tmp";
	(void)snprintf(f->scratch, sizeof f->scratch, "%s/quern-lab-XXXXXX", parent);
	if (mkdtemp(f->scratch))
		return 0;
	const int why = errno;
	f->scratch[0] = '\0';
	buffer_printf(error, "cannot make a directory in %s: %s", parent, strerror(why));
	return -why;
}

int fleet_start(struct fleet **ret, const struct fleet_options *o, struct buffer *error)
{
	int result = check_options(o, error);

	if (result < 0)
		return result;
	struct fleet *f = calloc(1, sizeof *f);
	if (!f) {
		buffer_puts(error, "no memory is left");
		return -ENOMEM;
	}
	f->options = *o;
	result = make_scratch(f, error);
	if (result == 0)
		result = start_with_attempts(f, error);
	if (result < 0) {
		fleet_stop(f);
		return result;
	}
	/* Borrowed for the call only. */
	f->options.cpus_workers = f->options.cpus_balancer = NULL;
	f->options.stop = NULL;
	f->options.set = NULL;
	awake_start(&f->awake);
	*ret = f;
	return 0;
}

void fleet_stop(struct fleet *f)
{
	if (!f)
		return;
	awake_stop(&f->awake);
	end_programs(f);
	if (f->scratch[0]) {
		remove_files(f);
		(void)rmdir(f->scratch);
	}
	free(f);
}

/* --- what others ask ------------------------------------------------------------------------------------------- */

const char *fleet_url(const struct fleet *f)
{
	return f->url;
}

void fleet_watch(const struct fleet *f, struct watch *ret)
{
	*ret = (struct watch){.admin = f->admin, .balancer = f->haproxy, .awake = &f->awake};
}

int fleet_check(struct fleet *f, struct buffer *error)
{
	if (f->quernd && !process_runs(f->quernd)) {
		put_death(f, "quernd", "quernd.log", error);
		return -ECHILD;
	}
	if (f->haproxy && !process_runs(f->haproxy)) {
		put_death(f, "haproxy", "haproxy.log", error);
		return -ECHILD;
	}
	return 0;
}
