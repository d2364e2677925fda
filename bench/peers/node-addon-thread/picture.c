#include "bench/peers/node-addon-thread/picture.h"

#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 4
#define SCALE 4
#define MAX_MODULES 177 /* version 40 */
#define MAX_WIDTH ((MAX_MODULES + 2 * MARGIN) * SCALE)
#define ROW_BYTES ((MAX_WIDTH + 7) / 8)
#define FIRST_ROOM 1024 /* bytes: the PNG of a short text */

struct growing {
	struct peer_picture picture;
	size_t room;
};

static void append(png_structp png, png_bytep data, size_t length)
{
	struct growing *to = png_get_io_ptr(png);
	size_t room = to->room;

	while (length > room - to->picture.length)
		room *= 2;
	if (room > to->room) {
		unsigned char *bytes = realloc(to->picture.bytes, room);

		if (!bytes)
			png_error(png, "out of memory");
		to->picture.bytes = bytes;
		to->room = room;
	}
	memcpy(to->picture.bytes + to->picture.length, data, length);
	to->picture.length += length;
}

static void flush(png_structp png)
{
	(void)png;
}

/* One row of modules as pixels, light is 1. */
static void paint(const QRcode *code, int y, unsigned char row[ROW_BYTES])
{
	memset(row, 0xff, ROW_BYTES);
	for (int x = 0; x < code->width; x++) {
		const int left = (x + MARGIN) * SCALE;

		if (!(code->data[y * code->width + x] & 1))
			continue;
		for (int i = left; i < left + SCALE; i++)
			row[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	}
}

static void write_rows(png_structp png, const QRcode *code)
{
	unsigned char row[ROW_BYTES];

	for (int y = -MARGIN; y < code->width + MARGIN; y++) {
		if (y < 0 || y >= code->width)
			memset(row, 0xff, sizeof row);
		else
			paint(code, y, row);
		for (int i = 0; i < SCALE; i++)
			png_write_row(png, row);
	}
}

/* libpng comes back from its errors by longjmp(), and prints nothing. */
static void on_error(png_structp png, png_const_charp message)
{
	(void)message;
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static int write_png(struct growing *to, const QRcode *code)
{
	const png_uint_32 width = (png_uint_32)(code->width + 2 * MARGIN) * SCALE;
	png_structp png =
		png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		return -ENOMEM;
	}
	png_set_write_fn(png, to, append, flush);
	png_set_compression_level(png, 1);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
	png_set_IHDR(png, info, width, width, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	write_rows(png, code);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	return 0;
}

int peer_picture_make(struct peer_picture *ret, const char *text)
{
	struct growing to = {.picture.bytes = malloc(FIRST_ROOM), .room = FIRST_ROOM};
	QRcode *code;
	int error;

	if (!to.picture.bytes)
		return -ENOMEM;
	code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	error = code ? write_png(&to, code) : -errno;
	QRcode_free(code);
	if (error) {
		free(to.picture.bytes);
		return error;
	}
	*ret = to.picture;
	return 0;
}
