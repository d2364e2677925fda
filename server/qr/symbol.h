/*
 * Text to QR symbol (ISO/IEC 18004:2015, Model 2, versions 1 to 40). Pure: bytes in, modules out;
 * no sockets, no configuration, no logging. Safe to call from any thread.
 */
#ifndef QUERN_SERVER_QR_SYMBOL_H
#define QUERN_SERVER_QR_SYMBOL_H

#include "server/qr/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QR_MAX_WIDTH 177 /* modules of a version-40 symbol, without quiet zone */
#define QR_ROW_WORDS 3

/* Error correction level, weakest first. */
enum qr_level { QR_LEVEL_L, QR_LEVEL_M, QR_LEVEL_Q, QR_LEVEL_H };

/*
 * Who makes the symbol. Both make the same one, bit for bit; but see needed_bits below: after an ECI header libqrencode may
 * need a larger version.
 */
enum qr_engine { QR_ENGINE_QUERN, QR_ENGINE_LIBQRENCODE };

struct qr_options {
	enum qr_level level;
	bool eci; /* text that is not all ASCII is preceded by ECI 26 (UTF-8) */
	enum qr_engine engine;
};

struct qr_symbol {
	unsigned version; /* 1 to 40 */
	unsigned width;	  /* modules: 17 + 4 * version */
	/*
	 * Module x of row y is bit x % 64 of row[y][x / 64]; 1 is dark. Bits beyond width are 0, rows
	 * beyond it undefined.
	 */
	uint64_t row[QR_MAX_WIDTH][QR_ROW_WORDS];
};

static inline bool qr_symbol_dark(const struct qr_symbol *s, unsigned x, unsigned y)
{
	return s->row[y][x / 64] >> (x % 64) & 1;
}

/* What a text needs, what the largest symbol of the level holds, and how the symbol is to be made. */
struct qr_fit {
	unsigned version; /* smallest version that holds the text; 0: none does */
	size_t held_bits; /* data bits of a version-40 symbol of the level */
	/*
	 * With the segments and header widths of `version`, or of version 40 when none does. With
	 * QR_ENGINE_LIBQRENCODE an ECI header counts for 28 bits instead of 12, because libqrencode
	 * 4.1 sets aside as many.
	 */
	size_t needed_bits;
	struct qr_options options;
	/* What goes in, if any version holds it; the text is borrowed. */
	const uint8_t *text;
	size_t len;
	bool with_eci;
	struct segment_split split;
};

/*
 * Finds the smallest symbol for len bytes (at least 1, any values): segments (numeric,
 * alphanumeric, byte) are chosen so that no other split gives a smaller version. 0; -E2BIG when no
 * version holds it (version, held_bits and needed_bits are set all the same); -EINVAL for len 0.
 */
int qr_fit(struct qr_fit *ret, const void *text, size_t len, const struct qr_options *options)
	__attribute__((warn_unused_result));

/*
 * Makes the symbol that qr_fit() found; the text must still be there. 0; with libqrencode -ENOMEM, and *ret is
 * undefined.
 */
int qr_make(struct qr_symbol *ret, const struct qr_fit *fit) __attribute__((warn_unused_result));

/* Both in one; *ret is undefined on failure. */
int qr_encode(struct qr_symbol *ret, const void *text, size_t len, const struct qr_options *options)
	__attribute__((warn_unused_result));

#endif
