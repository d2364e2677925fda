#include "server/task.h"

#include "server/route.h"

#include <stdlib.h>

struct task *task_new(
	struct worker *w, struct http_conn *conn, uint64_t arrived_us, uint64_t began_us)
{
	const struct work_class *class = conn->job.route->class;
	struct task *t = calloc(1, sizeof(*t));
	struct work *work = calloc(1, class->bytes);

	if (!t || !work) {
		free(t);
		free(work);
		return NULL;
	}
	work->class = class;
	t->worker = w;
	t->conn = conn;
	t->route = conn->job.route;
	t->work = work;
	t->number = conn->job.number;
	t->arrived_us = arrived_us;
	t->began_us = began_us;
	conn->job.task = t;
	return t;
}

void task_free(struct task *t)
{
	if (t->conn)
		t->conn->job.task = NULL;
	if (t->work->class->done)
		t->work->class->done(t->work);
	free(t->work);
	free(t);
}
