/*
 * The job queue of a worker: requests that wait for their turn, first come first served. Jobs are
 * run one by one, and each one's answer is on the wire before the next one begins.
 */
#ifndef QUERN_SERVER_JOB_H
#define QUERN_SERVER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct route;
struct task;
struct job_queue;

struct job {
	TAILQ_ENTRY(job) link;
	const struct route *route;
	struct task *task;    /* its work, once that has begun; NULL where it is done in one go */
	struct job_queue *in; /* NULL: in none */
	unsigned long long number; /* of its request, in its worker's life */
};

TAILQ_HEAD(job_list, job);

struct job_queue {
	struct job_list list;
	size_t len, limit;
};

void job_queue_init(struct job_queue *q, size_t limit);

/* Another limit from now on; who waits already stays. */
void job_queue_limit(struct job_queue *q, size_t limit);

/* False, and nothing happened, when the queue is full. The job stays its caller's and must not
 * move. */
bool job_push(struct job_queue *q, struct job *job) __attribute__((warn_unused_result));

/* The job that waited longest, taken out; NULL when there is none. */
struct job *job_pop(struct job_queue *q);

/* Takes a job out of the queue that it is in, if it is in one. */
void job_remove(struct job *job);

/* Puts a job at the end without regard to the limit: one that had its turn already, and has more to do. */
void job_push_again(struct job_queue *q, struct job *job);

#endif
