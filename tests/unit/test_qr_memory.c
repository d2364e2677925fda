/*
 * Memory that runs out: this program has its own malloc(), which libpng, zlib and libqrencode get
 * to call, too, and which fails once, at the first allocation, then at the second, and so on.
 * Nothing may be lost on the way. Under the sanitizers and valgrind, whose allocators cannot be
 * replaced, these tests are skipped.
 */
#include "server/qr/base64.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"

#include "tests/unit/qr_helpers.h"

#include <errno.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif

/* Volatile, because compilers know that no malloc() changes such variables. */
static volatile unsigned fail_in; /* the allocation to fail, counted from 1; 0: none */
static volatile unsigned allocated;
static volatile long live; /* allocations not yet freed */

#if OWN_MALLOC
/* glibc's, under the names that it keeps for such programs.
 * NOLINTBEGIN(bugprone-reserved-identifier) */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);
/* NOLINTEND(bugprone-reserved-identifier) */

#define REPLACES __attribute__((visibility("default")))

static bool must_fail(void)
{
	allocated++;
	return fail_in > 0 && --fail_in == 0;
}

REPLACES void *malloc(size_t size)
{
	void *p = must_fail() ? NULL : __libc_malloc(size);

	live += p != NULL;
	return p;
}

REPLACES void *calloc(size_t n, size_t size)
{
	void *p = must_fail() ? NULL : __libc_calloc(n, size);

	live += p != NULL;
	return p;
}

REPLACES void *realloc(void *old, size_t size)
{
	void *p = must_fail() ? NULL : __libc_realloc(old, size);

	live += p && !old;
	return p;
}

REPLACES void free(void *old)
{
	live -= old != NULL;
	__libc_free(old);
}
#endif

static bool malloc_is_ours(void)
{
	void *volatile probe;

	allocated = 0;
	probe = malloc(1);
	free(probe);
	return allocated > 0;
}

struct work {
	const char *text;
	struct qr_options options;
	struct qr_symbol symbol;
	struct qr_picture picture;
	struct buffer out;
};

static int do_encode(struct work *w)
{
	return qr_encode(&w->symbol, w->text, strlen(w->text), &w->options);
}

static int do_png(struct work *w)
{
	return qr_png_write(&w->symbol, &w->picture, &w->out);
}

static int do_svg(struct work *w)
{
	return qr_svg_write(&w->symbol, &w->picture, &w->out);
}

static int do_text(struct work *w)
{
	return qr_text_write(&w->symbol, &w->picture, &w->out);
}

static int do_base64(struct work *w)
{
	base64_append(&w->out, &w->symbol, sizeof(w->symbol));
	return w->out.failed ? -ENOMEM : 0;
}

/* Each allocation fails once: the answer is -ENOMEM every time, until none is left to fail. */
static void check(struct work *w, int (*step)(struct work *w))
{
	unsigned n = 0;
	int error;

	if (!malloc_is_ours())
		skip();
	do {
		long before = live;
		bool reached;

		buffer_init(&w->out);
		buffer_puts(&w->out, "before");
		fail_in = ++n;
		allocated = 0;
		error = step(w);
		reached = fail_in == 0;
		fail_in = 0;
		assert_int_equal(error, reached ? -ENOMEM : 0);
		if (error)
			assert_int_equal(w->out.len, 6);
		assert_memory_equal(w->out.data, "before", 6);
		buffer_done(&w->out);
		assert_int_equal(live, before);
	} while (error);
	/* All allocations were tried, and there was at least one. */
	assert_true(n > 1);
	assert_true(n > allocated);
}

static void prepare(struct work *w, unsigned scale, uint8_t alpha)
{
	assert_int_equal(do_encode(w), 0);
	assert_int_equal(qr_picture_layout(&w->picture, w->symbol.width, 4, scale, 0), 0);
	w->picture.dark = (struct qr_color){0, 0, 0, alpha};
	w->picture.light = (struct qr_color){255, 255, 255, 255};
}

static void test_libqrencode(void **state)
{
	struct work w = {.text = "https://example.org/0123456789/QUERN",
		.options = {.level = QR_LEVEL_M, .engine = QR_ENGINE_LIBQRENCODE}};

	(void)state;
	check(&w, do_encode);
	w.text = "caf\xc3\xa9 0123456789012";
	w.options.eci = true;
	check(&w, do_encode);
}

/* The scales that are written in different ways: by zlib, from pairs, by a search. */
static const unsigned scales[] = {1, 4, 5};

static void test_png(void **state)
{
	struct work w = {.text = "https://example.org/"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		prepare(&w, scales[i], 255);
		check(&w, do_png);
		prepare(&w, scales[i], 99);
		check(&w, do_png);
	}
}

static int do_libpng(struct work *w)
{
	return qr_libpng_write(&w->symbol, &w->picture, &w->out);
}

static void test_libpng(void **state)
{
	struct work w = {.text = "https://example.org/"};

	(void)state;
	prepare(&w, 5, 99);
	check(&w, do_libpng);
}

/* Where there is room, neither symbols nor pictures take any memory; zlib, at scale 1, has some of ours. */
static void test_nothing_is_allocated(void **state)
{
	struct work w = {.text = "https://example.org/0123456789/QUERN"};

	(void)state;
	if (!malloc_is_ours())
		skip();
	buffer_init(&w.out);
	assert_non_null(buffer_reserve(&w.out, 1 << 16));
	allocated = 0;
	assert_int_equal(do_encode(&w), 0);
	for (unsigned i = 0; i < 3; i++) {
		prepare(&w, scales[i], 255);
		assert_int_equal(do_png(&w), 0);
	}
	assert_int_equal(do_base64(&w), 0);
	assert_int_equal(allocated, 0);
	buffer_done(&w.out);
}

static void test_svg(void **state)
{
	struct work w = {.text = "https://example.org/"};

	(void)state;
	prepare(&w, 5, 99);
	check(&w, do_svg);
}

static void test_text(void **state)
{
	struct work w = {.text = "https://example.org/"};

	(void)state;
	prepare(&w, 5, 255);
	check(&w, do_text);
}

static void test_base64(void **state)
{
	struct work w = {.text = "https://example.org/"};

	(void)state;
	check(&w, do_base64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libqrencode),
		cmocka_unit_test(test_png),
		cmocka_unit_test(test_libpng),
		cmocka_unit_test(test_nothing_is_allocated),
		cmocka_unit_test(test_svg),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
