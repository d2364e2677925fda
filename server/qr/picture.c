#include "server/qr/picture.h"

#include <errno.h>

int qr_picture_layout(struct qr_picture *ret, unsigned symbol_width, unsigned margin,
	unsigned scale, unsigned size)
{
	unsigned modules = symbol_width + 2 * margin;

	ret->margin = margin;
	ret->scale = size ? size / modules : scale;
	ret->width = size ? size : modules * scale;
	ret->offset = 0;
	if (ret->width > QR_MAX_PIXELS)
		return -ERANGE;
	if (ret->scale == 0) {
		ret->width = modules;
		return -ERANGE;
	}
	ret->offset = (ret->width - symbol_width * ret->scale) / 2;
	return 0;
}

/* The first module at or after x that is of the kind wanted (flip 0: dark, all ones: light), or
 * end. */
static unsigned find_module(const uint64_t *row, unsigned x, unsigned end, uint64_t flip)
{
	uint64_t skip = UINT64_MAX << (x % 64);

	for (unsigned word = x / 64; word * 64 < end; word++) {
		uint64_t wanted = (row[word] ^ flip) & skip;

		if (wanted) {
			unsigned found = word * 64 + (unsigned)__builtin_ctzll(wanted);

			return found < end ? found : end;
		}
		skip = UINT64_MAX;
	}
	return end;
}

bool qr_symbol_run(const struct qr_symbol *s, unsigned y, unsigned *x, unsigned *n)
{
	if (*x >= s->width)
		return false;
	*x = find_module(s->row[y], *x, s->width, 0);
	*n = find_module(s->row[y], *x, s->width, UINT64_MAX) - *x;
	return *n > 0;
}
