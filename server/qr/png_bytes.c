/*
 * Scale 1: nothing repeats, bytes are as good as random, and what there is to be found are short
 * strings across any edges. zlib finds them as well as anyone, so it is asked, with libpng's default
 * settings, which makes the result as large as libpng's.
 */
#include "server/qr/png_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

/* A scale of 1 leaves room for less than twice the symbol with its largest margin. */
#define MAX_WIDTH (2 * (QR_MAX_WIDTH + 2 * QR_MAX_MARGIN))
#define MAX_DATA (MAX_WIDTH * (1 + (MAX_WIDTH + 7) / 8))

#define LEVEL 6
#define MEMORY 8

/* What zlib wants between the farthest match and the end of its window. */
#define LOOKAHEAD 262

/*
 * zlib's memory: 2^18 bytes for window, chains, tables and output (zconf.h), and 6 KB of state. A zlib that wants more,
 * as other makers' do, gets the rest from the heap.
 */
#define ARENA_BYTES ((2U << 17) + (16U << 10))

struct arena {
	size_t used;
	_Alignas(16) uint8_t bytes[ARENA_BYTES];
};

static voidpf arena_get(voidpf opaque, uInt n, uInt size)
{
	struct arena *a = opaque;
	size_t bytes = ((size_t)n * size + 15) / 16 * 16;
	uint8_t *at = a->bytes + a->used;

	if (bytes > sizeof(a->bytes) - a->used)
		return malloc(bytes);
	a->used += bytes;
	return at;
}

/* What lies in the arena goes with it. */
static void arena_put(voidpf opaque, voidpf at)
{
	struct arena *a = opaque;
	uintptr_t begin = (uintptr_t)a->bytes;

	if ((uintptr_t)at < begin || (uintptr_t)at >= begin + sizeof(a->bytes))
		free(at);
}

static size_t draw_all(const struct png_shape *shape, uint8_t *data)
{
	uint8_t *to = data;

	for (unsigned y = 0; y < shape->above; y++, to += shape->row_bytes)
		png_draw_light(shape, to);
	for (unsigned y = 0; y < shape->rows; y++, to += shape->row_bytes)
		png_draw(shape, y, to);
	for (unsigned y = 0; y < shape->below; y++, to += shape->row_bytes)
		png_draw_light(shape, to);
	return (size_t)(to - data);
}

/* The smallest window from whose end all of the n bytes are in reach: it is cleared before use. */
static int window_bits(size_t n)
{
	int bits = 9;

	while (bits < MAX_WBITS && (size_t)1 << bits < n + LOOKAHEAD)
		bits++;
	return bits;
}

int png_bytes(const struct png_shape *shape, struct buffer *out)
{
	uint8_t data[MAX_DATA], *room;
	size_t n = draw_all(shape, data);
	struct arena arena;
	z_stream z = {.next_in = data,
		.avail_in = (uInt)n,
		.zalloc = arena_get,
		.zfree = arena_put,
		.opaque = &arena};
	int error = -ENOMEM;

	arena.used = 0;
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, window_bits(n), MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.avail_out = (uInt)deflateBound(&z, (uLong)n);
	room = (uint8_t *)buffer_reserve(out, z.avail_out);
	z.next_out = room;
	if (room && deflate(&z, Z_FINISH) == Z_STREAM_END) {
		out->len += z.total_out;
		error = 0;
	}
	deflateEnd(&z);
	return error;
}
