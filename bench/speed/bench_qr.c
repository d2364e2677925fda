/*
 * How long the QR library takes: encoding by version, writing pictures by version and scale, and
 * the costliest requests that the service accepts, each as the best and the median of its
 * repetitions. No arguments. docs/qr.md has results.
 */
#include "server/qr/base64.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_RUNS 400
#define BUDGET_US 150000.0 /* a measurement ends after this time, or MAX_RUNS */

struct request {
	unsigned version;
	enum qr_level level;
	unsigned margin, scale, size;
	struct qr_color dark, light;
	uint8_t text[2953];
	size_t len;
	/* What the steps leave for each other. */
	struct qr_symbol symbol;
	struct qr_picture picture;
	struct buffer png, out;
};

typedef int (*step_fn)(struct request *r);

static const struct qr_color black = {0, 0, 0, 255}, white = {255, 255, 255, 255};
static const struct qr_color glass = {200, 30, 30, 128}, mist = {255, 255, 255, 1};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int step_encode(struct request *r)
{
	return qr_encode(&r->symbol, r->text, r->len, &(struct qr_options){.level = r->level, .eci = false});
}

static int step_png(struct request *r)
{
	buffer_reset(&r->png);
	return qr_png_write(&r->symbol, &r->picture, &r->png);
}

static int step_svg(struct request *r)
{
	buffer_reset(&r->out);
	return qr_svg_write(&r->symbol, &r->picture, &r->out);
}

static int step_text(struct request *r)
{
	buffer_reset(&r->out);
	return qr_text_write(&r->symbol, &r->picture, &r->out);
}

static int step_base64(struct request *r)
{
	buffer_reset(&r->out);
	base64_append(&r->out, r->png.data, r->png.len);
	return r->out.failed ? -1 : 0;
}

static int step_all(struct request *r)
{
	int error = step_encode(r);

	error = error ? error : step_png(r);
	return error ? error : step_base64(r);
}

static void measure(const char *name, step_fn step, struct request *r)
{
	double times[MAX_RUNS], total = 0;
	size_t n = 0;

	while (n < MAX_RUNS && (n < 5 || total < BUDGET_US)) {
		double start = now_us();

		if (step(r) != 0) {
			fprintf(stderr, "bench_qr: %s failed\n", name);
			exit(1);
		}
		times[n] = now_us() - start;
		total += times[n++];
	}
	qsort(times, n, sizeof(times[0]), compare);
	printf("  %-8s %9.1f us best %9.1f us median", name, times[0], times[n / 2]);
}

/* Random bytes that fill the version at its level. */
static void fill_text(struct request *r)
{
	struct qr_fit fit;
	unsigned long long x = 1;

	for (r->len = 0; r->len < sizeof(r->text); r->len++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		r->text[r->len] = (uint8_t)(x >> 56 | 0x80);
		if (qr_fit(&fit, r->text, r->len + 1, &(struct qr_options){.level = r->level, .eci = false}) != 0 ||
			fit.version > r->version)
			break;
	}
}

static void prepare(struct request *r)
{
	fill_text(r);
	if (step_encode(r) != 0 || r->symbol.version != r->version ||
		qr_picture_layout(&r->picture, r->symbol.width, r->margin, r->scale, r->size) !=
			0) {
		fprintf(stderr, "bench_qr: impossible request\n");
		exit(1);
	}
	r->picture.dark = r->dark;
	r->picture.light = r->light;
}

static void report(struct request *r, bool whole)
{
	prepare(r);
	printf("version %u-%c, %u pixels a module, %u pixels wide\n", r->version, "LMQH"[r->level],
		r -> picture.scale, r->picture.width);
	measure("encode", step_encode, r);
	printf("\n");
	measure("png", step_png, r);
	printf(" %7zu bytes\n", r->png.len);
	measure("base64", step_base64, r);
	printf(" %7zu bytes\n", r->out.len);
	measure("svg", step_svg, r);
	printf(" %7zu bytes\n", r->out.len);
	measure("text", step_text, r);
	printf(" %7zu bytes\n", r->out.len);
	if (whole) {
		measure("whole", step_all, r);
		printf(" (encode, png, base64)\n");
	}
	buffer_done(&r->png);
	buffer_done(&r->out);
}

int main(void)
{
	static const unsigned pictures[][2] = {{1, 1}, {1, 4}, {1, 64}, {4, 4}, {4, 8}, {4, 10},
		{10, 4}, {10, 8}, {10, 32}, {26, 4}, {26, 16}, {40, 1}, {40, 4}, {40, 8}, {40, 16}};
	static struct request r;

	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		r = (struct request){.version = pictures[i][0],
			.level = QR_LEVEL_M,
			.margin = i == 2 ? 2 : 4,
			.scale = pictures[i][1],
			.dark = black,
			.light = white};
		report(&r, false);
	}
	printf("\nthe costliest requests\n");
	for (unsigned i = 0; i < 8; i++) {
		r = (struct request){.version = i < 6 ? 40 : 1,
			.level = i % 2 ? QR_LEVEL_H : QR_LEVEL_L,
			.size = i / 2 == 1   ? 177 * 23
				: i / 2 == 2 ? 177 * 16
					     : QR_MAX_PIXELS,
			.dark = glass,
			.light = mist};
		report(&r, true);
	}
	return 0;
}
