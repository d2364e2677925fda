#include "server/job.h"

void job_queue_init(struct job_queue *q, size_t limit)
{
	TAILQ_INIT(&q->list);
	q->len = 0;
	q->limit = limit;
}

void job_queue_limit(struct job_queue *q, size_t limit)
{
	q->limit = limit;
}

bool job_push(struct job_queue *q, struct job *job)
{
	if (q->len >= q->limit)
		return false;
	TAILQ_INSERT_TAIL(&q->list, job, link);
	job->queued = true;
	q->len++;
	return true;
}

struct job *job_pop(struct job_queue *q)
{
	struct job *job = TAILQ_FIRST(&q->list);

	if (job)
		job_remove(q, job);
	return job;
}

void job_remove(struct job_queue *q, struct job *job)
{
	if (!job->queued)
		return;
	TAILQ_REMOVE(&q->list, job, link);
	job->queued = false;
	q->len--;
}
