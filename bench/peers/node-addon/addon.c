/*
 * A Node addon as one writes it for speed: text to PNG by libqrencode and libpng, on the loop's own thread. Level M,
 * margin 4, scale 4, 1 bit a pixel; libpng at level 1 and without filters, which is the fastest it can do.
 */
#include <node_api.h>
#include <png.h>
#include <qrencode.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#define MARGIN 4
#define SCALE 4
#define MAX_MODULES 177 /* version 40 */
#define MAX_WIDTH ((MAX_MODULES + 2 * MARGIN) * SCALE)
#define ROW_BYTES ((MAX_WIDTH + 7) / 8)
#define MAX_TEXT 7089 /* bytes: the digits that fill the largest symbol */
#define MAX_PNG (ROW_BYTES * MAX_WIDTH + 4096)

struct picture {
	unsigned char bytes[MAX_PNG];
	size_t length;
};

static void append(png_structp png, png_bytep data, size_t length)
{
	struct picture *picture = png_get_io_ptr(png);

	if (length > sizeof picture->bytes - picture->length)
		png_error(png, "the picture is too large");
	memcpy(picture->bytes + picture->length, data, length);
	picture->length += length;
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

static bool write_png(struct picture *picture, const QRcode *code)
{
	const png_uint_32 width = (png_uint_32)(code->width + 2 * MARGIN) * SCALE;
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		return false;
	}
	picture->length = 0;
	png_set_write_fn(png, picture, append, flush);
	png_set_compression_level(png, 1);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
	png_set_IHDR(png, info, width, width, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	write_rows(png, code);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	return true;
}

static napi_value fail(napi_env env, const char *message)
{
	napi_throw_error(env, NULL, message);
	return NULL;
}

/* png(text): a Buffer. Throws where the text does not fit. */
static napi_value png(napi_env env, napi_callback_info call)
{
	static struct picture picture; /* only the loop's thread comes here */
	char text[MAX_TEXT + 6];       /* room to see that it is longer, if only by one character */
	size_t count = 1, length;
	napi_value argument, buffer;
	QRcode *code;
	bool written;

	if (napi_get_cb_info(env, call, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
		napi_get_value_string_utf8(env, argument, text, sizeof text, &length) != napi_ok)
		return fail(env, "png() wants a string");
	if (length > MAX_TEXT)
		return fail(env, "the text is too long");
	code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	if (!code)
		return fail(env, "the text does not fit");
	written = write_png(&picture, code);
	QRcode_free(code);
	if (!written)
		return fail(env, "libpng failed");
	if (napi_create_buffer_copy(env, picture.length, picture.bytes, NULL, &buffer) != napi_ok)
		return fail(env, "out of memory");
	return buffer;
}

NAPI_MODULE_INIT()
{
	napi_value function;

	if (napi_create_function(env, "png", NAPI_AUTO_LENGTH, png, NULL, &function) != napi_ok ||
		napi_set_named_property(env, exports, "png", function) != napi_ok)
		return fail(env, "the addon could not be set up");
	return exports;
}
