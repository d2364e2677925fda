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

void job_push_again(struct job_queue *q, struct job *job)
{
	TAILQ_INSERT_TAIL(&q->list, job, link);
	job->in = q;
	q->len++;
}

bool job_push(struct job_queue *q, struct job *job)
{
	if (q->len >= q->limit)
		return false;
	job_push_again(q, job);
	return true;
}

struct job *job_pop(struct job_queue *q)
{
	struct job *job = TAILQ_FIRST(&q->list);

	if (job)
		job_remove(job);
	return job;
}

void job_remove(struct job *job)
{
	struct job_queue *q = job->in;

	if (!q)
		return;
	TAILQ_REMOVE(&q->list, job, link);
	job->in = NULL;
	q->len--;
}
