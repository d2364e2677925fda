#include "server/qr/mask.h"

#include "server/qr/mask_internal.h"

#include <stdlib.h>
#include <string.h>

/* Where lines are narrow, two masks share a word. */
static void fill_formats(struct mask_formats *f, const struct qr_unmasked *s, bool narrow)
{
	unsigned words = qr_words(qr_width(s->version));

	memset(f, 0, sizeof(*f));
	for (unsigned mask = 0; mask < QR_MASKS; mask++) {
		unsigned lane = narrow ? mask % (QR_MASKS / 2) : mask;
		unsigned shift = narrow && mask >= QR_MASKS / 2 ? 32 : 0;
		struct qr_format format;

		qr_format_draw(&format, s->version, s->level, mask);
		for (unsigned i = 0; i < words; i++) {
			f->row[i][lane] |= format.row[i] << shift;
			f->column[i][lane] |= format.column[i] << shift;
		}
	}
}

void mask_views(struct mask_view *rows, struct mask_view *columns, struct mask_formats *formats,
	const struct qr_unmasked *s, bool narrow)
{
	unsigned width = qr_width(s->version);

	narrow = narrow && width <= 32;
	fill_formats(formats, s, narrow);
	*rows = (struct mask_view){
		.width = width,
		.copies = narrow ? UINT64_C(1) << 32 | 1 : 1,
		.lines = &s->rows,
		.reserved = &s->reserved,
		.pattern = narrow ? mask_rows_narrow[0] : mask_rows[0][0],
		.period = MASK_ROWS,
		.stride = narrow ? QR_MASKS / 2 : QR_ROW_WORDS * QR_MASKS,
		.along = formats->row,
		.across = formats->column,
	};
	*columns = *rows;
	columns->lines = &s->columns;
	columns->pattern = narrow ? mask_columns_narrow[0] : mask_columns[0][0];
	columns->period = MASK_COLUMNS;
	columns->along = formats->column;
	columns->across = formats->row;
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
			uint64_t turned = pattern[((size_t)at * QR_ROW_WORDS + i) * QR_MASKS];

			ret->word[i][y] = word[y] ^ (turned & ~reserved[y] & valid);
			at = at + 1 == period ? 0 : at + 1;
		}
	}
}

/* NOLINTBEGIN(clang-analyzer-core.uninitialized.Assign): draw() has written all lines; the analyzer gives up on its loops. */
static void draw_format(
	struct qr_plane *ret, unsigned width, const uint64_t *along, const uint64_t *across)
{
	for (unsigned i = 0; i < qr_words(width); i++)
		ret->word[i][QR_FORMAT_LINE] |= along[i];
	for (unsigned y = 0; y < width; y = y == QR_FORMAT_LINE - 1 ? width - 8 : y + 1)
		ret->word[0][y] |= (across[y / 64] >> y % 64 & 1) << QR_FORMAT_LINE;
}

/* NOLINTEND(clang-analyzer-core.uninitialized.Assign) */

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

static unsigned count_scaled(
	const struct qr_plane *rows, const struct qr_plane *columns, unsigned width)
{
	unsigned n = 0;

	if (width <= 32) {
		uint64_t both[32];

		for (unsigned y = 0; y < width; y++)
			both[y] = rows->word[0][y] | columns->word[0][y] << 32;
		return mask_count_scaled(both, width);
	}
	for (unsigned i = 0; i < qr_words(width); i++)
		n += mask_count_scaled(rows->word[i], width) +
		     mask_count_scaled(columns->word[i], width);
	return n;
}

/* Of each mask, but for finders with f >= 2. */
static void count_points(uint64_t *points, const struct qr_unmasked *s)
{
	struct mask_view rows, columns;
	struct mask_formats formats;
	struct mask_counts counts = {0};

	mask_views(&rows, &columns, &formats, s, true);
	count(&counts, &rows, &columns);
	for (unsigned mask = 0; mask < QR_MASKS; mask++)
		points[mask] = counts.n1[mask] + N2_POINTS * counts.blocks[mask] +
			       N3_POINTS * counts.finders[mask] +
			       n4_points(counts.dark[mask], rows.width);
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
 * until the leader stays the leader. *rows is drawn with it.
 */
static unsigned choose(struct qr_plane *rows, const struct qr_unmasked *s)
{
	unsigned width = qr_width(s->version), complete = 0,
		 leader; /* complete: a bit for each mask */
	uint64_t points[QR_MASKS];
	struct qr_plane columns;

	count_points(points, s);
	while (leader = lowest(points), !(complete & 1u << leader)) {
		mask_draw_rows(rows, s, leader);
		mask_draw_columns(&columns, s, leader);
		points[leader] += (uint64_t)N3_POINTS * count_scaled(rows, &columns, width);
		complete |= 1u << leader;
	}
	/* It may have led before others did. */
	if (complete != 1u << leader)
		mask_draw_rows(rows, s, leader);
	return leader;
}

static void write_symbol(struct qr_symbol *ret, const struct qr_plane *rows, unsigned version)
{
	unsigned width = qr_width(version), words = qr_words(width);

	ret->version = version;
	ret->width = width;
	for (unsigned y = 0; y < width; y++)
		for (unsigned i = 0; i < QR_ROW_WORDS; i++)
			ret->row[y][i] = i < words ? rows->word[i][y] : 0;
}

unsigned qr_mask(struct qr_symbol *ret, const struct qr_unmasked *s)
{
	struct qr_plane rows;
	unsigned mask = choose(&rows, s);

	write_symbol(ret, &rows, s->version);
	return mask;
}

void qr_mask_apply(struct qr_symbol *ret, const struct qr_unmasked *s, unsigned mask)
{
	struct qr_plane rows;

	mask_draw_rows(&rows, s, mask);
	write_symbol(ret, &rows, s->version);
}
