#include "bench/chapter/observer.h"

#include "bench/chapter/figure.h"
#include "bench/fleet/fetch.h"
#include "bench/latency.h"
#include "lib/clock.h"
#include "lib/random.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PAGE_MS 10000
#define STREAM 0x70726f6265u

void observer_look(const struct stand *stand, struct observer_look *ret, struct buffer *why)
{
	struct watch watch;

	stand_watch(stand, &watch);
	stand_cpu(stand, &ret->services_us, &ret->peer_us);
	ret->result = watch_look(&watch, &ret->look, why);
}

/* --- the probe ------------------------------------------------------------------------------------------------- */

static void keep(struct observer *o, struct observer_field *f, double value)
{
	if (f->values == f->capacity) {
		const size_t capacity = f->capacity ? 2 * f->capacity : 256;
		double *grown = realloc(f->value, capacity * sizeof *grown);

		o->no_memory = o->no_memory || !grown;
		if (!grown)
			return;
		f->value = grown;
		f->capacity = capacity;
	}
	f->value[f->values++] = value;
}

struct keeping {
	struct observer *o;
	struct observer_field *field;
};

static void keep_number(void *own, double number)
{
	const struct keeping *k = own;

	keep(k->o, k->field, number);
}

/* Whether the answer had all fields. */
static bool keep_fields(struct observer *o, const json_t *answer)
{
	bool all = true;

	for (size_t i = 0; i < o->fields; i++) {
		struct keeping k = {o, &o->field[i]};

		all = figure_each(answer, o->field[i].path, keep_number, &k) > 0 && all;
	}
	return all;
}

/* The target of a whole request's first line. */
static const char *target_of(struct buffer *request)
{
	char *text = buffer_cstring(request) ? request->data : NULL;
	char *from = text ? strchr(text, ' ') : NULL;
	char *to = from ? strchr(from + 1, ' ') : NULL;

	if (!to)
		return NULL;
	*to = '\0';
	return from + 1;
}

static void ask(struct observer *o, struct random *random)
{
	struct buffer request, answer, why;
	struct mix_request drawn;
	json_t *json = NULL;

	buffer_init(&request);
	buffer_init(&answer);
	buffer_init(&why);
	mix_draw(o->samples->probe, random, stand_address(o->stand), &request, &drawn);
	const char *target = target_of(&request);
	o->asked++;
	if (target && fetch_page(stand_address(o->stand), target, PAGE_MS, &answer, &why) == 0)
		json = json_loadb(answer.data, answer.len, 0, NULL);
	if (!json || !keep_fields(o, json)) {
		if (o->unanswered++ == 0 && o->why.len == 0)
			buffer_printf(&o->why, "the probe: %s",
				why.len ? buffer_cstring(&why) : "an answer without the fields");
	}
	json_decref(json);
	buffer_done(&request);
	buffer_done(&answer);
	buffer_done(&why);
}

static void probe(struct observer *o)
{
	struct random random;

	random_init(&random, o->seed, STREAM);
	while (!atomic_load(&o->over)) {
		struct pollfd p = {.fd = o->event, .events = POLLIN};
		const double pause_ms =
			-log(1 - random_unit(&random)) * 1000 / o->samples->probe_per_s;

		(void)poll(&p, 1, (int)ceil(pause_ms));
		if (!atomic_load(&o->over))
			ask(o, &random);
	}
}

/* --- the thread ------------------------------------------------------------------------------------------------ */

static void set_loop_back(struct observer *o)
{
	struct buffer path, answer;

	buffer_init(&path);
	buffer_init(&answer);
	buffer_printf(&path, "%s?reset=1", o->samples->loop);
	const char *text = buffer_cstring(&path);
	if (!text)
		o->no_memory = true;
	else if (fetch_page(stand_address(o->stand), text, PAGE_MS, &answer, &o->why) < 0)
		o->first.result = -EIO;
	buffer_done(&path);
	buffer_done(&answer);
}

static void *observe(void *own)
{
	struct observer *o = own;
	uint64_t times;

	while (read(o->event, &times, sizeof times) < 0 && errno == EINTR)
		continue;
	if (atomic_load(&o->over))
		return NULL;
	observer_look(o->stand, &o->first, &o->why);
	if (o->samples && o->samples->loop && !stand_admin(o->stand))
		set_loop_back(o);
	if (o->samples && o->samples->probe)
		probe(o);
	return NULL;
}

static int name_fields(struct observer *o)
{
	json_t *fields = (json_t *)(uintptr_t)o->samples->fields, *path;
	const char *name;

	o->field = calloc(json_object_size(fields), sizeof *o->field);
	if (!o->field)
		return -ENOMEM;
	json_object_foreach(fields, name, path)
	{
		o->field[o->fields++] =
			(struct observer_field){.name = name, .path = json_string_value(path)};
	}
	return 0;
}

/* Signals are for the generator's thread, which waits for them. */
static int start_thread(struct observer *o)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	const int result = -pthread_create(&o->thread, NULL, observe, o);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

int observer_start(struct observer *ret, const struct stand *stand,
	const struct chapter_samples *samples, uint64_t seed, struct buffer *error)
{
	*ret = (struct observer){
		.stand = stand, .samples = samples, .seed = seed, .first = {.result = -ENODATA}};
	buffer_init(&ret->why);
	ret->event = eventfd(0, EFD_CLOEXEC);
	int result = ret->event < 0 ? -errno : 0;
	if (result == 0 && samples && samples->probe)
		result = name_fields(ret);
	if (result == 0)
		result = start_thread(ret);
	if (result == 0)
		return 0;
	buffer_printf(error, "cannot look at what goes on: %s", strerror(-result));
	observer_done(ret);
	return result;
}

/* Fails only when the counter would overflow. */
static void wake(struct observer *o)
{
	const uint64_t one = 1;

	if (write(o->event, &one, sizeof one) < 0)
		o->no_memory = true;
}

void observer_begin(struct observer *o)
{
	if (o->begun)
		return;
	o->begun = true;
	wake(o);
}

void observer_end(struct observer *o)
{
	atomic_store(&o->over, true);
	wake(o);
	(void)pthread_join(o->thread, NULL);
}

void observer_done(struct observer *o)
{
	if (o->event >= 0)
		(void)close(o->event);
	for (size_t i = 0; i < o->fields; i++)
		free(o->field[i].value);
	free(o->field);
	buffer_done(&o->why);
	*o = (struct observer){.event = -1};
}

/* --- what the probe found -------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Of rank ceil(p * n); the values are sorted. */
static json_t *rank(const struct observer_field *f, double p)
{
	const double at = ceil(p * (double)f->values);

	return latency_real_json(f->values ? f->value[at > 1 ? (size_t)at - 1 : 0] : NAN);
}

static json_t *field_json(struct observer_field *f)
{
	double sum = 0;

	if (f->values)
		qsort(f->value, f->values, sizeof *f->value, by_value);
	for (size_t i = 0; i < f->values; i++)
		sum += f->value[i];
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count",
		(json_int_t)f->values, "mean",
		latency_real_json(f->values ? sum / (double)f->values : NAN), "min", rank(f, 0),
		"p50", rank(f, 0.5), "p90", rank(f, 0.9), "p95", rank(f, 0.95), "p99",
		rank(f, 0.99), "p999", rank(f, 0.999), "max", rank(f, 1));
}

json_t *observer_probe_json(struct observer *o)
{
	json_t *all = json_pack("{s:I, s:I}", "asked", (json_int_t)o->asked, "unanswered",
		(json_int_t)o->unanswered);
	int failed = all ? 0 : -1;

	for (size_t i = 0; i < o->fields && failed == 0; i++)
		failed = json_object_set_new(all, o->field[i].name, field_json(&o->field[i]));
	if (failed == 0)
		return all;
	json_decref(all);
	return NULL;
}
