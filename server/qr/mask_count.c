/*
 * Counts what masks are judged by. This file is compiled once for each kind of processor: mask_count_avx2.c includes it
 * with another name for mask_count() and longer vectors.
 *
 * A lane holds a word of one line under one mask; or, where lines are no longer than half a word, under two masks. Lines
 * lie one after the other, and everything is said with ANDs, ORs and XORs of successive lines, so that all modules of a
 * word are looked at at once, and none has anything to do with its neighbours in the line (but for blocks). Ones are
 * counted by carry-save adders, eight lines at a time (Warren, Hacker's Delight, 2nd edition, 5-1: Harley and Seal).
 */
#include "server/qr/mask_internal.h"

#include <string.h>

#ifndef MASK_COUNT
#define MASK_COUNT mask_count
#define MASK_LANES 2 /* words in a vector of 16 bytes, which every processor of 64 bits has */
#endif

#define STRIDE 8 /* lines that are counted together */
#define BEFORE 4 /* light lines outside the symbol: as many as a finder wants to see */
#define AFTER (STRIDE + 11)
#define LINES (BEFORE + QR_MAX_WIDTH + AFTER)
#define GROUPS (QR_MASKS / MASK_LANES)

typedef uint64_t lanes __attribute__((vector_size(MASK_LANES * sizeof(uint64_t))));

/* Word i of all lines, under all masks; line y is [BEFORE + y]. */
struct lines {
	lanes group[GROUPS][LINES];
};

/*
 * What is derived from a group's lines. Outside the symbol every line differs from the next one, which ends runs there.
 */
struct steps {
	lanes step[LINES];  /* line y differs from line y + 1 */
	lanes steps[LINES]; /* y, y + 1 and y + 2 are not all the same */
	lanes turns[LINES]; /* no two neighbours of y - 1 to y + 2 are the same */
	lanes dark[LINES];  /* one of y to y + 2 is dark */
};

struct totals {
	lanes n1, blocks, finders, dark;
};

static inline lanes load(const uint64_t *from)
{
	lanes v;

	memcpy(&v, from, sizeof(v));
	return v;
}

static inline lanes spread(uint64_t word)
{
	return (lanes){0} + word;
}

/* Adds up three bits: what is left of them, and the carry. */
static inline lanes add3(lanes *sum, lanes a, lanes b)
{
	lanes half = *sum ^ a, carry = (*sum & a) | (half & b);

	*sum = half ^ b;
	return carry;
}

/* Ones in each byte. */
static inline lanes count_bytes(lanes v)
{
	v -= v >> 1 & 0x5555555555555555U;
	v = (v & 0x3333333333333333U) + (v >> 2 & 0x3333333333333333U);
	return (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fU;
}

/* The sums of each half's four bytes, which may be up to 255 each. */
static inline lanes sum_bytes(lanes v)
{
	v = (v & 0x00ff00ff00ff00ffU) + (v >> 8 & 0x00ff00ff00ff00ffU);
	return (v + (v >> 16)) & 0x0000ffff0000ffffU;
}

/* Counts ones in up to 248 lines, eight at a time. */
struct counter {
	lanes ones, twos, fours;
	lanes eights; /* in bytes */
};

static inline void count_lines(struct counter *c, const lanes *v)
{
	lanes a = add3(&c->ones, v[0], v[1]), b = add3(&c->ones, v[2], v[3]);
	lanes p = add3(&c->twos, a, b);

	a = add3(&c->ones, v[4], v[5]);
	b = add3(&c->ones, v[6], v[7]);
	lanes q = add3(&c->twos, a, b);

	c->eights += count_bytes(add3(&c->fours, p, q));
}

static inline lanes counter_total(const struct counter *c)
{
	return 8 * sum_bytes(c->eights) + 4 * sum_bytes(count_bytes(c->fours)) +
	       2 * sum_bytes(count_bytes(c->twos)) + sum_bytes(count_bytes(c->ones));
}

/*
 * The same where no bit is set twice within four lines, which may therefore be counted as one.
 */
struct sparse_counter {
	lanes ones;
	lanes twos; /* in bytes */
};

static inline void count_sparse(struct sparse_counter *c, const lanes *v)
{
	c->twos +=
		count_bytes(add3(&c->ones, v[0] | v[1] | v[2] | v[3], v[4] | v[5] | v[6] | v[7]));
}

static inline lanes sparse_total(const struct sparse_counter *c)
{
	return 2 * sum_bytes(c->twos) + sum_bytes(count_bytes(c->ones));
}

/* Format information, which is in line 8 and in module 8 of the lines at both ends. */
static inline void fill_format(lanes *line, const struct mask_view *view, unsigned i, unsigned lane)
{
	unsigned far = view->width - QR_FORMAT_LINE;

	line[QR_FORMAT_LINE] |= load(&view->along[i][lane]);
	if (i > 0)
		return;
	for (unsigned y = 0; y < QR_FORMAT_LINE; y++) {
		lanes near_bit = load(&view->across[0][lane]) >> y & view->copies;
		lanes far_bit =
			load(&view->across[(far + y) / 64][lane]) >> (far + y) % 64 & view->copies;

		line[y] |= near_bit << QR_FORMAT_LINE;
		line[far + y] |= far_bit << QR_FORMAT_LINE;
	}
}

static inline void fill_lines(
	struct lines *l, const struct mask_view *view, unsigned i, unsigned groups)
{
	const uint64_t *reserved = view->reserved->word[i], *word = view->lines->word[i];
	const uint64_t *pattern = view->pattern + (size_t)i * QR_MASKS;
	const uint64_t valid = qr_word_mask(view->width, i);
	unsigned period = 0;

	for (unsigned y = 0; y < view->width; y++) {
		lanes plain = spread(word[y] * view->copies);
		lanes open = spread((~reserved[y] & valid) * view->copies);

		for (unsigned g = 0; g < groups; g++)
			l->group[g][BEFORE + y] =
				plain ^ (load(pattern + (size_t)period * view->stride +
						 (size_t)g * MASK_LANES) &
						open);
		period = period + 1 == view->period ? 0 : period + 1;
	}
	for (unsigned g = 0; g < groups; g++) {
		lanes *line = l->group[g] + BEFORE;

		fill_format(line, view, i, g * MASK_LANES);
		for (unsigned y = 0; y < BEFORE; y++)
			l->group[g][y] = (lanes){0};
		for (unsigned y = 0; y < AFTER; y++)
			line[view->width + y] = (lanes){0};
	}
}

static inline void fill_steps(struct steps *s, const lanes *line, unsigned width)
{
	lanes *step = s->step + BEFORE, *steps = s->steps + BEFORE, *turns = s->turns + BEFORE;
	lanes *dark = s->dark + BEFORE;
	unsigned end = (width + STRIDE - 1) / STRIDE * STRIDE;

	step[-1] = ~(lanes){0};
#pragma GCC unroll 4
	for (unsigned y = 0; y + 1 < width; y++)
		step[y] = line[y] ^ line[y + 1];
	for (unsigned y = width - 1; y < end + 6; y++)
		step[y] = ~(lanes){0};
#pragma GCC unroll 4
	for (unsigned y = 0; y < end + 5; y++) {
		lanes here = step[y], next = step[y + 1];

		steps[y] = here | next;
		turns[y] = step[(int)y - 1] & here & next;
	}
#pragma GCC unroll 4
	for (int y = -BEFORE; y < (int)end + STRIDE; y++)
		dark[y] = line[y] | line[y + 1] | line[y + 2];
}

/* N1: a run of five, five lines the same; a run of n has n - 4 of them, and one of these is the first. */
static inline lanes five_at(const lanes *steps, lanes valid)
{
	return valid & ~(steps[0] | steps[2]);
}

/* N3: 1011101 from this line on, and light of 4 before or behind it. */
static inline lanes finder_at(
	const lanes *line, const lanes *turns, const lanes *steps, const lanes *dark)
{
	lanes finder = line[0] & line[6] & turns[0] & turns[5] & ~steps[2];

	return finder & ~(dark[-4] & dark[8]);
}

static inline void count_runs(
	struct totals *t, const lanes *lines, const struct steps *s, lanes valid, unsigned width)
{
	struct counter fives = {0};
	struct sparse_counter firsts = {0}, finders = {0};

	for (unsigned at = BEFORE; at < BEFORE + width; at += STRIDE) {
		lanes five[STRIDE], first[STRIDE], finder[STRIDE];

#pragma GCC unroll 8
		for (unsigned i = 0; i < STRIDE; i++) {
			const unsigned y = at + i;

			five[i] = five_at(s->steps + y, valid);
			first[i] = five[i] & s->step[y - 1];
		}
		count_lines(&fives, five);
		count_sparse(&firsts, first);
		for (unsigned i = 0; i < STRIDE; i++) {
			const unsigned y = at + i;
			finder[i] = finder_at(lines + y, s->turns + y, s->steps + y, s->dark + y);
		}
		count_sparse(&finders, finder);
	}
	t->n1 += counter_total(&fives) + 2 * sparse_total(&firsts);
	t->finders += sparse_total(&finders);
}

/* N2: this line and the next one, each and together, do not change from a module to the one to its right. `next` is the
 * word to the right, or NULL. */
static inline lanes right_of(const lanes *line, const lanes *next)
{
	return next ? *line >> 1 | *next << 63 : *line >> 1;
}

/* N2 and N4. `valid` are the modules that have one to their right. */
static inline void count_blocks(struct totals *t, const lanes *lines, const lanes *next,
	const struct steps *s, lanes valid, unsigned width)
{
	struct counter blocks = {0}, dark = {0};
	const lanes *line = lines + BEFORE, *step = s->step + BEFORE;
	lanes across = line[0] ^ right_of(line, next);

	/* Behind the last line there is always a step. */
	for (unsigned y = 0; y < width; y += STRIDE) {
		lanes block[STRIDE];

#pragma GCC unroll 8
		for (unsigned i = 0; i < STRIDE; i++) {
			const unsigned below = y + i + 1;
			lanes across_below =
				line[below] ^ right_of(line + below, next ? next + below : NULL);

			block[i] = valid & ~(across | across_below | step[y + i]);
			across = across_below;
		}
		count_lines(&blocks, block);
		count_lines(&dark, line + y);
	}
	t->blocks += counter_total(&blocks);
	t->dark += counter_total(&dark);
}

/* Adds to the counts of the masks in a group; in narrow views a lane's upper half is another mask. */
static inline void add_total(uint64_t *to, lanes v, bool narrow)
{
	for (unsigned i = 0; i < MASK_LANES; i++) {
		to[i] += v[i] & UINT32_MAX;
		to[narrow ? i + QR_MASKS / 2 : i] += v[i] >> 32;
	}
}

static inline void count_word(struct mask_counts *counts, const struct mask_view *view,
	const struct lines *l, const struct lines *next, unsigned i, bool with_blocks)
{
	bool narrow = view->copies != 1;
	uint64_t valid = qr_word_mask(view->width, i), paired = next ? valid : valid >> 1;
	struct steps steps;

	for (unsigned g = 0; g < (narrow ? GROUPS / 2 : GROUPS); g++) {
		unsigned mask = g * MASK_LANES;
		struct totals t = {0};

		fill_steps(&steps, l->group[g] + BEFORE, view->width);
		count_runs(&t, l->group[g], &steps, spread(valid * view->copies), view->width);
		if (with_blocks)
			count_blocks(&t, l->group[g], next ? next->group[g] + BEFORE : NULL, &steps,
				spread(paired * view->copies), view->width);
		add_total(counts->n1 + mask, t.n1, narrow);
		add_total(counts->blocks + mask, t.blocks, narrow);
		add_total(counts->finders + mask, t.finders, narrow);
		add_total(counts->dark + mask, t.dark, narrow);
	}
}

void MASK_COUNT(struct mask_counts *counts, const struct mask_view *view, bool with_blocks)
{
	struct lines l[2]; /* the word at hand and the one to its right, by turns */
	unsigned words = qr_words(view->width), groups = view->copies == 1 ? GROUPS : GROUPS / 2;

	for (unsigned i = words; i-- > 0;) {
		fill_lines(&l[i % 2], view, i, groups);
		count_word(counts, view, &l[i % 2], i + 1 < words ? &l[(i + 1) % 2] : NULL, i,
			with_blocks);
	}
}
