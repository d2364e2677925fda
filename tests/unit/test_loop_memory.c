/* libevent's small allocations in an address range of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/loop_memory.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_small_ones_lie_in_the_range(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes <= LOOP_MEMORY_MOST + 1; bytes++) {
		char *memory = loop_memory_new(bytes);

		assert_non_null(memory);
		assert_int_equal((uintptr_t)memory % 16, 0);
		assert_int_equal(loop_memory_has(memory), bytes <= LOOP_MEMORY_MOST);
		memset(memory, 0xaa, bytes);
		loop_memory_free(memory);
	}
	loop_memory_free(NULL);
	assert_false(loop_memory_has(NULL));
	assert_false(loop_memory_has(&state));
}

/* All sizes at once, each filled with a value of its own: none overlaps another one. */
static void test_pieces_are_apart(void **state)
{
	enum { COUNT = 4096 };
	static unsigned char *piece[COUNT];

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		piece[i] = loop_memory_new(1 + i % LOOP_MEMORY_MOST);
		memset(piece[i], (int)(i % 251), 1 + i % LOOP_MEMORY_MOST);
	}
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t at = 0; at < 1 + i % LOOP_MEMORY_MOST; at++)
			assert_int_equal(piece[i][at], i % 251);
		loop_memory_free(piece[i]);
	}
}

static void test_freed_ones_are_used_again(void **state)
{
	void *first = loop_memory_new(24);

	(void)state;
	loop_memory_free(first);
	void *other = loop_memory_new(48), *second = loop_memory_new(32);
	assert_ptr_equal(second, first);
	assert_ptr_not_equal(other, first);
	loop_memory_free(second);
	loop_memory_free(other);
}

/* From nothing, through each size, out of the range and on, and back. */
static void test_resizing_keeps_what_is_there(void **state)
{
	static const size_t sizes[] = {5, 16, 17, 33, 64, 65, 200, 100000, 40};
	const char text[] = "abcd";
	char *memory = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memory = loop_memory_resize(memory, sizes[i]);
		assert_non_null(memory);
		if (i == 0)
			memcpy(memory, text, sizeof(text));
		assert_memory_equal(memory, text, sizeof(text));
		memset(memory + sizeof(text), 0x55, sizes[i] - sizeof(text));
	}
	loop_memory_free(memory);
	memory = loop_memory_resize(loop_memory_new(64), 1);
	assert_true(loop_memory_has(memory));
	loop_memory_free(memory);
	/* What malloc() has given, as before the installation. */
	memory = loop_memory_resize(malloc(8), 32);
	assert_false(loop_memory_has(memory));
	loop_memory_free(memory);
}

/* One size is used up; malloc() helps out, and nothing is given out twice. */
static void test_exhaustion(void **state)
{
	enum { MOST = 1 << 18 };
	static void *all[MOST];
	void *memory;
	size_t count = 0;

	(void)state;
	do {
		assert_true(count < MOST);
		memory = all[count++] = loop_memory_new(LOOP_MEMORY_MOST);
		assert_non_null(memory);
		memset(memory, 1, LOOP_MEMORY_MOST);
	} while (loop_memory_has(memory));
	/* Other sizes have room of their own; a piece that must grow into the full one leaves the range. */
	char *small = loop_memory_new(40);
	assert_true(loop_memory_has(small));
	memcpy(small, "abc", 4);
	small = loop_memory_resize(small, LOOP_MEMORY_MOST);
	assert_false(loop_memory_has(small));
	assert_string_equal(small, "abc");
	loop_memory_free(small);
	loop_memory_free(all[0]);
	memory = loop_memory_new(LOOP_MEMORY_MOST);
	assert_ptr_equal(memory, all[0]);
	while (count > 0)
		loop_memory_free(all[--count]);
}

static void test_children_have_their_own(void **state)
{
	char *memory = loop_memory_new(20);
	int status = 0;

	(void)state;
	memcpy(memory, "parent", 7);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool same = strcmp(memory, "parent") == 0;

		memcpy(memory, "child", 6);
		loop_memory_free(memory);
		_exit(same && loop_memory_new(20) == memory ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(memory, "parent");
	void *other = loop_memory_new(20);
	assert_ptr_not_equal(other, memory);
	loop_memory_free(other);
	loop_memory_free(memory);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* What the range is for: the entry of a descriptor, which stays when its event has gone. */
static void test_libevent_takes_its_entries_from_it(void **state)
{
	struct event_base *base = event_base_new();
	int ends[2];

	(void)state;
	assert_non_null(base);
	assert_int_equal(pipe(ends), 0);
	struct event *e = event_new(base, ends[0], EV_READ, on_event, NULL);
	assert_non_null(e);
	/* The next pieces of each size, before and after. */
	void *next[4];
	for (size_t i = 0; i < 4; i++)
		loop_memory_free(next[i] = loop_memory_new(16 * (i + 1)));
	assert_int_equal(event_add(e, NULL), 0);
	event_free(e);
	size_t taken = 0;
	for (size_t i = 0; i < 4; i++) {
		void *now = loop_memory_new(16 * (i + 1));

		taken += now != next[i];
		loop_memory_free(now);
	}
	assert_int_equal(taken, 1);
	event_base_free(base);
	assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static int install(void **state)
{
	(void)state;
	return loop_memory_install();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_ones_lie_in_the_range),
		cmocka_unit_test(test_pieces_are_apart),
		cmocka_unit_test(test_freed_ones_are_used_again),
		cmocka_unit_test(test_resizing_keeps_what_is_there),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_children_have_their_own),
		cmocka_unit_test(test_libevent_takes_its_entries_from_it),
	};

	return cmocka_run_group_tests(tests, install, NULL);
}
