#include "server/qr/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *put_group(char *to, uint32_t bits)
{
	to[0] = alphabet[bits >> 18 & 63];
	to[1] = alphabet[bits >> 12 & 63];
	to[2] = alphabet[bits >> 6 & 63];
	to[3] = alphabet[bits & 63];
	return to + 4;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BLOCK ((size_t)12) /* bytes that become 16 characters at once */
#define BLOCK_READS 13	   /* how many of them are looked at */

typedef uint32_t words __attribute__((vector_size(16)));
typedef int8_t chars __attribute__((vector_size(16)));

static uint32_t read_u32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, 4);
	return __builtin_bswap32(value);
}

/* The alphabet is five stretches of ASCII; what lies between one and the next is skipped. */
static chars characters_of(chars values)
{
	return values + 'A' + ((values > 25) & ('a' - 'Z' - 1)) -
	       ((values > 51) & ('z' + 1 - '0')) - ((values > 61) & ('9' + 1 - '+')) +
	       ((values > 62) & ('/' - '+' - 1));
}

static void put_block(char *to, const uint8_t *from)
{
	words w = {read_u32(from), read_u32(from + 3), read_u32(from + 6), read_u32(from + 9)};
	chars c;

	w = (w >> 26) | (w >> 12 & 0x3f00) | (w << 2 & 0x3f0000) | (w << 16 & 0x3f000000);
	memcpy(&c, &w, sizeof(c));
	c = characters_of(c);
	memcpy(to, &c, sizeof(c));
}

/* Whole blocks, as long as there is enough to look at. Returns how many bytes that were. */
static size_t put_blocks(char *to, const uint8_t *from, size_t len)
{
	size_t n = 0;

	for (; len - n >= BLOCK_READS; n += BLOCK, to += (size_t)BLOCK / 3 * 4)
		put_block(to, from + n);
	return n;
}
#else
static size_t put_blocks(char *to, const uint8_t *from, size_t len)
{
	(void)to;
	(void)from;
	(void)len;
	return 0;
}
#endif

void base64_append(struct buffer *out, const void *data, size_t len)
{
	size_t size = (len / 3 + (len % 3 > 0)) * 4, i;
	const uint8_t *from = data;
	char *to;

	/* Were the size more than a size_t holds, the data would not fit into memory. */
	if (len == 0)
		return;
	to = buffer_reserve(out, size);
	if (!to)
		return;
	out->len += size;
	i = put_blocks(to, from, len);
	to += i / 3 * 4;
	for (; len - i >= 3; i += 3)
		to = put_group(
			to, (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2]);
	if (i == len)
		return;
	to = put_group(
		to, (uint32_t)from[i] << 16 | (len - i > 1 ? (uint32_t)from[i + 1] << 8 : 0));
	to[-1] = '=';
	if (len - i == 1)
		to[-2] = '=';
}
