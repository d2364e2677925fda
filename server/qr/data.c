#include "server/qr/data.h"

#include "server/qr/characters.h"
#include "server/qr/tables.h"

#include <endian.h>
#include <string.h>

#define ECI_MODE 7
#define ECI_UTF8 26
#define TERMINATOR_BITS 4

/* Table 2. */
static const uint8_t mode_indicator[] = {
	[SEGMENT_NUMERIC] = 1, [SEGMENT_ALNUM] = 2, [SEGMENT_BYTE] = 4};

static const uint8_t pad_codeword[2] = {0xec, 0x11};

/* Bits on their way out, first ones highest. */
struct bits {
	uint8_t *to;	  /* where the next whole byte goes */
	uint64_t pending; /* only the lowest n_pending count */
	unsigned n_pending;
};

/* At most 32 at a time; below 32 are pending before and after. */
static inline void put(struct bits *b, uint32_t value, unsigned n)
{
	b->pending = b->pending << n | value;
	b->n_pending += n;
	if (b->n_pending >= 32) {
		b->n_pending -= 32;
		uint32_t word = htobe32((uint32_t)(b->pending >> b->n_pending));

		memcpy(b->to, &word, sizeof(word));
		b->to += sizeof(word);
	}
}

/* Leaves fewer than 8 bits pending. */
static void put_whole_bytes(struct bits *b)
{
	while (b->n_pending >= 8) {
		b->n_pending -= 8;
		*b->to++ = (uint8_t)(b->pending >> b->n_pending);
	}
}

static uint32_t digits(const uint8_t *text, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + qr_character_value[text[i]];
	return value;
}

/* Clause 7.4.3. */
static void put_numeric(struct bits *b, const uint8_t *text, size_t n)
{
	for (; n >= 6; n -= 6, text += 6)
		put(b, digits(text, 3) << 10 | digits(text + 3, 3), 20);
	for (; n >= 3; n -= 3, text += 3)
		put(b, digits(text, 3), 10);
	if (n > 0)
		put(b, digits(text, n), n == 2 ? 7 : 4);
}

static uint32_t pair(const uint8_t *text)
{
	return qr_character_value[text[0]] * 45u + qr_character_value[text[1]];
}

/* Clause 7.4.4. */
static void put_alnum(struct bits *b, const uint8_t *text, size_t n)
{
	for (; n >= 4; n -= 4, text += 4)
		put(b, pair(text) << 11 | pair(text + 2), 22);
	for (; n >= 2; n -= 2, text += 2)
		put(b, pair(text), 11);
	if (n > 0)
		put(b, qr_character_value[text[0]], 6);
}

/* Clause 7.4.5. Eight bytes at a time go out behind the bits that are pending, and leave as many.
 */
static void put_bytes(struct bits *b, const uint8_t *text, size_t n)
{
	put_whole_bytes(b);
	for (; n >= 8; n -= 8, text += 8, b->to += 8) {
		uint64_t in, out;

		memcpy(&in, text, sizeof(in));
		in = be64toh(in);
		/* In two steps, because none may be pending, and no number is shifted by all its
		 * bits. */
		out = htobe64(b->pending << 1 << (63 - b->n_pending) | in >> b->n_pending);
		memcpy(b->to, &out, sizeof(out));
		b->pending = in;
	}
	for (; n > 0; n--)
		put(b, *text++, 8);
}

static void put_segment(struct bits *b, const uint8_t *text, size_t n, enum segment_mode mode,
	enum segment_group group)
{
	put(b, mode_indicator[mode], 4);
	put(b, (uint32_t)n, segment_count_bits(mode, group));
	if (mode == SEGMENT_NUMERIC)
		put_numeric(b, text, n);
	else if (mode == SEGMENT_ALNUM)
		put_alnum(b, text, n);
	else
		put_bytes(b, text, n);
}

/* Clauses 7.4.9 and 7.4.10; as much of the terminator as there is room for. */
static void put_padding(struct bits *b, const uint8_t *end)
{
	size_t left = (size_t)(end - b->to) * 8 - b->n_pending;
	unsigned pad = 0;

	put(b, 0, left < TERMINATOR_BITS ? (unsigned)left : TERMINATOR_BITS);
	put(b, 0, -b->n_pending % 8);
	put_whole_bytes(b);
	while (b->to < end)
		*b->to++ = pad_codeword[pad++ % 2];
}

void qr_data_write(uint8_t *data, const struct qr_fit *fit)
{
	enum segment_group group = segment_group_of(fit->version);
	struct bits b = {.to = data};
	size_t end;

	if (fit->with_eci) {
		put(&b, ECI_MODE, 4);
		put(&b, ECI_UTF8, 8);
	}
	for (size_t start = 0; start < fit->len; start = end) {
		enum segment_mode mode = segment_at(&fit->split, start, fit->len, &end);

		put_segment(&b, fit->text + start, end - start, mode, group);
	}
	put_padding(&b, data + qr_versions[fit->version].level[fit->options.level].data);
}
