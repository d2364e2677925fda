/*
 * A symbol as a picture: its geometry and colours, and the writers. A writer appends to `out`
 * and returns 0; or it returns -ENOMEM (also when out had failed before), and out is as long as
 * before.
 */
#ifndef QUERN_SERVER_QR_PICTURE_H
#define QUERN_SERVER_QR_PICTURE_H

#include "lib/buffer.h"
#include "server/qr/symbol.h"

#include <stdbool.h>
#include <stdint.h>

#define QR_MAX_PIXELS 4096 /* width and height of the largest picture */
#define QR_MIN_PIXELS 21
#define QR_MAX_SCALE 64
#define QR_MAX_MARGIN 64

struct qr_color {
	uint8_t red, green, blue, alpha; /* alpha 255 is opaque, 0 transparent */
};

struct qr_picture {
	unsigned margin; /* quiet zone asked for, in modules, at most QR_MAX_MARGIN */
	unsigned scale;	 /* pixels a module */
	unsigned width;	 /* of the whole picture, in pixels */
	unsigned offset; /* pixels before the first module, left and above; the rest is right and
			    below */
	struct qr_color dark, light;
};

/*
 * The geometry for a symbol of symbol_width modules. size 0: exactly margin and scale. size > 0:
 * the picture is size pixels wide, at the largest whole scale at which symbol and margin fit; what
 * is left over is shared out as margin (`scale` is ignored). Only the four geometry fields of *ret
 * are set. 0; -ERANGE when the picture would be wider than QR_MAX_PIXELS, or size is too small for
 * scale 1: then ret->width is the smallest size that would do for `size`, or the width that was too
 * large.
 */
int qr_picture_layout(struct qr_picture *ret, unsigned symbol_width, unsigned margin,
	unsigned scale, unsigned size) __attribute__((warn_unused_result));

/*
 * PNG of 1 bit a pixel: gray for opaque black on white (either way round), else a palette of two
 * with tRNS.
 */
int qr_png_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
	__attribute__((warn_unused_result));

/* The same picture by libpng: the reference that the other writer is held to. */
int qr_libpng_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
	__attribute__((warn_unused_result));

/*
 * SVG 1.1: viewBox, shape-rendering="crispEdges", one path for all dark modules, pixel for pixel as
 * the PNG. The light colour is a rectangle; where it would shine through dark modules that are not
 * opaque it is a path that leaves them out. A colour that is fully transparent is not drawn.
 */
int qr_svg_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
	__attribute__((warn_unused_result));

/*
 * UTF-8 half blocks for a dark terminal: two modules a character, light ones drawn; p->margin
 * applies.
 */
int qr_text_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
	__attribute__((warn_unused_result));

/*
 * Runs of dark modules in one row, for the writers: looks from module *x on; true: the next run is
 * *n modules long and begins at *x; false: there are none left.
 */
bool qr_symbol_run(const struct qr_symbol *s, unsigned y, unsigned *x, unsigned *n);

#endif
