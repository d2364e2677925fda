/*
 * Masks and penalties against a slow reading of the rules in server/qr/mask.h, on random modules of all versions, with and
 * without vectors of AVX2.
 */
#include "server/qr/mask.h"
#include "server/qr/mask_internal.h"
#include "server/qr/pattern.h"

#include "tests/unit/qr_helpers.h"

struct grid {
	int width;
	bool dark[QR_MAX_WIDTH][QR_MAX_WIDTH];
};

struct points {
	unsigned runs, blocks, finders, scaled, dark;
};

static bool plane_at(const struct qr_plane *p, unsigned x, unsigned y)
{
	return p->word[x / 64][y] >> x % 64 & 1;
}

static void plane_set(struct qr_plane *p, unsigned x, unsigned y, bool dark)
{
	p->word[x / 64][y] |= (uint64_t)dark << x % 64;
}

static bool is_masked(unsigned mask, unsigned i, unsigned j)
{
	const unsigned rule[QR_MASKS] = {(i + j) % 2, i % 2, j % 3, (i + j) % 3,
		(i / 2 + j / 3) % 2, i * j % 2 + i * j % 3, (i * j % 2 + i * j % 3) % 2,
		((i + j) % 2 + i * j % 3) % 2};

	return rule[mask] == 0;
}

/* One in `rarity` modules differs from the one above it: with high figures, long runs and large finders occur. */
static void random_modules(struct qr_unmasked *s, unsigned version, uint64_t *seed)
{
	struct qr_plane dark;
	unsigned width = qr_width(version), rarity = 2 + (unsigned)random_below(seed, 4);

	memset(s, 0, sizeof(*s));
	s->version = version;
	s->level = (enum qr_level)random_below(seed, 4);
	qr_pattern_draw(&s->reserved, &dark, version);
	for (unsigned y = 0; y < width; y++) {
		for (unsigned x = 0; x < width; x++) {
			bool module = random_below(seed, rarity) == 0;

			if (y > 0)
				module ^= plane_at(&s->rows, x, y - 1);
			if (plane_at(&s->reserved, x, y))
				module = plane_at(&dark, x, y);
			plane_set(&s->rows, x, y, module);
			plane_set(&s->columns, y, x, module);
		}
	}
}

/* Draws a finder of scale f into modules that are free, so that scaled ones are there at all. */
static void plant_finder(struct qr_unmasked *s, unsigned mask, unsigned f, uint64_t *seed)
{
	unsigned width = qr_width(s->version), length = (7 + 8) * f;
	unsigned line = 9 + (unsigned)random_below(seed, width - 17);
	bool upright = random_below(seed, 2);

	if (length > width)
		return;
	unsigned start = (unsigned)random_below(seed, width - length + 1);
	for (unsigned i = 0; i < length; i++) {
		unsigned x = upright ? line : start + i, y = upright ? start + i : line,
			 unit = i / f;
		bool dark = unit == 4 || (unit >= 6 && unit <= 8) || unit == 10;

		if (plane_at(&s->reserved, x, y))
			continue;
		dark ^= is_masked(mask, y, x);
		s->rows.word[x / 64][y] &= ~(UINT64_C(1) << x % 64);
		s->columns.word[y / 64][x] &= ~(UINT64_C(1) << y % 64);
		plane_set(&s->rows, x, y, dark);
		plane_set(&s->columns, y, x, dark);
	}
}

/* The symbol as it would be. */
static void fill_grid(struct grid *g, const struct qr_unmasked *s, unsigned mask)
{
	struct qr_format format;
	unsigned width = qr_width(s->version);

	qr_format_draw(&format, s->version, s->level, mask);
	g->width = (int)width;
	for (unsigned y = 0; y < width; y++) {
		for (unsigned x = 0; x < width; x++) {
			bool module = plane_at(&s->rows, x, y);

			if (!plane_at(&s->reserved, x, y))
				module ^= is_masked(mask, y, x);
			if (y == 8)
				module |= format.row[x / 64] >> x % 64 & 1;
			if (x == 8)
				module |= format.column[y / 64] >> y % 64 & 1;
			g->dark[y][x] = module;
		}
	}
}

/* Lengths of a line's runs, the first one light (0 if the line begins dark). */
static int line_runs(int *run, const struct grid *g, int line, bool across)
{
	bool color = false;
	int n = 1;

	run[0] = 0;
	for (int i = 0; i < g->width; i++) {
		bool dark = across ? g->dark[i][line] : g->dark[line][i];

		if (dark != color)
			run[n++] = 0;
		color = dark;
		run[n - 1]++;
	}
	return n;
}

/* Whether the runs around dark run i are a finder's. */
static bool runs_finder(const int *run, int n, int i)
{
	int f = run[i] / 3;

	if (run[i] % 3 != 0 || i < 3 || i + 2 >= n)
		return false;
	if (run[i - 2] != f || run[i - 1] != f || run[i + 1] != f || run[i + 2] != f)
		return false;
	return i == 3 || run[i - 3] >= 4 * f || i + 4 >= n || run[i + 3] >= 4 * f;
}

static void count_line(struct points *p, const struct grid *g, int line, bool across)
{
	int run[QR_MAX_WIDTH + 1], n = line_runs(run, g, line, across);

	for (int i = 0; i < n; i++) {
		if (run[i] >= 5)
			p->runs += (unsigned)run[i] - 2;
		if (i % 2 == 1 && runs_finder(run, n, i))
			*(run[i] == 3 ? &p->finders : &p->scaled) += 1;
	}
}

static void count_slowly(struct points *p, const struct grid *g)
{
	*p = (struct points){0};
	for (int line = 0; line < g->width; line++) {
		count_line(p, g, line, false);
		count_line(p, g, line, true);
	}
	for (int y = 0; y < g->width; y++) {
		for (int x = 0; x < g->width; x++) {
			p->dark += g->dark[y][x];
			if (x > 0 && y > 0) {
				bool one = g->dark[y][x];

				p->blocks += g->dark[y - 1][x] == one && g->dark[y][x - 1] == one &&
					     g->dark[y - 1][x - 1] == one;
			}
		}
	}
}

static unsigned total(const struct points *p, int width)
{
	unsigned area = (unsigned)(width * width);
	int off = (int)((200 * p->dark + area) / area / 2) - 50;

	return p->runs + 3 * p->blocks + 40 * (p->finders + p->scaled) +
	       (unsigned)(abs(off) / 5) * 10;
}

typedef void (*count_fn)(struct mask_counts *, const struct mask_view *, bool);

static void assert_counts(
	count_fn count, const struct qr_unmasked *s, bool narrow, const struct points *expected)
{
	struct mask_counts counts = {0};
	struct mask_view rows, columns;
	struct mask_formats formats;

	mask_views(&rows, &columns, &formats, s, narrow);
	count(&counts, &rows, true);
	count(&counts, &columns, false);
	for (unsigned mask = 0; mask < QR_MASKS; mask++) {
		assert_int_equal(counts.n1[mask], expected[mask].runs);
		assert_int_equal(counts.blocks[mask], expected[mask].blocks);
		assert_int_equal(counts.finders[mask], expected[mask].finders);
		assert_int_equal(counts.dark[mask], expected[mask].dark);
	}
}

static unsigned scaled_of(const struct qr_unmasked *s, unsigned mask)
{
	struct qr_plane rows, columns;
	unsigned width = qr_width(s->version), n = 0;

	mask_draw_rows(&rows, s, mask);
	mask_draw_columns(&columns, s, mask);
	for (unsigned i = 0; i < qr_words(width); i++)
		n += mask_count_scaled(rows.word[i], width) +
		     mask_count_scaled(columns.word[i], width);
	return n;
}

static void assert_same_rows(const struct qr_symbol *a, const struct qr_symbol *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->width, b->width);
	assert_memory_equal(a->row, b->row, a->width * sizeof(a->row[0]));
}

/* Returns how many scaled finders the masks had together. */
static unsigned check(const struct qr_unmasked *s)
{
	struct points expected[QR_MASKS];
	struct qr_symbol chosen, applied;
	unsigned best = 0, scaled = 0;
	int width = (int)qr_width(s->version);

	for (unsigned mask = 0; mask < QR_MASKS; mask++) {
		static struct grid g;

		fill_grid(&g, s, mask);
		count_slowly(&expected[mask], &g);
		assert_int_equal(scaled_of(s, mask), expected[mask].scaled);
		scaled += expected[mask].scaled;
		if (total(&expected[mask], width) < total(&expected[best], width))
			best = mask;
	}
	for (int narrow = 0; narrow < 2; narrow++) {
		assert_counts(mask_count, s, narrow, expected);
#if defined(QUERN_AVX2)
		if (__builtin_cpu_supports("avx2"))
			assert_counts(mask_count_avx2, s, narrow, expected);
#endif
	}
	assert_int_equal(qr_mask(&chosen, s), best);
	qr_mask_apply(&applied, s, best);
	assert_same_rows(&chosen, &applied);
	return scaled;
}

static void test_random_modules(void **state)
{
	static struct qr_unmasked s;
	uint64_t seed = 21;

	(void)state;
	for (unsigned round = 0; round < 160; round++) {
		random_modules(&s, 1 + round % 40, &seed);
		(void)check(&s);
	}
}

static void test_scaled_finders(void **state)
{
	static struct qr_unmasked s;
	uint64_t seed = 22;
	unsigned seen = 0;

	(void)state;
	for (unsigned round = 0; round < 160; round++) {
		random_modules(&s, 1 + round % 40, &seed);
		for (unsigned i = 0; i < 6; i++)
			plant_finder(&s, (unsigned)random_below(&seed, QR_MASKS),
				2 + (unsigned)random_below(&seed, 5), &seed);
		seen += check(&s);
	}
	assert_true(seen > 100);
}

/* All light and all dark: the longest runs there can be, and the most blocks. */
static void test_plain_modules(void **state)
{
	static struct qr_unmasked s;

	(void)state;
	for (unsigned version = 1; version <= 40; version++) {
		for (unsigned mask = 0; mask <= QR_MASKS; mask++) {
			struct qr_plane dark;
			unsigned width = qr_width(version);

			memset(&s, 0, sizeof(s));
			s.version = version;
			qr_pattern_draw(&s.reserved, &dark, version);
			for (unsigned y = 0; y < width; y++)
				for (unsigned x = 0; x < width; x++) {
					bool module =
						plane_at(&s.reserved, x, y)
							? plane_at(&dark, x, y)
							: mask < QR_MASKS && is_masked(mask, y, x);
					plane_set(&s.rows, x, y, module);
					plane_set(&s.columns, y, x, module);
				}
			(void)check(&s);
		}
	}
}

static void test_apply(void **state)
{
	static struct qr_unmasked s;
	static struct grid g;
	struct qr_symbol symbol;
	uint64_t seed = 23;

	(void)state;
	for (unsigned round = 0; round < 320; round++) {
		memset(&symbol, 0xff, sizeof(symbol));
		random_modules(&s, 1 + round / 8, &seed);
		qr_mask_apply(&symbol, &s, round % 8);
		fill_grid(&g, &s, round % 8);
		assert_int_equal(symbol.version, s.version);
		assert_int_equal(symbol.width, g.width);
		for (unsigned y = 0; y < symbol.width; y++)
			for (unsigned x = 0; x < QR_ROW_WORDS * 64; x++)
				assert_int_equal(qr_symbol_dark(&symbol, x, y),
					x < symbol.width && g.dark[y][x]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_modules),
		cmocka_unit_test(test_scaled_finders),
		cmocka_unit_test(test_plain_modules),
		cmocka_unit_test(test_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
