#include "bench/fleet/watch_metrics.h"

#include "lib/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define SLOTS_MOST 1024
#define SLOT_LABEL "{slot=\""

/* The samples that are read; all but the state are counters of a slot. */
static const struct {
	const char *name;
	double unit; /* stored = value * unit */
	size_t offset;
} samples[] = {
	{"quern_worker_cpu_seconds_total", 1e6, offsetof(struct watch_worker, cpu_us)},
	{"quern_worker_idle_seconds_total", 1e6, offsetof(struct watch_worker, idle_us)},
	{"quern_jobs_total", 1, offsetof(struct watch_worker, jobs)},
	{"quern_worker_restarts_total", 1, offsetof(struct watch_worker, restarts)},
};

#define SAMPLES (sizeof samples / sizeof *samples)

struct line {
	const char *name, *labels, *value; /* labels: after SLOT_LABEL's digits */
	size_t name_len, labels_len, value_len;
	int64_t slot;
};

/* NAME{slot="N",...} VALUE; false for all other lines. */
static bool read_line(const char *at, size_t len, struct line *ret)
{
	const char *brace = memchr(at, '{', len), *end = at + len;
	const size_t label_len = sizeof SLOT_LABEL - 1;

	if (!brace || (size_t)(end - brace) < label_len ||
		memcmp(brace, SLOT_LABEL, label_len) != 0)
		return false;
	const char *digits = brace + label_len;
	const char *quote = memchr(digits, '"', (size_t)(end - digits));
	const char *blank = memrchr(at, ' ', len);
	if (!quote || !blank || blank < quote)
		return false;
	*ret = (struct line){.name = at,
		.name_len = (size_t)(brace - at),
		.labels = quote + 1,
		.labels_len = (size_t)(blank - quote) - 1,
		.value = blank + 1,
		.value_len = (size_t)(end - blank) - 1};
	return number_parse_int(&ret->slot, digits, (size_t)(quote - digits), 0, SLOTS_MOST - 1) ==
	       0;
}

static bool is_named(const struct line *l, const char *name)
{
	return l->name_len == strlen(name) && memcmp(l->name, name, l->name_len) == 0;
}

/* quern_worker_state{slot="0",state="ready"} 1 */
static bool says_ready(const struct line *l)
{
	static const char ready[] = ",state=\"ready\"}";

	return is_named(l, "quern_worker_state") && l->labels_len == sizeof ready - 1 &&
	       memcmp(l->labels, ready, l->labels_len) == 0 && l->value_len == 1 &&
	       l->value[0] == '1';
}

static struct watch_worker *find(struct watch_look *look, int64_t slot)
{
	for (unsigned i = 0; i < look->workers; i++)
		if (look->worker[i].slot == slot)
			return &look->worker[i];
	return NULL;
}

static void take_state(struct watch_look *look, const struct line *l)
{
	if (!says_ready(l) || look->workers == WATCH_WORKERS_MOST || find(look, l->slot))
		return;
	look->worker[look->workers++] = (struct watch_worker){.slot = (int)l->slot};
}

static void take_sample(struct watch_look *look, const struct line *l)
{
	struct watch_worker *worker = find(look, l->slot);
	double value;

	if (!worker || number_parse_real(&value, l->value, l->value_len, 0, 1e15) != 0)
		return;
	for (size_t i = 0; i < SAMPLES; i++)
		if (is_named(l, samples[i].name))
			*(uint64_t *)(void *)((char *)worker + samples[i].offset) =
				(uint64_t)(value * samples[i].unit + 0.5);
}

static void each_line(const char *text, size_t len, struct watch_look *look,
	void (*take)(struct watch_look *, const struct line *))
{
	const char *end = text + len;
	struct line l;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const size_t n = (size_t)((newline ? newline : end) - text);

		if (read_line(text, n, &l))
			take(look, &l);
		text += newline ? n + 1 : n;
	}
}

int watch_metrics_read(struct watch_look *ret, const char *text, size_t len)
{
	ret->workers = 0;
	/* First who is there: the order of the families is not ours to rely on. */
	each_line(text, len, ret, take_state);
	each_line(text, len, ret, take_sample);
	return ret->workers ? 0 : -EPROTO;
}
