#include "bench/timeline/events.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lanes of a process in the trace: server/stats/trace_json.c. */
#define LANE_LOOP 1
#define LANE_THREADS 10

#define LONGEST_US ((json_int_t)1 << 53)
#define WORKERS_MOST 4096u
#define ROUTES_MOST 64u

/* What an event tells, before it is known which request it is of. */
struct fact {
	enum { FACT_JOB, FACT_PIECE, FACT_BEGIN, FACT_ARRIVAL, FACT_END } kind;
	enum timeline_kind piece;
	size_t worker, route;
	uint64_t job, id;
	unsigned lane;
	int status;
	int64_t from_us, start_us, to_us;
};

struct reading {
	struct timeline_events *to;
	struct fact *fact;
	size_t facts;
	size_t at; /* number of the event in hand, for messages */
	int64_t first_us, last_us;
	struct buffer *why;
};

static int wrong(const struct reading *r, const char *what)
{
	buffer_printf(r->why, "event %zu of the trace %s", r->at, what);
	return -EINVAL;
}

/* A whole number of the object that is not negative; -1: there is none. */
static int64_t number_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;

	return n < LONGEST_US ? n : -1;
}

/* --- workers and routes ----------------------------------------------------------------------- */

static int find_worker(struct reading *r, int64_t pid, size_t *ret)
{
	struct timeline_events *e = r->to;
	struct timeline_worker *all;

	for (size_t i = e->workers; i-- > 0;) {
		if (e->worker[i].pid == pid) {
			*ret = i;
			return 0;
		}
	}
	if (e->workers == WORKERS_MOST)
		return wrong(r, "is of one process too many");
	all = realloc(e->worker, (e->workers + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	e->worker = all;
	all[e->workers] = (struct timeline_worker){.pid = pid, .slot = -1};
	(void)snprintf(all[e->workers].name, sizeof(all[0].name), "process %lld", (long long)pid);
	*ret = e->workers++;
	return 0;
}

static int find_route(struct reading *r, const char *name, size_t *ret)
{
	struct timeline_events *e = r->to;

	for (size_t i = 0; i < e->routes; i++) {
		if (strcmp(e->route[i], name) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (e->routes == ROUTES_MOST)
		return wrong(r, "is of one route too many");
	if (!e->route)
		e->route = calloc(ROUTES_MOST, sizeof(*e->route));
	char *copy = e->route ? strdup(name) : NULL;
	if (!copy)
		return -ENOMEM;
	e->route[e->routes] = copy;
	*ret = e->routes++;
	return 0;
}

static int take_name(struct reading *r, const json_t *event, size_t worker)
{
	const char *about = json_string_value(json_object_get(event, "name"));
	const json_t *args = json_object_get(event, "args");
	const char *name = json_string_value(json_object_get(args, "name"));
	struct timeline_worker *w = &r->to->worker[worker];
	int slot;

	if (!about || strcmp(about, "process_name") != 0)
		return 0;
	if (!name)
		return wrong(r, "names a process without a name");
	(void)snprintf(w->name, sizeof(w->name), "%s", name);
	if (sscanf(name, "worker %5d", &slot) == 1 && slot >= 0)
		w->slot = slot;
	return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static int take_box(struct reading *r, const json_t *event, struct fact *f)
{
	const int64_t length = number_of(event, "dur"), lane = number_of(event, "tid");
	const json_t *args = json_object_get(event, "args");

	if (length < 0 || lane < 0)
		return wrong(r, "is a box without its length or lane");
	f->to_us = f->from_us + length;
	f->start_us = f->from_us;
	f->kind = FACT_PIECE;
	if (lane >= LANE_THREADS) {
		f->piece = TIMELINE_THREAD;
		f->lane = (unsigned)(lane - LANE_THREADS);
	} else if (json_object_get(args, "status")) {
		const int64_t wait = number_of(args, "wait_us");
		f->kind = FACT_JOB;
		f->from_us -= wait > 0 ? wait : 0;
		f->status = (int)number_of(args, "status");
	}
	return 0;
}

/* Half of a pair: what is done with it is known when all are read. */
static int take_half(struct reading *r, const json_t *event, struct fact *f, char phase)
{
	const char *category = json_string_value(json_object_get(event, "cat"));
	const json_t *args = json_object_get(event, "args");
	const int64_t id = number_of(event, "id");
	const bool is_request = category && strcmp(category, "request") == 0;

	if (!category || id < 0)
		return wrong(r, "has no category or id");
	if (!is_request && strcmp(category, "backend") != 0)
		return 1;
	f->kind = phase == 'b' ? FACT_BEGIN : phase == 'n' ? FACT_ARRIVAL : FACT_END;
	f->piece = TIMELINE_PENDING;
	f->id = (uint64_t)id << 1 | is_request;
	if (is_request && phase == 'b') {
		const int64_t wait = number_of(args, "wait_us");
		f->start_us = f->from_us + (wait > 0 ? wait : 0);
		f->status = (int)number_of(args, "status");
	}
	return 0;
}

static void widen(struct reading *r, const struct fact *f)
{
	const int64_t end = f->to_us > f->from_us ? f->to_us : f->from_us;

	if (r->facts == 0 || f->from_us < r->first_us)
		r->first_us = f->from_us;
	if (r->facts == 0 || end > r->last_us)
		r->last_us = end;
}

static int take_event(struct reading *r, const json_t *event)
{
	const char *phase = json_string_value(json_object_get(event, "ph"));
	const char *name = json_string_value(json_object_get(event, "name"));
	const int64_t pid = number_of(event, "pid");
	struct fact f = {.from_us = number_of(event, "ts")};
	int error;

	if (!phase || strlen(phase) != 1 || !strchr("MXbne", *phase) || pid < 0 || !name)
		return wrong(r, "is none that quernd writes");
	error = find_worker(r, pid, &f.worker);
	if (error || *phase == 'M')
		return error ? error : take_name(r, event, f.worker);
	if (f.from_us < 0)
		return wrong(r, "has no time");
	error = find_route(r, name, &f.route);
	if (!error)
		error = *phase == 'X' ? take_box(r, event, &f) : take_half(r, event, &f, *phase);
	if (error)
		return error > 0 ? 0 : error;
	const int64_t job = number_of(json_object_get(event, "args"), "job");
	if (job < 0 && (*phase == 'X' || *phase == 'b'))
		return wrong(r, "tells no job");
	f.job = job < 0 ? 0 : (uint64_t)job;
	widen(r, &f);
	r->fact[r->facts++] = f;
	return 0;
}

static int take_all(struct reading *r, const json_t *events)
{
	const size_t n = json_array_size(events);
	int error = 0;

	r->fact = calloc(n + 1, sizeof(*r->fact));
	if (!r->fact)
		return -ENOMEM;
	for (r->at = 0; r->at < n && !error; r->at++)
		error = take_event(r, json_array_get(events, r->at));
	return error;
}

/* --- pairs ------------------------------------------------------------------------------------ */

static int by_pair(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;
	const bool whole_x = x->kind <= FACT_PIECE, whole_y = y->kind <= FACT_PIECE;

	if (whole_x != whole_y)
		return whole_x ? 1 : -1;
	if (whole_x)
		return 0;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

/* A begin, perhaps an arrival, an end: one fact, in the begin's place. Returns how many were taken; 0: they do not fit. */
static size_t join(struct fact *f, size_t n)
{
	size_t end = 1;

	if (f->kind != FACT_BEGIN)
		return 0;
	if (end < n && f[end].kind == FACT_ARRIVAL && f[end].id == f->id)
		end++;
	if (end == n || f[end].kind != FACT_END || f[end].id != f->id ||
		f[end].from_us < f->from_us)
		return 0;
	f->to_us = f[end].from_us;
	if (end == 2)
		f->to_us = f[1].from_us;
	f->kind = f->id & 1 ? FACT_JOB : FACT_PIECE;
	return end + 1;
}

static int join_all(struct reading *r)
{
	size_t at = 0, kept = 0;

	qsort(r->fact, r->facts, sizeof(*r->fact), by_pair);
	while (at < r->facts) {
		size_t taken = 1;

		if (r->fact[at].kind > FACT_PIECE) {
			taken = join(&r->fact[at], r->facts - at);
			if (taken == 0) {
				buffer_puts(r->why, "the trace has a begin without its end, or an "
						    "end without its begin");
				return -EINVAL;
			}
		}
		r->fact[kept++] = r->fact[at];
		at += taken;
	}
	r->facts = kept;
	return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

/* A job's own fact comes before its pieces. */
static int by_request(const void *a, const void *b)
{
	const struct fact *x = a, *y = b;

	if (x->worker != y->worker)
		return x->worker < y->worker ? -1 : 1;
	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return x->from_us < y->from_us ? -1 : x->from_us > y->from_us;
}

static struct timeline_request *begin_request(struct reading *r, const struct fact *f)
{
	struct timeline_request *q = &r->to->request[r->to->requests++];

	*q = (struct timeline_request){
		.worker = f->worker,
		.route = f->route,
		.job = f->job,
		.status = f->status,
		.whole = f->kind == FACT_JOB,
		.from_us = f->from_us - r->first_us,
		.start_us = f->start_us - r->first_us,
		.to_us = f->to_us - r->first_us,
		.first = r->to->pieces,
	};
	return q;
}

static void add_piece(struct reading *r, struct timeline_request *q, const struct fact *f)
{
	struct timeline_events *e = r->to;

	e->piece[e->pieces++] = (struct timeline_piece){
		.kind = f->kind == FACT_JOB ? TIMELINE_RUN : f->piece,
		.request = (size_t)(q - e->request),
		.lane = f->lane,
		.from_us = (f->kind == FACT_JOB ? f->start_us : f->from_us) - r->first_us,
		.to_us = f->to_us - r->first_us,
	};
	q->pieces++;
	if (!q->whole && q->to_us < f->to_us - r->first_us)
		q->to_us = f->to_us - r->first_us;
}

static int make_requests(struct reading *r)
{
	struct timeline_events *e = r->to;
	struct timeline_request *q = NULL;

	e->request = calloc(r->facts + 1, sizeof(*e->request));
	e->piece = calloc(r->facts + 1, sizeof(*e->piece));
	if (!e->request || !e->piece)
		return -ENOMEM;
	qsort(r->fact, r->facts, sizeof(*r->fact), by_request);
	for (size_t i = 0; i < r->facts; i++) {
		const struct fact *f = &r->fact[i];

		/* A worker's number comes again where one in the seat before had it. */
		if (!q || f->kind == FACT_JOB || q->worker != f->worker || q->job != f->job)
			q = begin_request(r, f);
		/* In one go on the loop, and no pair of begin and end: the job is its own piece. */
		if (f->kind == FACT_PIECE || f->id == 0)
			add_piece(r, q, f);
	}
	e->span_us = r->facts > 0 ? r->last_us - r->first_us : 0;
	return 0;
}

int timeline_events_read(
	struct timeline_events *ret, const char *json, size_t len, struct buffer *why)
{
	struct reading r = {.to = ret, .why = why};
	json_error_t error;
	json_t *root = json_loadb(json, len, 0, &error);
	const json_t *events = json_object_get(root, "traceEvents");
	int result = -EINVAL;

	*ret = (struct timeline_events){0};
	if (!root)
		buffer_printf(why, "not JSON: line %d, column %d", error.line, error.column);
	else if (!json_is_array(events))
		buffer_puts(why, "no trace: there is no array \"traceEvents\"");
	else
		result = take_all(&r, events);
	if (result == 0)
		result = join_all(&r);
	if (result == 0)
		result = make_requests(&r);
	free(r.fact);
	json_decref(root);
	return result;
}

void timeline_events_done(struct timeline_events *e)
{
	for (size_t i = 0; i < e->routes; i++)
		free(e->route[i]);
	free(e->route);
	free(e->worker);
	free(e->request);
	free(e->piece);
	*e = (struct timeline_events){0};
}
