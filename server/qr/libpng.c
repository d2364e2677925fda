#include "server/qr/picture.h"

#include <errno.h>
#include <png.h>
#include <string.h>
#include <zlib.h>

#define ROW_BYTES (QR_MAX_PIXELS / 8)

/* Sizes of the unpacked picture at which other settings become the better ones. */
#define TABLES_BYTES ((size_t)8 << 10)
#define SMALL_BYTES ((size_t)32 << 10)
#define PLAIN_BYTES ((size_t)256 << 10)
#define LARGE_BYTES ((size_t)1 << 20)

/*
 * All that lives across a longjmp() of libpng is in here, and none of it in local variables of the
 * function that calls setjmp().
 */
struct png_job {
	const struct qr_symbol *symbol;
	const struct qr_picture *picture;
	struct buffer *out;
	png_structp png;
	png_infop info;
	bool palette;	    /* else gray */
	bool filter_up;	    /* repeated rows are written as what changed, which is nothing */
	uint8_t background; /* eight light pixels */
	uint8_t row[ROW_BYTES];
};

static void on_write(png_structp png, png_bytep data, size_t n)
{
	struct png_job *job = png_get_io_ptr(png);

	buffer_append(job->out, data, n);
}

static void on_flush(png_structp png)
{
	(void)png;
}

static void __attribute__((noreturn)) on_error(png_structp png, png_const_charp message)
{
	(void)message;
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static bool is_opaque_gray(const struct qr_color *c, uint8_t level)
{
	return c->red == level && c->green == level && c->blue == level && c->alpha == 255;
}

static void choose_colors(struct png_job *job)
{
	const struct qr_color *dark = &job->picture->dark, *light = &job->picture->light;
	bool normal = is_opaque_gray(dark, 0) && is_opaque_gray(light, 255);
	bool inverted = is_opaque_gray(dark, 255) && is_opaque_gray(light, 0);

	job->palette = !normal && !inverted;
	job->background = normal ? 0xff : 0;
}

/* Modules whole bytes wide: rows compress best as they are, unless a row of modules is too long for
 * zlib's window. */
static bool is_plain(unsigned scale, size_t bytes)
{
	return scale == 8 || (scale % 8 == 0 && bytes <= PLAIN_BYTES);
}

/* The higher, the smaller the result; what a level costs grows with what there is to compress. */
static int level_of(unsigned scale, size_t bytes)
{
	if (is_plain(scale, bytes))
		return scale == 8 ? 5 : 6;
	if (bytes <= SMALL_BYTES)
		return 6;
	return bytes <= LARGE_BYTES ? 5 : 3;
}

/*
 * docs/qr.md has the measurements. Among rows repeated by filter Up, matches of five bytes and less
 * cost more than they save (Z_FILTERED). Smaller tables are cleared sooner, which counts in small
 * pictures, and stay in the cache, which counts in large ones.
 */
static void tune(struct png_job *job)
{
	unsigned scale = job->picture->scale, width = job->picture->width;
	size_t bytes = (size_t)width * (width / 8 + 2);

	job->filter_up = !is_plain(scale, bytes);
	png_set_compression_level(job->png, level_of(scale, bytes));
	png_set_compression_strategy(job->png, Z_FILTERED);
	png_set_compression_mem_level(
		job->png, bytes <= TABLES_BYTES || bytes > LARGE_BYTES ? 6 : 8);
	/* libpng makes room for the row before only if the first filter needs it. */
	png_set_filter(job->png, 0, job->filter_up ? PNG_FILTER_UP : PNG_FILTER_NONE);
}

static void put_palette(struct png_job *job)
{
	const struct qr_color *light = &job->picture->light, *dark = &job->picture->dark;
	const png_color colors[2] = {
		{light->red, light->green, light->blue},
		{dark->red, dark->green, dark->blue},
	};
	const png_byte alphas[2] = {light->alpha, dark->alpha};

	png_set_PLTE(job->png, job->info, colors, 2);
	if (dark->alpha < 255)
		png_set_tRNS(job->png, job->info, alphas, 2, NULL);
	else if (light->alpha < 255)
		png_set_tRNS(job->png, job->info, alphas, 1, NULL);
}

static void put_header(struct png_job *job)
{
	unsigned width = job->picture->width;

	png_set_write_fn(job->png, job, on_write, on_flush);
	png_set_IHDR(job->png, job->info, width, width, 1,
		job->palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (job->palette)
		put_palette(job);
	tune(job);
	png_write_info(job->png, job->info);
}

/*
 * Rows are drawn here once more, and not by png_stream.c: this is the reference that the other writer is held to, so it shares
 * nothing with it. Inverts pixels from to (excluded) to, which were all light.
 */
static void invert(uint8_t *row, unsigned from, unsigned to, uint8_t background)
{
	unsigned first = from / 8, last = (to - 1) / 8;
	uint8_t head = (uint8_t)(0xff >> from % 8), tail = (uint8_t)(0xff << (7 - (to - 1) % 8));

	if (first == last) {
		row[first] ^= head & tail;
		return;
	}
	row[first] ^= head;
	memset(row + first + 1, ~background & 0xff, last - first - 1);
	row[last] ^= tail;
}

static void draw_modules(struct png_job *job, unsigned y)
{
	unsigned scale = job->picture->scale, offset = job->picture->offset, n;

	memset(job->row, job->background, sizeof(job->row));
	for (unsigned x = 0; qr_symbol_run(job->symbol, y, &x, &n); x += n)
		invert(job->row, offset + x * scale, offset + (x + n) * scale, job->background);
}

/* Writes the row n times; `first` tells the first rows of the picture, whose filter tune() has set.
 */
static void put_rows(struct png_job *job, unsigned n, bool first)
{
	for (unsigned i = 0; i < n; i++) {
		if (job->filter_up && !first && i < 2)
			png_set_filter(job->png, 0, i == 0 ? PNG_FILTER_NONE : PNG_FILTER_UP);
		png_write_row(job->png, job->row);
	}
}

static void put_image(struct png_job *job)
{
	const struct qr_picture *p = job->picture;
	unsigned below = p->offset + job->symbol->width * p->scale;

	memset(job->row, job->background, sizeof(job->row));
	put_rows(job, p->offset, true);
	for (unsigned y = 0; y < job->symbol->width; y++) {
		draw_modules(job, y);
		put_rows(job, p->scale, p->offset == 0 && y == 0);
	}
	memset(job->row, job->background, sizeof(job->row));
	put_rows(job, p->width - below, false);
	png_write_end(job->png, NULL);
}

/* The only setjmp(): no local variables, and what it calls is given everything by pointer. */
static int write_png(struct png_job *job)
{
	if (setjmp(png_jmpbuf(job->png)))
		return -ENOMEM;
	put_header(job);
	put_image(job);
	return job->out->failed ? -ENOMEM : 0;
}

int qr_libpng_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	struct png_job job = {.symbol = s, .picture = p, .out = out};
	size_t before = out->len;
	int error = -ENOMEM;

	if (out->failed)
		return -ENOMEM;
	job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	if (!job.png)
		return -ENOMEM;
	job.info = png_create_info_struct(job.png);
	if (job.info) {
		choose_colors(&job);
		error = write_png(&job);
	}
	png_destroy_write_struct(&job.png, &job.info);
	if (error)
		out->len = before;
	return error;
}
