#include "server/qr/picture.h"

#include <errno.h>

/*
 * Geometry in the units of the viewBox. Where everything is a whole number of modules, as always
 * without `size`, a unit is a module, else a pixel; so all coordinates are whole numbers, and
 * exact.
 */
struct svg_grid {
	unsigned module; /* width of a module */
	unsigned origin; /* of the symbol */
	unsigned width;	 /* of the picture */
};

/* "M0000 0000h0000v0000H0000z" */
#define RUN_BYTES 26

static struct svg_grid grid_of(const struct qr_picture *p)
{
	unsigned unit = p->offset % p->scale == 0 && p->width % p->scale == 0 ? p->scale : 1;

	return (struct svg_grid){p->scale / unit, p->offset / unit, p->width / unit};
}

/* At most four digits: no coordinate is above QR_MAX_PIXELS. */
static char *put_number(char *to, unsigned n)
{
	if (n >= 1000)
		*to++ = (char)('0' + n / 1000);
	if (n >= 100)
		*to++ = (char)('0' + n / 100 % 10);
	if (n >= 10)
		*to++ = (char)('0' + n / 10 % 10);
	*to++ = (char)('0' + n % 10);
	return to;
}

static char *put_run(char *to, const struct svg_grid *grid, unsigned x, unsigned y, unsigned n)
{
	unsigned left = grid->origin + x * grid->module;

	*to++ = 'M';
	to = put_number(to, left);
	*to++ = ' ';
	to = put_number(to, grid->origin + y * grid->module);
	*to++ = 'h';
	to = put_number(to, n * grid->module);
	*to++ = 'v';
	to = put_number(to, grid->module);
	*to++ = 'H';
	to = put_number(to, left);
	*to++ = 'z';
	return to;
}

static void put_modules(const struct qr_symbol *s, const struct svg_grid *grid, struct buffer *out)
{
	size_t row_bytes = (s->width / 2 + 1) * (size_t)RUN_BYTES;

	for (unsigned y = 0; y < s->width; y++) {
		char *to = buffer_reserve(out, row_bytes);
		unsigned n;

		if (!to)
			return;
		for (unsigned x = 0; qr_symbol_run(s, y, &x, &n); x += n)
			to = put_run(to, grid, x, y, n);
		out->len = (size_t)(to - out->data);
	}
}

static void put_fill(const struct qr_color *c, struct buffer *out)
{
	buffer_printf(out, " fill=\"#%02x%02x%02x\"", c->red, c->green, c->blue);
	if (c->alpha < 255)
		buffer_printf(out, " fill-opacity=\"0.%04u\"", (c->alpha * 10000U + 127) / 255);
}

static void put_light(const struct qr_symbol *s, const struct qr_picture *p,
	const struct svg_grid *grid, struct buffer *out)
{
	if (p->light.alpha == 0)
		return;
	if (p->dark.alpha == 255) {
		buffer_printf(out, "<rect width=\"%u\" height=\"%u\"", grid->width, grid->width);
		put_fill(&p->light, out);
	} else {
		buffer_puts(out, "<path fill-rule=\"evenodd\"");
		put_fill(&p->light, out);
		buffer_printf(out, " d=\"M0 0h%uv%uH0z", grid->width, grid->width);
		put_modules(s, grid, out);
		buffer_putc(out, '"');
	}
	buffer_puts(out, "/>\n");
}

static void put_dark(const struct qr_symbol *s, const struct qr_picture *p,
	const struct svg_grid *grid, struct buffer *out)
{
	if (p->dark.alpha == 0)
		return;
	buffer_puts(out, "<path");
	put_fill(&p->dark, out);
	buffer_puts(out, " d=\"");
	put_modules(s, grid, out);
	buffer_puts(out, "\"/>\n");
}

int qr_svg_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	struct svg_grid grid = grid_of(p);
	size_t before = out->len;

	buffer_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%u\" "
		"height=\"%u\""
		" viewBox=\"0 0 %u %u\" shape-rendering=\"crispEdges\">\n",
		p->width, p->width, grid.width, grid.width);
	put_light(s, p, &grid, out);
	put_dark(s, p, &grid, out);
	buffer_puts(out, "</svg>\n");
	if (out->failed) {
		out->len = before;
		return -ENOMEM;
	}
	return 0;
}
