#include "server/backend/answer.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/* A list has a known number of rows, so a row's place in it tells where it belongs. */
static struct answer *list_of(const redisReadTask *task)
{
	return task->parent ? task->parent->obj : NULL;
}

static enum answer_kind kind_of(const redisReadTask *task)
{
	switch (task->type) {
	case REDIS_REPLY_ERROR:
		return ANSWER_ERROR;
	case REDIS_REPLY_STATUS:
		return ANSWER_STATUS;
	case REDIS_REPLY_INTEGER:
		return ANSWER_NUMBER;
	default:
		return ANSWER_TEXT;
	}
}

static void *new_answer(enum answer_kind kind)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->kind = kind;
	buffer_init(&a->text);
	return a;
}

static void *refuse_size(const redisReadTask *task)
{
	struct answer_bound *bound = task->privdata;

	bound->exceeded = true;
	return NULL;
}

/* The row that the task is about; NULL where it lies deeper than that. */
static struct answer_row *row_of(struct answer *list, const redisReadTask *task)
{
	if (task->parent->parent) {
		list->odd = true;
		return NULL;
	}
	return &list->row[task->idx];
}

static void *add_text(struct answer *list, const redisReadTask *task, const char *text, size_t len)
{
	struct answer_row *row = row_of(list, task);

	if (kind_of(task) != ANSWER_TEXT)
		list->odd = true;
	if (len > ANSWER_BYTES_MAX - list->text.len)
		return refuse_size(task);
	if (row)
		*row = (struct answer_row){.at = list->text.len, .len = len};
	buffer_append(&list->text, text, len);
	return list->text.failed ? NULL : list;
}

static void *make_text(const redisReadTask *task, char *text, size_t len)
{
	struct answer *list = list_of(task);

	if (list)
		return add_text(list, task, text, len);
	if (len > ANSWER_BYTES_MAX)
		return refuse_size(task);
	struct answer *a = new_answer(kind_of(task));
	if (!a)
		return NULL;
	buffer_append(&a->text, text, len);
	if (!a->text.failed)
		return a;
	answer_free(a);
	return NULL;
}

/* Nobody asks for lists of lists: they are read, to get past them, and not kept. */
static void *make_list(const redisReadTask *task, int rows)
{
	struct answer *list = list_of(task);

	if (list) {
		list->odd = true;
		return list;
	}
	if (rows < 0 || rows > ANSWER_ROWS_MAX)
		return refuse_size(task);
	struct answer *a = new_answer(ANSWER_LIST);
	if (!a)
		return NULL;
	a->rows = (size_t)rows;
	/* One more than none: calloc(0) may be NULL. */
	a->row = calloc(a->rows + 1, sizeof(*a->row));
	if (a->row)
		return a;
	answer_free(a);
	return NULL;
}

static void *make_number(const redisReadTask *task, long long value)
{
	struct answer *list = list_of(task);
	(void)value;

	if (!list)
		return new_answer(ANSWER_NUMBER);
	list->odd = true;
	return list;
}

static void *make_nil(const redisReadTask *task)
{
	struct answer *list = list_of(task);

	if (!list)
		return new_answer(ANSWER_NIL);
	struct answer_row *row = row_of(list, task);
	if (row)
		row->nil = true;
	return list;
}

void answer_free(struct answer *a)
{
	if (!a)
		return;
	buffer_done(&a->text);
	free(a->row);
	free(a);
}

static void drop(void *answer)
{
	struct answer *a = answer;

	if (a && !a->kept)
		answer_free(a);
}

redisReplyObjectFunctions answer_functions = {
	.createString = make_text,
	.createArray = make_list,
	.createInteger = make_number,
	.createNil = make_nil,
	.freeObject = drop,
};

struct backend_text answer_row(const struct backend_reply *r, size_t i)
{
	const struct answer *a = r->value;
	const struct answer_row *row = &a->row[i];

	if (row->nil)
		return (struct backend_text){0};
	/* A list of empty texts has no bytes at all. */
	return (struct backend_text){
		.at = row->len > 0 ? a->text.data + row->at : "", .len = row->len};
}
