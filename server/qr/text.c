#include "server/qr/picture.h"

#include <errno.h>
#include <string.h>

/*
 * The terminal is dark: light is drawn, dark is left blank. By which half of a character is drawn:
 * neither, the upper, the lower, both.
 */
static const struct {
	char bytes[3];
	uint8_t len;
} half_blocks[] = {
	{{' '}, 1},
	{{'\xe2', '\x96', '\x80'}, 3},
	{{'\xe2', '\x96', '\x84'}, 3},
	{{'\xe2', '\x96', '\x88'}, 3},
};

#define BLOCK_BYTES sizeof(half_blocks[0].bytes)

/* Coordinates count from the corner of the quiet zone. Below the picture there is nothing to draw.
 */
static bool is_light(const struct qr_symbol *s, unsigned margin, unsigned x, unsigned y)
{
	if (y >= s->width + 2 * margin)
		return false;
	/* Modules left of or above the symbol wrap around to large numbers. */
	x -= margin;
	y -= margin;
	return x >= s->width || y >= s->width || !qr_symbol_dark(s, x, y);
}

static void put_line(const struct qr_symbol *s, unsigned margin, unsigned y, struct buffer *out)
{
	unsigned width = s->width + 2 * margin;
	char *to = buffer_reserve(out, (size_t)width * BLOCK_BYTES + 1);

	if (!to)
		return;
	for (unsigned x = 0; x < width; x++) {
		unsigned drawn = is_light(s, margin, x, y) + 2U * is_light(s, margin, x, y + 1);

		/* All three bytes, for speed: there is room, and what is too much is written over.
		 */
		memcpy(to, half_blocks[drawn].bytes, BLOCK_BYTES);
		to += half_blocks[drawn].len;
	}
	*to++ = '\n';
	out->len = (size_t)(to - out->data);
}

int qr_text_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	size_t before = out->len;

	for (unsigned y = 0; y < s->width + 2 * p->margin; y += 2)
		put_line(s, p->margin, y, out);
	if (out->failed) {
		out->len = before;
		return -ENOMEM;
	}
	return 0;
}
