#include "server/qr/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *put_group(char *to, uint32_t bits)
{
	to[0] = alphabet[bits >> 18 & 63];
	to[1] = alphabet[bits >> 12 & 63];
	to[2] = alphabet[bits >> 6 & 63];
	to[3] = alphabet[bits & 63];
	return to + 4;
}

void base64_append(struct buffer *out, const void *data, size_t len)
{
	const uint8_t *from = data;
	size_t groups = len / 3, rest = len % 3, size = (groups + (rest > 0)) * 4;
	char *to;

	/* Were the size more than a size_t holds, the data would not fit into memory. */
	if (len == 0)
		return;
	to = buffer_reserve(out, size);
	if (!to)
		return;
	for (; groups > 0; groups--, from += 3)
		to = put_group(to, (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2]);
	if (rest > 0) {
		to = put_group(
			to, (uint32_t)from[0] << 16 | (rest > 1 ? (uint32_t)from[1] << 8 : 0));
		to[-1] = '=';
		if (rest == 1)
			to[-2] = '=';
	}
	out->len += size;
}
