/* SVGs drawn by rsvg-convert (librsvg2-bin) and compared with the PNG of the same picture. */
#include "server/qr/picture.h"

#include "tests/unit/qr_helpers.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct qr_color black = {0, 0, 0, 255}, white = {255, 255, 255, 255};
static const struct qr_color clear = {9, 9, 9, 0}, red = {200, 16, 46, 255};
static const struct qr_color glass = {10, 200, 30, 128}, mist = {255, 250, 0, 51};

static struct qr_picture picture_of(const struct qr_symbol *s, unsigned margin, unsigned scale,
	unsigned size, struct qr_color dark, struct qr_color light)
{
	struct qr_picture p;

	assert_int_equal(qr_picture_layout(&p, s->width, margin, scale, size), 0);
	p.dark = dark;
	p.light = light;
	return p;
}

static const char *write_svg(
	const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	const char *svg;

	buffer_init(out);
	assert_int_equal(qr_svg_write(s, p, out), 0);
	svg = buffer_cstring(out);
	assert_non_null(svg);
	assert_int_equal(strlen(svg), out->len);
	return svg;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		assert_true(n > 0);
		data += n;
		len -= (size_t)n;
	}
}

/* What rsvg-convert makes of the SVG, a PNG, appended to *ret. */
static void rasterize(const struct buffer *svg, struct buffer *ret)
{
	char path[] = "/tmp/quern-svg-XXXXXX", command[80], chunk[4096];
	int fd = mkstemp(path);
	FILE *pipe;
	size_t n;

	assert_true(fd >= 0);
	write_all(fd, svg->data, svg->len);
	assert_int_equal(close(fd), 0);
	(void)snprintf(command, sizeof(command), "rsvg-convert %s", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((n = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
		buffer_append(ret, chunk, n);
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(unlink(path), 0);
}

/* Colours of translucent pixels lose precision in a rasterizer, which multiplies them by alpha. */
static void assert_same_pixel(const uint8_t *drawn, const struct qr_color *c)
{
	const uint8_t expected[3] = {c->red, c->green, c->blue};

	assert_int_equal(drawn[3], c->alpha);
	for (unsigned i = 0; i < 3 && c->alpha > 0; i++)
		assert_in_range(drawn[i] + 5, expected[i] + (c->alpha == 255 ? 5 : 0),
			expected[i] + (c->alpha == 255 ? 5 : 10));
}

static void check(const struct qr_symbol *s, const struct qr_picture *p)
{
	struct buffer svg, png;
	unsigned width;
	uint8_t *pixels;

	(void)write_svg(s, p, &svg);
	buffer_init(&png);
	rasterize(&svg, &png);
	pixels = decode_png(png.data, png.len, &width);
	assert_int_equal(width, p->width);
	for (unsigned y = 0; y < width; y++)
		for (unsigned x = 0; x < width; x++)
			assert_same_pixel(
				pixels + 4 * ((size_t)y * width + x), expected_color(s, p, x, y));
	free(pixels);
	buffer_done(&svg);
	buffer_done(&png);
}

static void test_drawn_as_the_png(void **state)
{
	const struct {
		unsigned version, margin, scale, size;
		struct qr_color dark, light;
	} pictures[] = {
		{1, 4, 4, 0, black, white},
		{1, 0, 1, 0, black, white},
		{3, 2, 7, 0, red, mist},
		{7, 4, 3, 0, white, black},
		{2, 4, 0, 200, black, white},
		{4, 1, 0, 71, black, clear},
		{5, 0, 0, 300, clear, red},
		{5, 4, 0, 301, glass, red},
		{6, 4, 2, 0, glass, mist},
		{1, 0, 0, 43, clear, clear},
		{40, 4, 0, 400, black, white},
	};
	struct qr_symbol s;
	uint64_t seed = 13;

	(void)state;
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		struct qr_picture p;

		random_symbol(&seed, &s, pictures[i].version);
		p = picture_of(&s, pictures[i].margin, pictures[i].scale, pictures[i].size,
			pictures[i].dark, pictures[i].light);
		check(&s, &p);
	}
}

static void test_elements(void **state)
{
	struct qr_symbol s;
	struct qr_picture p;
	struct buffer out;
	const char *svg;
	uint64_t seed = 14;

	(void)state;
	random_symbol(&seed, &s, 1);
	p = picture_of(&s, 4, 4, 0, black, white);
	svg = write_svg(&s, &p, &out);
	assert_non_null(strstr(svg, " width=\"116\" height=\"116\" viewBox=\"0 0 29 29\""));
	assert_int_equal(count(svg, "shape-rendering=\"crispEdges\""), 1);
	assert_int_equal(count(svg, "<path"), 1);
	assert_int_equal(count(svg, "<rect"), 1);
	assert_int_equal(count(svg, "opacity"), 0);
	assert_non_null(strstr(svg, "d=\"M4 4h7v1H4z"));
	buffer_done(&out);

	/* 57 pixels: 18 before the symbol, 18 behind. */
	p = picture_of(&s, 4, 0, 57, glass, clear);
	svg = write_svg(&s, &p, &out);
	assert_non_null(strstr(svg, " viewBox=\"0 0 57 57\""));
	assert_int_equal(count(svg, "<path"), 1);
	assert_int_equal(count(svg, "<rect"), 0);
	assert_non_null(strstr(svg, " fill=\"#0ac81e\" fill-opacity=\"0.5020\""));
	assert_non_null(strstr(svg, "d=\"M18 18h7v1H18z"));
	buffer_done(&out);
}

static void test_failed_buffer(void **state)
{
	struct qr_symbol s;
	struct qr_picture p;
	struct buffer out;
	uint64_t seed = 15;

	(void)state;
	random_symbol(&seed, &s, 1);
	p = picture_of(&s, 4, 4, 0, black, white);
	buffer_init(&out);
	buffer_puts(&out, "before");
	out.failed = true;
	assert_int_equal(qr_svg_write(&s, &p, &out), -ENOMEM);
	assert_int_equal(out.len, 6);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drawn_as_the_png),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_failed_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
