/*
 * The QR library: text to symbol to pictures. Input: twelve bytes of options, geometry and colours, then the text. The
 * version must be the smallest, the symbol libqrencode's, the PNG its pixels when libpng reads it.
 */
#include "bench/speed/qr_compare.h"
#include "bench/speed/qr_pictures.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 12
#define LIBQRENCODE_MOST 10 /* versions that libqrencode makes quickly; the others are read back */
#define PIXELS_MOST 400	    /* of pictures that are read */

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static struct qr_comparison comparison;

static void check_refused(const struct qr_fit *fit, int error, size_t len)
{
	REQUIRE(len == 0 ? error == -EINVAL : error == -E2BIG);
	if (len > 0)
		REQUIRE(fit->version == 0 && fit->needed_bits > fit->held_bits);
}

/* By libqrencode, or read back where that would take too long. */
static void check_symbol(const struct qr_symbol *s, const struct qr_fit *fit)
{
	struct qr_comparison *c = &comparison;

	REQUIRE(s->version == fit->version && s->width == 17 + 4 * fit->version);
	c->input.options = fit->options;
	c->input.len = fit->len;
	memcpy(c->input.text, fit->text, fit->len);
	c->fit = *fit;
	REQUIRE(qr_version_is_smallest(c));
	if (fit->version > LIBQRENCODE_MOST) {
		REQUIRE(qr_reader_agrees(&c->reader, s, fit));
		return;
	}
	REQUIRE(qr_compare(c));
	REQUIRE(qr_symbols_equal(s, &c->own));
}

/* A writer appends; what was there before stays. */
static void begin(struct buffer *out)
{
	buffer_init(out);
	buffer_puts(out, "before");
	REQUIRE(!out->failed);
}

static void check_png(const struct qr_symbol *s, const struct qr_picture *p)
{
	struct buffer out;
	uint8_t *pixels;

	begin(&out);
	REQUIRE(qr_png_write(s, p, &out) == 0);
	REQUIRE(memcmp(out.data, "before", 6) == 0);
	buffer_consume(&out, 6);
	if (p->width <= PIXELS_MOST) {
		pixels = qr_png_decode(&out, p->width);
		REQUIRE(pixels && qr_pixels_are_expected(pixels, s, p));
		free(pixels);
	}
	buffer_done(&out);
}

static void check_svg(const struct qr_symbol *s, const struct qr_picture *p)
{
	struct buffer out;

	begin(&out);
	REQUIRE(qr_svg_write(s, p, &out) == 0);
	REQUIRE(memcmp(out.data, "before<", 7) == 0);
	REQUIRE(memcmp(out.data + out.len - 7, "</svg>\n", 7) == 0);
	buffer_done(&out);
}

static void check_text(const struct qr_symbol *s, const struct qr_picture *p)
{
	const size_t width = s->width + 2 * (size_t)p->margin;
	struct buffer out;
	size_t lines = 0;

	begin(&out);
	REQUIRE(qr_text_write(s, p, &out) == 0);
	REQUIRE(memcmp(out.data, "before", 6) == 0);
	REQUIRE(out.data[out.len - 1] == '\n');
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	REQUIRE(lines == (width + 1) / 2);
	buffer_done(&out);
}

static void check_layout(const struct qr_symbol *s, const struct qr_picture *p, unsigned size)
{
	const unsigned end = p->offset + s->width * p->scale;

	REQUIRE(p->scale >= 1 && p->width <= QR_MAX_PIXELS);
	REQUIRE(p->offset >= p->margin * p->scale && end + p->margin * p->scale <= p->width);
	REQUIRE(size == 0 || p->width == size);
}

/* Opaque black and white often, as they have a way of their own. */
static struct qr_color color_of(const uint8_t *from, uint8_t choice)
{
	if (choice % 4 == 0)
		return (struct qr_color){0, 0, 0, 255};
	if (choice % 4 == 1)
		return (struct qr_color){255, 255, 255, 255};
	return (struct qr_color){from[0], from[1], from[2], choice % 4 == 2 ? 255 : from[1]};
}

static void check_pictures(const struct qr_symbol *s, const uint8_t *head)
{
	const unsigned margin = head[1] % (QR_MAX_MARGIN + 1), scale = 1 + head[2] % QR_MAX_SCALE;
	const unsigned any_size = (head[3] * 256U + head[4]) % (QR_MAX_PIXELS + 1);
	const unsigned size = head[0] & 8 ? any_size : 0;
	struct qr_picture p;
	int error = qr_picture_layout(&p, s->width, margin, scale, size);

	if (error) {
		REQUIRE(error == -ERANGE && (p.width > QR_MAX_PIXELS || p.width > size));
		return;
	}
	check_layout(s, &p, size);
	p.dark = color_of(head + 5, head[11]);
	p.light = color_of(head + 8, head[11] >> 2);
	check_png(s, &p);
	check_svg(s, &p);
	check_text(s, &p);
}

/* From memory of exactly the size, so that an over-read is seen. */
static void check_exact(const uint8_t *head, const uint8_t *text, size_t len)
{
	const struct qr_options options = {
		.level = (enum qr_level)(head[0] & 3), .eci = head[0] & 4};
	struct qr_fit *fit = malloc(sizeof(*fit));
	struct qr_symbol *s = malloc(sizeof(*s));
	int error;

	REQUIRE(fit && s);
	memset(s, 0xa5, sizeof(*s));
	error = qr_fit(fit, text, len, &options);
	if (error) {
		check_refused(fit, error, len);
	} else {
		REQUIRE(qr_make(s, fit) == 0);
		check_symbol(s, fit);
		check_pictures(s, head);
	}
	free(fit);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t len = size - HEAD;
	uint8_t *text;

	if (size < HEAD)
		return 0;
	text = malloc(len ? len : 1);
	REQUIRE(text);
	memcpy(text, data + HEAD, len);
	check_exact(data, text, len);
	free(text);
	return 0;
}
