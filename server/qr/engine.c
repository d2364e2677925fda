#include "server/qr/engine.h"

#include "server/qr/correction.h"
#include "server/qr/data.h"
#include "server/qr/mask.h"
#include "server/qr/pattern.h"
#include "server/qr/placement.h"

/* Function patterns are their own transpose, so they can be put into columns. */
static void add_pattern(struct qr_plane *to, const struct qr_plane *dark, unsigned width)
{
	for (unsigned i = 0; i < qr_words(width); i++)
		for (unsigned y = 0; y < width; y++)
			to->word[i][y] |= dark->word[i][y];
}

/* Clause 7.1 tells the steps and their order. */
void qr_engine_make(struct qr_symbol *ret, const struct qr_fit *fit)
{
	unsigned width = qr_width(fit->version);
	uint8_t data[QR_MAX_CODEWORDS], message[QR_MESSAGE_BYTES];
	struct qr_unmasked s;
	struct qr_plane dark;

	s.version = fit->version;
	s.level = fit->options.level;
	qr_data_write(data, fit);
	qr_correct(message, data, fit->version, fit->options.level);
	qr_pattern_draw(&s.reserved, &dark, fit->version);
	qr_place(&s.columns, &s.reserved, message, fit->version);
	add_pattern(&s.columns, &dark, width);
	qr_plane_transpose(&s.rows, &s.columns, width);
	(void)qr_mask(ret, &s);
}
