/*
 * Random inputs for the QR library, for the programs that compare its engines. Number n of a seed is always the same
 * text with the same options, on every machine. Every eighth input takes the next of the 160 versions and levels in
 * turn, the others are small, because the reference takes two hundred times as long for version 40 as for version 1.
 */
#ifndef QUERN_BENCH_SPEED_QR_INPUTS_H
#define QUERN_BENCH_SPEED_QR_INPUTS_H

#include "lib/random.h"
#include "server/qr/symbol.h"
#include "server/qr/tables.h"

#include <stdbool.h>
#include <string.h>

#define QR_INPUT_SMALL_VERSIONS 10
#define QR_INPUT_TURN 8

struct qr_input {
	uint64_t seed, number;
	struct qr_options options; /* with Quern's engine */
	unsigned version;	   /* aimed at; the text may need a smaller one */
	size_t len;
	uint8_t text[SEGMENT_MAX_CHARS];
};

enum qr_kind {
	QR_KIND_DIGITS,
	QR_KIND_ALNUM,
	QR_KIND_LETTERS,
	QR_KIND_BYTES,
	QR_KIND_WITH_NUL,
	QR_KIND_UTF8,
	QR_KIND_REPEATED,
	QR_KIND_MIXED
};

#define QR_KINDS 8

static inline uint8_t qr_input_of_set(struct random *r, const char *set, size_t n)
{
	return (uint8_t)set[random_below(r, n)];
}

static inline uint8_t qr_input_byte(struct random *r, enum qr_kind kind)
{
	static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

	if (kind == QR_KIND_DIGITS)
		return qr_input_of_set(r, alnum, 10);
	if (kind == QR_KIND_ALNUM)
		return qr_input_of_set(r, alnum, 45);
	if (kind == QR_KIND_LETTERS)
		return qr_input_of_set(r, letters, 26);
	if (kind == QR_KIND_WITH_NUL)
		return random_below(r, 3) ? (uint8_t)random_below(r, 128) : 0;
	return (uint8_t)random_u64(r);
}

/* Sequences of one to four bytes; the last one may be cut off. */
static inline void qr_input_utf8(struct random *r, uint8_t *text, size_t len)
{
	static const uint8_t lead[] = {0x00, 0xc2, 0xe1, 0xf1};
	size_t i = 0;

	while (i < len) {
		unsigned more = (unsigned)random_below(r, 4);

		text[i++] = more == 0 ? (uint8_t)random_below(r, 128)
				      : (uint8_t)(lead[more] + random_below(r, 2));
		for (; more > 0 && i < len; more--)
			text[i++] = (uint8_t)(0x80 + random_below(r, 64));
	}
}

/* Stretches of digits, of the alphanumeric set, of letters, of any bytes: many segments. */
static inline void qr_input_mixed(struct random *r, uint8_t *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		enum qr_kind kind = (enum qr_kind)random_below(r, QR_KIND_WITH_NUL + 1);
		size_t end = i + 1 + random_below(r, 24);

		for (; i < len && i < end; i++)
			text[i] = qr_input_byte(r, kind);
	}
}

/* One byte or a short pattern again and again: large areas of one colour, which masks have to break up. */
static inline void qr_input_repeated(struct random *r, uint8_t *text, size_t len)
{
	static const enum qr_kind kinds[] = {QR_KIND_DIGITS, QR_KIND_ALNUM, QR_KIND_BYTES};
	enum qr_kind kind = kinds[random_below(r, 3)];
	size_t period = 1 + random_below(r, 4);

	for (size_t i = 0; i < len; i++)
		text[i] = i < period ? qr_input_byte(r, kind) : text[i - period];
	if (random_below(r, 4) == 0)
		memset(text, random_below(r, 2) ? 0xff : 0, len);
}

static inline void qr_input_text(struct random *r, enum qr_kind kind, uint8_t *text, size_t len)
{
	if (kind == QR_KIND_UTF8)
		qr_input_utf8(r, text, len);
	else if (kind == QR_KIND_MIXED)
		qr_input_mixed(r, text, len);
	else if (kind == QR_KIND_REPEATED)
		qr_input_repeated(r, text, len);
	else
		for (size_t i = 0; i < len; i++)
			text[i] = qr_input_byte(r, kind);
}

static inline size_t qr_input_held(unsigned version, enum qr_level level)
{
	return (size_t)qr_versions[version].level[level].data * 8;
}

static inline enum segment_group qr_input_group(unsigned version)
{
	return version <= 9 ? SEGMENT_SMALL : version <= 26 ? SEGMENT_MEDIUM : SEGMENT_LARGE;
}

static inline bool qr_input_has_eci(
	const struct qr_options *options, const uint8_t *text, size_t len)
{
	for (size_t i = 0; options->eci && i < len; i++)
		if (text[i] >= 0x80)
			return true;
	return false;
}

/* Bits of the first len bytes in a symbol of the version. */
static inline size_t qr_input_bits(const struct qr_input *in, size_t len, unsigned version)
{
	return segment_bits(in->text, len, qr_input_group(version)) +
	       (qr_input_has_eci(&in->options, in->text, len) ? SEGMENT_ECI_BITS : 0);
}

/* How many of the first `len` bytes fit the version that is aimed at; at least one does. */
static inline size_t qr_input_most(const struct qr_input *in, size_t len)
{
	const size_t held = qr_input_held(in->version, in->options.level);
	size_t fits = 1, too_many = len + 1;

	while (too_many - fits > 1) {
		size_t middle = (fits + too_many) / 2;

		if (qr_input_bits(in, middle, in->version) <= held)
			fits = middle;
		else
			too_many = middle;
	}
	return fits;
}

static inline void qr_input_aim(struct qr_input *ret, struct random *r)
{
	uint64_t turn = ret->number / QR_INPUT_TURN;

	ret->options = (struct qr_options){.eci = random_below(r, 2) != 0};
	if (ret->number % QR_INPUT_TURN == 0) {
		ret->version = 1 + (unsigned)(turn / 4 % QR_VERSIONS);
		ret->options.level = (enum qr_level)(turn % 4);
	} else {
		ret->version = 1 + (unsigned)random_below(r, QR_INPUT_SMALL_VERSIONS);
		ret->options.level = (enum qr_level)random_below(r, 4);
	}
}

/* Full, one byte less, or anything down to about what the version before holds. */
static inline void qr_input_make(struct qr_input *ret, uint64_t seed, uint64_t number)
{
	struct random r;
	size_t len, most;

	random_init(&r, seed, number);
	ret->seed = seed;
	ret->number = number;
	qr_input_aim(ret, &r);
	len = qr_input_held(ret->version, ret->options.level) * 3 / 10;
	len = len < SEGMENT_MAX_CHARS ? len : SEGMENT_MAX_CHARS;
	qr_input_text(&r, (enum qr_kind)random_below(&r, QR_KINDS), ret->text, len);
	most = qr_input_most(ret, len);
	switch (random_below(&r, 4)) {
	case 0:
		ret->len = most;
		break;
	case 1:
		ret->len = most > 1 ? most - 1 : 1;
		break;
	default:
		ret->len = most - random_below(&r, (most - 1) / ret->version + 1);
	}
}

#endif
