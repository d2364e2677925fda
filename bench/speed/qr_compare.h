/*
 * Quern's engine against libqrencode given the same segments: the symbols must be the same, module for module. The one
 * exception are symbols that libqrencode refuses to make, because it reckons with 16 bits more for an ECI header than
 * the header takes: these are read back.
 */
#ifndef QUERN_BENCH_SPEED_QR_COMPARE_H
#define QUERN_BENCH_SPEED_QR_COMPARE_H

#include "bench/speed/qr_inputs.h"
#include "bench/speed/qr_reader.h"
#include "server/qr/libqrencode.h"

#include <errno.h>
#include <stdio.h>

/* About 130 KB: static, or on the heap. */
struct qr_comparison {
	struct qr_input input;
	struct qr_fit fit;
	struct qr_symbol own, reference;
	struct qr_reader reader;
	bool read_back;	   /* compared by reading, as libqrencode refuses */
	const char *wrong; /* what differs; NULL: nothing */
	unsigned x, y;	   /* where, if it is a module */
};

static inline bool qr_comparison_fails(struct qr_comparison *c, const char *wrong)
{
	c->wrong = wrong;
	return false;
}

/* Bits beyond the width are modules of the reference that are light. */
static inline bool qr_symbols_agree(struct qr_comparison *c)
{
	if (c->own.version != c->reference.version || c->own.width != c->reference.width)
		return qr_comparison_fails(c, "another version or width");
	for (unsigned y = 0; y < c->own.width; y++) {
		for (unsigned x = 0; x < QR_ROW_WORDS * 64; x++) {
			if (qr_symbol_dark(&c->own, x, y) == qr_symbol_dark(&c->reference, x, y))
				continue;
			c->x = x;
			c->y = y;
			return qr_comparison_fails(c, "another module");
		}
	}
	return true;
}

/* As symbols are stored: all of the words at once. */
static inline bool qr_symbols_equal(const struct qr_symbol *a, const struct qr_symbol *b)
{
	return a->version == b->version && a->width == b->width &&
	       memcmp(a->row, b->row, a->width * sizeof(a->row[0])) == 0;
}

/* The version holds the text, and the one before does not. */
static inline bool qr_version_is_smallest(const struct qr_comparison *c)
{
	const struct qr_fit *fit = &c->fit;
	const size_t needed = qr_input_bits(&c->input, c->input.len, fit->version);
	const unsigned before = fit->version - 1;

	if (fit->needed_bits != needed || needed > qr_input_held(fit->version, fit->options.level))
		return false;
	return before == 0 || qr_input_bits(&c->input, c->input.len, before) >
				      qr_input_held(before, fit->options.level);
}

/* Not all of them: version 40 it makes. */
static inline bool qr_libqrencode_may_refuse(const struct qr_fit *fit)
{
	return fit->with_eci && fit->needed_bits + QR_LIBQRENCODE_ECI_SPARE_BITS >
					qr_input_held(fit->version, fit->options.level);
}

static inline bool qr_reads_back(struct qr_comparison *c)
{
	c->read_back = true;
	if (c->own.version != c->fit.version || c->own.width != 17 + 4 * c->own.version)
		return qr_comparison_fails(c, "another version or width");
	for (unsigned y = 0; y < c->own.width; y++)
		for (unsigned x = c->own.width; x < QR_ROW_WORDS * 64; x++)
			if (qr_symbol_dark(&c->own, x, y))
				return qr_comparison_fails(c, "a bit beyond the width");
	if (!qr_reader_agrees(&c->reader, &c->own, &c->fit))
		return qr_comparison_fails(c, "not what was put in, as read back");
	return true;
}

/* Makes c->input's symbol both ways: true if they agree, else c->wrong says why not. */
static inline bool qr_compare(struct qr_comparison *c)
{
	struct qr_input *in = &c->input;
	int error;

	c->wrong = NULL;
	c->read_back = false;
	if (qr_fit(&c->fit, in->text, in->len, &in->options) != 0)
		return qr_comparison_fails(c, "qr_fit() failed");
	if (!qr_version_is_smallest(c))
		return qr_comparison_fails(c, "not the smallest version");
	/* What the engine forgets to set must not be right by chance. */
	memset(&c->own, 0xa5, sizeof(c->own));
	if (qr_make(&c->own, &c->fit) != 0)
		return qr_comparison_fails(c, "qr_make() failed");
	error = qr_libqrencode_make(&c->reference, &c->fit);
	if (error == -EINVAL && qr_libqrencode_may_refuse(&c->fit))
		return qr_reads_back(c);
	if (error)
		return qr_comparison_fails(c, "libqrencode failed");
	return qr_symbols_equal(&c->own, &c->reference) || qr_symbols_agree(c);
}

/* Everything that is needed to see it again. */
static inline void qr_comparison_print(const struct qr_comparison *c)
{
	const struct qr_input *in = &c->input;

	fprintf(stderr, "seed %llu, number %llu, version %u-%c%s, %zu bytes: %s",
		(unsigned long long)in->seed, (unsigned long long)in->number, c->fit.version,
		"LMQH"[in->options.level], c -> fit.with_eci ? " with ECI" : "", in->len, c->wrong);
	if (strcmp(c->wrong, "another module") == 0)
		fprintf(stderr, " at column %u, row %u (quern %s)", c->x, c->y,
			qr_symbol_dark(&c->own, c->x, c->y) ? "dark" : "light");
	fprintf(stderr, "; the text in hex: ");
	for (size_t i = 0; i < in->len; i++)
		fprintf(stderr, "%02x", in->text[i]);
	fprintf(stderr, "\n");
}

#endif
