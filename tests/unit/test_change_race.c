/*
 * Change records while they are written: whatever moment a reader comes at, in another process too, it gets a record
 * whole, or none. The writer gives all fields of a record, and all letters of its text, the same number, so that parts of
 * two would show.
 */
#include "server/stats/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READS 500000
#define STEPS 50 /* times that each is published anew */

struct shared {
	struct stats_changes changes;
	_Atomic uint32_t reads; /* whole records that the reader got; READS: it has ended */
};

static struct shared *shared_new(void)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void fill(char text[STATS_CHANGE_BYTES], uint64_t number, uint32_t step)
{
	memset(text, 'a' + (int)((number + step) % 26), STATS_CHANGE_BYTES - 1);
	text[STATS_CHANGE_BYTES - 1] = '\0';
}

static void write_one(struct stats_changes *all, uint64_t number)
{
	char text[STATS_CHANGE_BYTES];
	struct change c;

	fill(text, number, 0);
	change_begin(all, &c, (enum change_kind)(number % CHANGE_KINDS), number, "%s", text);
	for (uint32_t step = 1; step < STEPS; step++) {
		/* What progress does not replace is made to fit the step, so that all of it can be checked. */
		fill(c.text, number, step);
		change_progress(all, &c, step, (uint32_t)number + step);
	}
	fill(text, number, STEPS);
	change_end(all, &c, CHANGE_DONE, number + STEPS, "%s", text);
}

/* Until the reader has enough. Returns the last one's number. */
static uint64_t write_all(struct shared *s)
{
	uint64_t number = 0;

	while (s->reads < READS || number <= STATS_CHANGES)
		write_one(&s->changes, ++number);
	return number;
}

static bool is_whole(const struct change *c, uint64_t number)
{
	const uint32_t step = c->state == CHANGE_DONE ? STEPS : c->done;
	char text[STATS_CHANGE_BYTES];

	fill(text, number, step);
	return c->number == number && c->begun_us == number &&
	       c->kind == (enum change_kind)(number % CHANGE_KINDS) &&
	       c->ended_us == (c->state == CHANGE_DONE ? number + STEPS : 0) &&
	       (c->done == 0 ? c->total == 0 : c->total == (uint32_t)number + c->done) &&
	       memcmp(c->text, text, sizeof(text)) == 0;
}

/* False: it is not whole. */
static bool read_one(struct shared *s, uint64_t number)
{
	struct change c;

	if (!change_read(&s->changes, number, &c))
		return true;
	s->reads++;
	return is_whole(&c, number);
}

/* Where the writer is: at the last one, which makes way for the next, in the place of the oldest. */
static bool read_hot(struct shared *s)
{
	const uint64_t count = change_count(&s->changes);

	if (count < STATS_CHANGES)
		return true;
	return read_one(s, count) && read_one(s, count + 1) &&
	       read_one(s, count + 1 - STATS_CHANGES);
}

/* The exit code: whether all were whole. */
static int read_all(struct shared *s)
{
	bool good = true;

	while (good && s->reads < READS - 3)
		good = read_hot(s);
	s->reads = READS;
	return good ? 0 : 1;
}

/* The records that are left are the last ones, as they ended. */
static void check_rest(const struct stats_changes *all, uint64_t last)
{
	struct change c;

	assert_int_equal(change_count(all), last);
	for (uint64_t number = last - STATS_CHANGES + 1; number <= last; number++) {
		assert_true(change_read(all, number, &c));
		assert_int_equal(c.state, CHANGE_DONE);
		assert_true(is_whole(&c, number));
	}
	assert_false(change_read(all, last - STATS_CHANGES, &c));
	assert_false(change_read(all, last + 1, &c));
}

static void readers_in_other_processes_never_see_a_torn_record(void **state)
{
	struct shared *s = shared_new();
	int status = -1;
	(void)state;

	const pid_t reader = fork();
	assert_true(reader >= 0);
	if (reader == 0)
		_exit(read_all(s));
	const uint64_t last = write_all(s);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	check_rest(&s->changes, last);
	munmap(s, sizeof(*s));
}

/* A writer that died in the middle leaves a record that is never whole: a reader must give up, not wait for ever. */
static void a_record_that_stays_half_written_is_none(void **state)
{
	struct stats_changes *all = calloc(1, sizeof(*all));
	struct change c, read = {.number = 77};
	(void)state;

	assert_non_null(all);
	change_begin(all, &c, CHANGE_SCALE, 5, "%s", "to 3");
	all->ring[1].sequence++;
	assert_false(change_read(all, 1, &read));
	assert_int_equal(read.number, 77);
	all->ring[1].sequence++;
	assert_true(change_read(all, 1, &read));
	assert_string_equal(read.text, "to 3");
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_in_other_processes_never_see_a_torn_record),
		cmocka_unit_test(a_record_that_stays_half_written_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
