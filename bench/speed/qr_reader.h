/*
 * A symbol read back, slowly and word for word as ISO/IEC 18004:2015 has it, to check those symbols that libqrencode
 * refuses to make: an ECI header within 16 bits of a version's capacity. The choice of the mask is not judged.
 */
#ifndef QUERN_BENCH_SPEED_QR_READER_H
#define QUERN_BENCH_SPEED_QR_READER_H

#include "server/qr/symbol.h"
#include "server/qr/tables.h"

#include <stdbool.h>
#include <string.h>

struct qr_reader {
	bool function[QR_MAX_WIDTH][QR_MAX_WIDTH]; /* by row, then column: no data there */
	uint8_t placed[QR_MAX_CODEWORDS +
		       1]; /* in the order of placement; one more for the remainder bits */
	uint8_t data[QR_MAX_CODEWORDS]; /* block after block */
	uint8_t expected[QR_MAX_CODEWORDS];
	size_t expected_bits;
	uint8_t power[255], exponent[256];
};

static inline void qr_reader_mark(
	struct qr_reader *r, unsigned x, unsigned y, unsigned width, unsigned height)
{
	for (unsigned i = 0; i < height; i++)
		for (unsigned k = 0; k < width; k++)
			r->function[y + i][x + k] = true;
}

/* Clause 6.3: finders with separators and format information, timing, alignment, version information. */
static inline void qr_reader_mark_functions(struct qr_reader *r, const struct qr_symbol *s)
{
	const struct qr_version *v = &qr_versions[s->version];
	const unsigned w = s->width, n = v->n_centres;

	memset(r->function, 0, sizeof(r->function));
	qr_reader_mark(r, 0, 0, 9, 9);
	qr_reader_mark(r, w - 8, 0, 8, 9);
	qr_reader_mark(r, 0, w - 8, 9, 8);
	qr_reader_mark(r, 0, 6, w, 1);
	qr_reader_mark(r, 6, 0, 1, w);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++)
			if (!(i == 0 && k == 0) && !(i == 0 && k == n - 1) &&
				!(i == n - 1 && k == 0))
				qr_reader_mark(r, v->centre[i] - 2U, v->centre[k] - 2U, 5, 5);
	if (s->version >= 7) {
		qr_reader_mark(r, w - 11, 0, 3, 6);
		qr_reader_mark(r, 0, w - 11, 6, 3);
	}
}

/* Clause 7.9.1: bits 14 to 9 in row 8, 8 to 6 around the corner, 5 to 0 up column 8. */
static inline unsigned qr_reader_format(const struct qr_symbol *s)
{
	unsigned bits = 0;

	for (unsigned x = 0; x <= 8; x++)
		if (x != 6)
			bits = bits << 1 | qr_symbol_dark(s, x, 8);
	for (unsigned y = 8; y-- > 0;)
		if (y != 6)
			bits = bits << 1 | qr_symbol_dark(s, 8, y);
	return bits;
}

/* Annex C: level and mask, ten bits of a BCH code, and a mask over all. */
static inline unsigned qr_reader_format_of(enum qr_level level, unsigned mask)
{
	static const unsigned indicator[] = {1, 0, 3, 2};
	const unsigned data = indicator[level] << 3 | mask;
	unsigned rest = data;

	for (unsigned i = 0; i < 10; i++)
		rest = rest << 1 ^ (rest >> 9) * 0x537U;
	return (data << 10 | rest) ^ 0x5412U;
}

/* The mask that the format information names; 8 if it is none of the level's. */
static inline unsigned qr_reader_mask(const struct qr_symbol *s, enum qr_level level)
{
	unsigned format = qr_reader_format(s), mask = 0;

	while (mask < 8 && qr_reader_format_of(level, mask) != format)
		mask++;
	return mask;
}

/* Clause 7.8.2, table 10: i is the row, j the column. */
static inline bool qr_reader_masked(unsigned mask, unsigned i, unsigned j)
{
	switch (mask) {
	case 0:
		return (i + j) % 2 == 0;
	case 1:
		return i % 2 == 0;
	case 2:
		return j % 3 == 0;
	case 3:
		return (i + j) % 3 == 0;
	case 4:
		return (i / 2 + j / 3) % 2 == 0;
	case 5:
		return i * j % 2 + i * j % 3 == 0;
	case 6:
		return (i * j % 2 + i * j % 3) % 2 == 0;
	default:
		return ((i + j) % 2 + i * j % 3) % 2 == 0;
	}
}

/* Clause 7.7.3: pairs of columns from the right, up and down in turn; the vertical timing pattern is passed over. */
static inline void qr_reader_collect(struct qr_reader *r, const struct qr_symbol *s, unsigned mask)
{
	size_t bits = 0;
	bool up = true;

	memset(r->placed, 0, sizeof(r->placed));
	for (unsigned pair = s->width / 2; pair-- > 0; up = !up) {
		const unsigned right = 2 * pair + (pair >= 3 ? 2 : 1);

		for (unsigned n = 0; n < 2 * s->width; n++) {
			unsigned x = right - n % 2, y = up ? s->width - 1 - n / 2 : n / 2;

			if (r->function[y][x])
				continue;
			if (qr_symbol_dark(s, x, y) != qr_reader_masked(mask, y, x))
				r->placed[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
			bits++;
		}
	}
}

/* Clause 7.5.1: powers of 2 modulo x^8 + x^4 + x^3 + x^2 + 1, and their exponents. */
static inline void qr_reader_make_powers(struct qr_reader *r)
{
	unsigned power = 1;

	for (unsigned i = 0; i < 255; i++) {
		r->power[i] = (uint8_t)power;
		r->exponent[power] = (uint8_t)i;
		power = power << 1 ^ (power >> 7) * 0x11dU;
	}
}

/* Clause 7.5.2: the powers of 2 below the number of correction codewords are roots of every block. */
static inline bool qr_reader_is_correct(
	const struct qr_reader *r, const uint8_t *block, size_t n, unsigned correction)
{
	for (unsigned root = 0; root < correction; root++) {
		unsigned sum = 0;

		for (size_t k = 0; k < n; k++) {
			if (sum)
				sum = r->power[(r->exponent[sum] + root) % 255];
			sum ^= block[k];
		}
		if (sum)
			return false;
	}
	return true;
}

/* Clause 7.6: takes the blocks apart. False if one of them is no code word of the Reed-Solomon code. */
static inline bool qr_reader_deinterleave(struct qr_reader *r, const struct qr_blocks *b)
{
	const unsigned shorter = b->data / b->blocks, longer = b->data % b->blocks;
	uint8_t block[256], *data = r->data;

	for (unsigned k = 0; k < b->blocks; k++) {
		const bool has_more = k >= b->blocks - longer;
		unsigned n = 0;

		for (; n < shorter; n++)
			block[n] = r->placed[n * b->blocks + k];
		if (has_more)
			block[n++] = r->placed[shorter * b->blocks + k - (b->blocks - longer)];
		memcpy(data, block, n);
		data += n;
		for (unsigned i = 0; i < b->correction; i++)
			block[n++] = r->placed[b->data + i * b->blocks + k];
		if (!qr_reader_is_correct(r, block, n, b->correction))
			return false;
	}
	return true;
}

/* What is too much is only counted. */
static inline void qr_reader_put(struct qr_reader *r, unsigned value, unsigned bits)
{
	while (bits-- > 0) {
		if ((value >> bits & 1) && r->expected_bits / 8 < sizeof(r->expected))
			r->expected[r->expected_bits / 8] |=
				(uint8_t)(0x80 >> r->expected_bits % 8);
		r->expected_bits++;
	}
}

/* Table 5. */
static inline unsigned qr_reader_alnum(uint8_t c)
{
	static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
	const char *at = c ? strchr(set, c) : NULL;

	return at ? (unsigned)(at - set) : 0;
}

/* Clauses 7.4.3 to 7.4.5: the characters of a segment in groups of three, two or one. */
static inline void qr_reader_put_characters(
	struct qr_reader *r, enum segment_mode mode, const uint8_t *text, size_t len)
{
	static const unsigned group_of[] = {3, 2, 1}, base_of[] = {10, 45, 256};
	static const unsigned bits_of[][4] = {{0, 4, 7, 10}, {0, 6, 11}, {0, 8}};

	for (size_t i = 0; i < len; i += group_of[mode]) {
		unsigned value = 0, n = 0;

		for (; n < group_of[mode] && i + n < len; n++)
			value = value * base_of[mode] +
				(mode == SEGMENT_BYTE ? text[i + n] : qr_reader_alnum(text[i + n]));
		qr_reader_put(r, value, bits_of[mode][n]);
	}
}

/* Clause 7.4.1, table 3: widths of the counts by group of versions and mode. */
static inline void qr_reader_put_segments(struct qr_reader *r, const struct qr_fit *fit)
{
	static const unsigned count_bits[3][3] = {{10, 9, 8}, {12, 11, 16}, {14, 13, 16}};
	const unsigned group = fit->version <= 9 ? 0 : fit->version <= 26 ? 1 : 2;
	size_t end;

	for (size_t at = 0; at < fit->len; at = end) {
		enum segment_mode mode = segment_at(&fit->split, at, fit->len, &end);

		qr_reader_put(r, 1U << mode, 4);
		qr_reader_put(r, (unsigned)(end - at), count_bits[group][mode]);
		qr_reader_put_characters(r, mode, fit->text + at, end - at);
	}
}

/* Clauses 7.4.2.2, 7.4.9 and 7.4.10: ECI 26, the segments, terminator and padding. False if fit counted other bits. */
static inline bool qr_reader_expect(struct qr_reader *r, const struct qr_fit *fit, unsigned data)
{
	memset(r->expected, 0, sizeof(r->expected));
	r->expected_bits = 0;
	if (fit->with_eci)
		qr_reader_put(r, 0x71a, 12);
	qr_reader_put_segments(r, fit);
	if (r->expected_bits != fit->needed_bits)
		return false;
	r->expected_bits += 4; /* the terminator, as far as there is room */
	for (size_t i = (r->expected_bits + 7) / 8, n = 0; i < data; i++, n++)
		r->expected[i] = n % 2 ? 0x11 : 0xec;
	return true;
}

/* Whether the symbol holds the text, split as fit has it. *r is room to work in. */
static inline bool qr_reader_agrees(
	struct qr_reader *r, const struct qr_symbol *s, const struct qr_fit *fit)
{
	const struct qr_blocks *b = &qr_versions[fit->version].level[fit->options.level];
	const unsigned mask = qr_reader_mask(s, fit->options.level);

	if (mask > 7 || fit->needed_bits > (size_t)b->data * 8)
		return false;
	qr_reader_mark_functions(r, s);
	qr_reader_collect(r, s, mask);
	qr_reader_make_powers(r);
	return qr_reader_expect(r, fit, b->data) && qr_reader_deinterleave(r, b) &&
	       memcmp(r->data, r->expected, b->data) == 0;
}

#endif
