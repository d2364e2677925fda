/*
 * How long the QR library takes, stage by stage, beside libqrencode and libpng in the same run: for five texts, level M,
 * 4 pixels a module, margin 4; then pictures at other scales, and the costliest requests that the service accepts.
 *
 *   bench_qr [--no-goals]
 *
 * Runs on one CPU. A stage is repeated until a sample is long enough for the clock, the two sides take turns, and what
 * is printed are medians, in microseconds of CPU time. Exits with 1 if a ratio misses its goal, unless --no-goals is
 * given.
 */
#include "bench/speed/qr_pictures.h"
#include "bench/speed/qr_stages.h"
#include "bench/speed/qr_timing.h"
#include "server/qr/base64.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDES 2
#define ROUNDS_S 2.5 /* for each text; or SAMPLES */
#define PART_S 0.1
#define PICTURE_S 0.3
#define COSTLY_S 0.5

/* Texts and goals: how many times as fast as the libraries. Goal 0: none. */
struct text {
	const char *name, *text; /* NULL: letters */
	size_t len;
	unsigned version;
	double goal;
};

static const struct text texts[] = {
	{"QR TEST", "QR TEST", 7, 1, 12},
	{"a URL of 50 characters", "https://example.com/a/path/to/some/page?id=1234567", 50, 4, 25},
	{"200 letters", NULL, 200, 10, 45},
	{"1,000 letters", NULL, 1000, 26, 50},
	{"2,331 letters, which fill version 40", NULL, 2331, 40, 0},
};

typedef int (*writer_fn)(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out);

/* One of the two sides; what the stages leave for each other is in it. */
struct side {
	struct qr_options options;
	writer_fn write;
	const uint8_t *text;
	size_t len;
	struct qr_fit fit;
	struct qr_symbol symbol;
	struct qr_picture picture;
	struct buffer png, base64;
};

static const struct qr_color black = {0, 0, 0, 255}, white = {255, 255, 255, 255};
static const struct qr_color glass = {200, 30, 30, 128}, mist = {255, 255, 255, 1};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench_qr: %s failed\n", what);
	exit(1);
}

static int stage_fit(void *own)
{
	struct side *s = own;

	return qr_fit(&s->fit, s->text, s->len, &s->options);
}

static int stage_make(void *own)
{
	struct side *s = own;

	return qr_make(&s->symbol, &s->fit);
}

static int stage_png(void *own)
{
	struct side *s = own;

	buffer_reset(&s->png);
	return s->write(&s->symbol, &s->picture, &s->png);
}

static int stage_base64(void *own)
{
	struct side *s = own;

	buffer_reset(&s->base64);
	base64_append(&s->base64, s->png.data, s->png.len);
	return s->base64.failed ? -1 : 0;
}

/* From text to base64, the geometry included. */
static int stage_whole(void *own)
{
	struct side *s = own;
	int error = qr_encode(&s->symbol, s->text, s->len, &s->options);

	error = error ? error
		      : qr_picture_layout(&s->picture, s->symbol.width, s->picture.margin,
				s->picture.scale, 0);
	error = error ? error : stage_png(s);
	return error ? error : stage_base64(s);
}

static int stage_svg(void *own)
{
	struct side *s = own;

	buffer_reset(&s->base64);
	return qr_svg_write(&s->symbol, &s->picture, &s->base64);
}

static int stage_text(void *own)
{
	struct side *s = own;

	buffer_reset(&s->base64);
	return qr_text_write(&s->symbol, &s->picture, &s->base64);
}

/* In this order: each leaves what the next ones need. */
static const struct stage {
	const char *name;
	qr_timing_fn run;
} stages[] = {
	{"fit", stage_fit},
	{"make", stage_make},
	{"png", stage_png},
	{"base64", stage_base64},
	{"whole", stage_whole},
};

#define STAGES (sizeof(stages) / sizeof(stages[0]))
#define WHOLE (STAGES - 1)

static const uint8_t *letters(void)
{
	static uint8_t store[3000];

	for (size_t i = 0; i < sizeof(store); i++)
		store[i] = (uint8_t)('a' + i % 26);
	return store;
}

/* Sides hold buffers, and are used for one text after the other. */
static void set_up(struct side *s, const uint8_t *text, size_t len, enum qr_level level)
{
	s->options.level = level;
	s->text = text;
	s->len = len;
	if (stage_fit(s) != 0 || stage_make(s) != 0)
		die("encoding");
}

static void set_picture(struct side *s, unsigned margin, unsigned scale, unsigned size)
{
	if (qr_picture_layout(&s->picture, s->symbol.width, margin, scale, size) != 0)
		die("the geometry");
	s->picture.dark = black;
	s->picture.light = white;
}

static void print_bytes(const struct side *sides)
{
	printf(" bytes %zu, %zu, libpng's default %zu\n", sides[0].png.len, sides[1].png.len,
		qr_default_png_bytes(&sides[0].symbol, &sides[0].picture));
}

/* Medians of a stage on both sides, and their ratio, which is returned. */
static double print_ratio(
	const char *name, const struct qr_timing *quern, const struct qr_timing *libraries)
{
	const double ratio = qr_timing_ratio(quern, libraries);

	printf("  %-9s %8.2f %14.2f %8.1fx", name, qr_timing_median(quern),
		qr_timing_median(libraries), ratio);
	return ratio;
}

static void print_own(const char *name, qr_timing_fn run, void *own)
{
	struct qr_timing t;

	qr_timing_init(&t, run, own);
	qr_timing_repeat(&t, PART_S);
	printf(" %s %.2f", name, qr_timing_median(&t));
}

/* What "make" consists of, in order. */
static const struct stage parts[] = {
	{"data", qr_stage_data},
	{"correction", qr_stage_correction},
	{"pattern", qr_stage_pattern},
	{"placement", qr_stage_placement},
	{"transpose", qr_stage_transpose},
	{"mask", qr_stage_mask},
};

static void print_parts(const struct side *s)
{
	static struct qr_stages stage;

	stage.fit = &s->fit;
	printf("  make:");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		print_own(parts[i].name, parts[i].run, &stage);
	printf("\n");
	/* Or something else was timed. */
	if (memcmp(&stage.symbol, &s->symbol, offsetof(struct qr_symbol, row)) != 0 ||
		memcmp(stage.symbol.row, s->symbol.row,
			s->symbol.width * sizeof(s->symbol.row[0])) != 0)
		die("making the same symbol in parts");
}

/* True if the ratio is as good as wanted. */
static bool bench_text(struct side *sides, const struct text *t)
{
	static struct qr_timing timings[STAGES * SIDES];
	double ratio = 0;

	for (unsigned i = 0; i < SIDES; i++) {
		set_up(&sides[i], t->text ? (const uint8_t *)t->text : letters(), t->len,
			QR_LEVEL_M);
		set_picture(&sides[i], 4, 4, 0);
		for (size_t k = 0; k < STAGES; k++)
			qr_timing_init(&timings[k * SIDES + i], stages[k].run, &sides[i]);
	}
	if (sides[0].symbol.version != t->version)
		die("finding the version");
	qr_timing_interleave(timings, STAGES * SIDES, ROUNDS_S);
	printf("%s: version %u-M, %u pixels wide\n", t->name, t->version, sides[0].picture.width);
	printf("  %-9s %8s %14s %9s\n", "stage", "Quern", "the libraries", "ratio");
	for (size_t k = 0; k < STAGES; k++) {
		ratio = print_ratio(stages[k].name, &timings[k * SIDES], &timings[k * SIDES + 1]);
		if (k == WHOLE && t->goal > 0)
			printf(" goal %.0fx: %s", t->goal, ratio >= t->goal ? "met" : "missed");
		printf("\n");
	}
	print_parts(&sides[0]);
	printf("  png:");
	print_bytes(sides);
	printf("  others:");
	print_own("svg", stage_svg, &sides[0]);
	print_own("text", stage_text, &sides[0]);
	printf("\n\n");
	return ratio >= t->goal;
}

/* Random bytes that fill the version at its level. */
static size_t fill(uint8_t *text, size_t most, unsigned version, enum qr_level level)
{
	static struct qr_fit fit;
	const struct qr_options options = {.level = level};
	uint64_t x = 1;
	size_t len = 0;

	for (; len < most; len++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		text[len] = (uint8_t)(x >> 56 | 0x80);
		if (qr_fit(&fit, text, len + 1, &options) != 0 || fit.version > version)
			break;
	}
	return len;
}

static void set_up_full(struct side *s, unsigned version, enum qr_level level)
{
	static uint8_t text[2953];

	set_up(s, text, fill(text, sizeof(text), version, level), level);
}

/* PNGs of random bytes by version and scale: time and bytes. */
static void bench_pictures(struct side *sides)
{
	static const unsigned pictures[][2] = {{1, 1}, {1, 4}, {1, 16}, {4, 4}, {4, 8}, {4, 10},
		{10, 4}, {10, 8}, {10, 32}, {26, 4}, {26, 16}, {40, 1}, {40, 4}, {40, 8}, {40, 16}};
	struct qr_timing timings[SIDES];

	printf("PNG of random bytes at level M, margin 4: version x pixels a module\n");
	printf("  %-9s %8s %14s %9s\n", "", "Quern", "tuned libpng", "ratio");
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%u x %u", pictures[i][0], pictures[i][1]);
		for (unsigned k = 0; k < SIDES; k++) {
			set_up_full(&sides[k], pictures[i][0], QR_LEVEL_M);
			set_picture(&sides[k], 4, pictures[i][1], 0);
			qr_timing_init(&timings[k], stage_png, &sides[k]);
		}
		qr_timing_interleave(timings, SIDES, PICTURE_S);
		(void)print_ratio(name, &timings[0], &timings[1]);
		print_bytes(sides);
	}
}

static int costly_whole(void *own)
{
	struct side *s = own;
	int error = qr_encode(&s->symbol, s->text, s->len, &s->options);

	error = error ? error : stage_png(s);
	return error ? error : stage_base64(s);
}

/* Quern alone: what a request can cost at most. */
static void bench_costliest(struct side *s)
{
	static const unsigned requests[][2] = {
		{40, QR_MAX_PIXELS}, {40, 177 * 23}, {40, 177 * 16}, {40, 177}, {1, QR_MAX_PIXELS}};

	printf("\nthe costliest requests: random bytes, palette with alpha, no margin; text to "
	       "base64\n");
	printf("  %-9s %9s %8s %10s %10s\n", "version", "a module", "wide", "median", "bytes");
	for (unsigned i = 0; i < 2 * sizeof(requests) / sizeof(requests[0]); i++) {
		const enum qr_level level = i % 2 ? QR_LEVEL_H : QR_LEVEL_L;
		struct qr_timing t;

		set_up_full(s, requests[i / 2][0], level);
		set_picture(s, 0, 1, requests[i / 2][1]);
		s->picture.dark = glass;
		s->picture.light = mist;
		qr_timing_init(&t, costly_whole, s);
		qr_timing_repeat(&t, COSTLY_S);
		printf("  %u-%-7c %9u %8u %10.1f %10zu\n", requests[i / 2][0], "LMQH"[level],
			s -> picture.scale, s->picture.width, qr_timing_median(&t), s->png.len);
	}
}

/* The last of those that may be used: interrupts tend to go to the first. */
static void pin(void)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof(may), &may) != 0)
		die("sched_getaffinity()");
	for (size_t cpu = CPU_SETSIZE; cpu-- > 0;) {
		if (!CPU_ISSET(cpu, &may))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			die("sched_setaffinity()");
		return;
	}
}

int main(int argc, char **argv)
{
	static struct side sides[SIDES] = {
		{.options.engine = QR_ENGINE_QUERN, .write = qr_png_write},
		{.options.engine = QR_ENGINE_LIBQRENCODE, .write = qr_libpng_write},
	};
	const bool goals = !(argc == 2 && strcmp(argv[1], "--no-goals") == 0);
	unsigned missed = 0;

	if (argc > 2 || (argc == 2 && goals)) {
		fprintf(stderr, "usage: bench_qr [--no-goals]\n");
		return 2;
	}
	pin();
	printf("microseconds, medians; the libraries: libqrencode, tuned libpng\n\n");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		missed += !bench_text(sides, &texts[i]);
	bench_pictures(sides);
	bench_costliest(&sides[0]);
	for (unsigned i = 0; i < SIDES; i++) {
		buffer_done(&sides[i].png);
		buffer_done(&sides[i].base64);
	}
	return goals && missed > 0 ? 1 : 0;
}
