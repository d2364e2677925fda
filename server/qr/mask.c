#include "server/qr/mask.h"

#include "server/qr/mask_internal.h"

#include <stdlib.h>
#include <string.h>

/* Of one mask: puts two masks into a word where the view is narrow. */
static void view_format(struct mask_format *to, bool narrow, unsigned mask, const uint64_t *along,
	const uint64_t *across)
{
	unsigned lane = narrow ? mask % (QR_MASKS / 2) : mask;
	unsigned shift = narrow && mask >= QR_MASKS / 2 ? 32 : 0;

	for (unsigned i = 0; i < QR_ROW_WORDS; i++) {
		to->along[i][lane] |= along[i] << shift;
		to->across[i][lane] |= across[i] << shift;
	}
}

static void view_formats(
	struct mask_view *rows, struct mask_view *columns, const struct qr_unmasked *s, bool narrow)
{
	memset(&rows->format, 0, sizeof(rows->format));
	memset(&columns->format, 0, sizeof(columns->format));
	for (unsigned mask = 0; mask < QR_MASKS; mask++) {
		struct qr_format format;

		qr_format_draw(&format, s->version, s->level, mask);
		view_format(&rows->format, narrow, mask, format.row, format.column);
		view_format(&columns->format, narrow, mask, format.column, format.row);
	}
}

void mask_views(
	struct mask_view *rows, struct mask_view *columns, const struct qr_unmasked *s, bool narrow)
{
	unsigned width = qr_width(s->version);

	narrow = narrow && width <= 32;
	*rows = (struct mask_view){
		.width = width,
		.copies = narrow ? UINT64_C(1) << 32 | 1 : 1,
		.lines = &s->rows,
		.reserved = &s->reserved,
		.pattern = narrow ? mask_rows_narrow[0] : mask_rows[0][0],
		.period = MASK_ROWS,
		.stride = narrow ? QR_MASKS / 2 : QR_ROW_WORDS * QR_MASKS,
	};
	*columns = *rows;
	columns->lines = &s->columns;
	columns->pattern = narrow ? mask_columns_narrow[0] : mask_columns[0][0];
	columns->period = MASK_COLUMNS;
	view_formats(rows, columns, s, narrow);
}

/* One mask over the lines of one side, and format information: line 8, and module 8 of each line. */
static void draw(struct qr_plane *ret, const struct qr_unmasked *s, const struct qr_plane *lines,
	const uint64_t *pattern, unsigned period)
{
	unsigned width = qr_width(s->version);

	for (unsigned i = 0; i < qr_words(width); i++) {
		const uint64_t *word = lines->word[i], *reserved = s->reserved.word[i];
		uint64_t valid = qr_word_mask(width, i);
		unsigned at = 0;

		for (unsigned y = 0; y < width; y++) {
			uint64_t turned = pattern[(at * QR_ROW_WORDS + i) * QR_MASKS];

			ret->word[i][y] = word[y] ^ (turned & ~reserved[y] & valid);
			at = at + 1 == period ? 0 : at + 1;
		}
	}
}

static void draw_format(
	struct qr_plane *ret, unsigned width, const uint64_t *along, const uint64_t *across)
{
	for (unsigned i = 0; i < qr_words(width); i++)
		ret->word[i][QR_FORMAT_LINE] |= along[i];
	for (unsigned y = 0; y < width; y = y == QR_FORMAT_LINE - 1 ? width - 8 : y + 1)
		ret->word[0][y] |= (across[y / 64] >> y % 64 & 1) << QR_FORMAT_LINE;
}

void mask_draw_rows(struct qr_plane *ret, const struct qr_unmasked *s, unsigned mask)
{
	struct qr_format format;

	qr_format_draw(&format, s->version, s->level, mask);
	draw(ret, s, &s->rows, &mask_rows[0][0][mask], MASK_ROWS);
	draw_format(ret, qr_width(s->version), format.row, format.column);
}

void mask_draw_columns(struct qr_plane *ret, const struct qr_unmasked *s, unsigned mask)
{
	struct qr_format format;

	qr_format_draw(&format, s->version, s->level, mask);
	draw(ret, s, &s->columns, &mask_columns[0][0][mask], MASK_COLUMNS);
	draw_format(ret, qr_width(s->version), format.column, format.row);
}

static void count(
	struct mask_counts *counts, const struct mask_view *rows, const struct mask_view *columns)
{
#if defined(QUERN_AVX2)
	if (__builtin_cpu_supports("avx2")) {
		mask_count_avx2(counts, rows, true);
		mask_count_avx2(counts, columns, false);
		return;
	}
#endif
	mask_count(counts, rows, true);
	mask_count(counts, columns, false);
}

static unsigned n4_points(uint64_t dark, unsigned width)
{
	int area = (int)(width * width), share = (200 * (int)dark + area) / area / 2;

	return (unsigned)(abs(share - 50) / 5) * N4_POINTS;
}

static unsigned count_scaled(const struct qr_unmasked *s, unsigned mask)
{
	unsigned width = qr_width(s->version), n;
	struct qr_plane side;

	mask_draw_rows(&side, s, mask);
	n = mask_count_scaled(&side, width);
	mask_draw_columns(&side, s, mask);
	return n + mask_count_scaled(&side, width);
}

static unsigned lowest(const uint64_t *points)
{
	unsigned leader = 0;

	for (unsigned mask = 1; mask < QR_MASKS; mask++)
		if (points[mask] < points[leader])
			leader = mask;
	return leader;
}

/*
 * All points but those of finders with f >= 2 are known for every mask. These can only add. So the leader's are counted
 * until the leader stays the leader.
 */
unsigned qr_mask_choose(const struct qr_unmasked *s)
{
	struct mask_view rows, columns;
	struct mask_counts counts = {0};
	uint64_t points[QR_MASKS];
	unsigned complete = 0, leader; /* complete: a bit for each mask */

	mask_views(&rows, &columns, s, true);
	count(&counts, &rows, &columns);
	for (unsigned mask = 0; mask < QR_MASKS; mask++)
		points[mask] = counts.n1[mask] + N2_POINTS * counts.blocks[mask] +
			       N3_POINTS * counts.finders[mask] +
			       n4_points(counts.dark[mask], rows.width);
	while (leader = lowest(points), !(complete & 1u << leader)) {
		points[leader] += N3_POINTS * count_scaled(s, leader);
		complete |= 1u << leader;
	}
	return leader;
}

void qr_mask_apply(struct qr_symbol *ret, const struct qr_unmasked *s, unsigned mask)
{
	unsigned width = qr_width(s->version), words = qr_words(width);
	struct qr_plane rows;

	mask_draw_rows(&rows, s, mask);
	ret->version = s->version;
	ret->width = width;
	for (unsigned y = 0; y < width; y++)
		for (unsigned i = 0; i < QR_ROW_WORDS; i++)
			ret->row[y][i] = i < words ? rows.word[i][y] : 0;
}
