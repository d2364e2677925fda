/* What qr_make() does with Quern's engine, cut into stages that can be timed by themselves. */
#ifndef QUERN_BENCH_SPEED_QR_STAGES_H
#define QUERN_BENCH_SPEED_QR_STAGES_H

#include "server/qr/correction.h"
#include "server/qr/data.h"
#include "server/qr/mask.h"
#include "server/qr/pattern.h"
#include "server/qr/placement.h"

#include <string.h>

/* What they leave for each other. */
struct qr_stages {
	const struct qr_fit *fit;
	uint8_t data[QR_MAX_CODEWORDS], message[QR_MESSAGE_BYTES];
	struct qr_plane dark, placed;
	struct qr_unmasked unmasked;
	struct qr_symbol symbol;
};

static inline int qr_stage_data(void *own)
{
	struct qr_stages *s = own;

	qr_data_write(s->data, s->fit);
	return 0;
}

static inline int qr_stage_correction(void *own)
{
	struct qr_stages *s = own;

	qr_correct(s->message, s->data, s->fit->version, s->fit->options.level);
	return 0;
}

static inline int qr_stage_pattern(void *own)
{
	struct qr_stages *s = own;

	s->unmasked.version = s->fit->version;
	s->unmasked.level = s->fit->options.level;
	qr_pattern_draw(&s->unmasked.reserved, &s->dark, s->fit->version);
	return 0;
}

static inline int qr_stage_placement(void *own)
{
	struct qr_stages *s = own;

	qr_place(&s->placed, &s->unmasked.reserved, s->message, s->fit->version);
	return 0;
}

/* Codewords and patterns become one plane, and that is transposed. */
static inline int qr_stage_transpose(void *own)
{
	struct qr_stages *s = own;
	const unsigned width = qr_width(s->fit->version);

	for (unsigned i = 0; i < qr_words(width); i++)
		for (unsigned x = 0; x < width; x++)
			s->unmasked.columns.word[i][x] = s->placed.word[i][x] | s->dark.word[i][x];
	qr_plane_transpose(&s->unmasked.rows, &s->unmasked.columns, width);
	return 0;
}

static inline int qr_stage_mask(void *own)
{
	struct qr_stages *s = own;

	(void)qr_mask(&s->symbol, &s->unmasked);
	return 0;
}

#endif
