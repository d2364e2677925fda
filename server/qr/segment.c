#include "server/qr/segment.h"

#include "server/qr/characters.h"

#include <string.h>

/*
 * Costs are counted in sixths of a bit: a digit is 10/3 bits, an alphanumeric character 11/2. A
 * segment that ends is rounded up to whole bits, which yields the 4 and 7 bits of one and two
 * digits left over and the 6 bits of one odd alphanumeric character. Rounding up is monotone: of
 * two states in one mode the cheaper one in sixths stays the cheaper one whatever follows. So a
 * state for each mode is enough, and the result is a true minimum.
 *
 * A run is a longest stretch of characters that have the same narrowest mode. Where two segments
 * meet within a run, a character that moves from the wider mode to the narrower one saves: it costs
 * at most 4 bits in numeric mode and at least 5 in the others, at most 6 in alphanumeric mode and 8
 * in byte mode. So the best splits switch between runs alone, and are found run by run.
 */
#define SIXTHS 6
#define MODES 3
#define UNREACHABLE (SIZE_MAX / 2)

#define MODE_BITS 4

static const uint8_t char_cost[MODES] = {20, 33, 48};

static const uint8_t count_bits[SEGMENT_GROUPS][MODES] = {
	[SEGMENT_SMALL] = {10, 9, 8},
	[SEGMENT_MEDIUM] = {12, 11, 16},
	[SEGMENT_LARGE] = {14, 13, 16},
};

/* --- texts that one segment writes best ------------------------------------------------------- */

/* The longest runs: of digits, and of characters that alphanumeric mode has, digits included. */
struct longest {
	size_t digits, alnum;
};

/*
 * Up to which lengths of runs one segment is a best split, by group. D are a segment's digits, A
 * its alphanumeric characters; a header is the mode indicator and the count.
 *
 * among_alnum: in a text of alphanumeric characters. Byte mode never pays there: its header is one
 * bit shorter at most, each character two bits longer at least. A numeric segment stands next to an
 * alphanumeric one and takes header + ceil(10 D / 3) bits; in its neighbour its characters take at
 * most ceil(11 D / 2), which is not more for D up to 6, 7 and 8.
 *
 * inner: in a text that has characters for byte mode alone, for runs with such characters on both
 * sides. Of any split take the segments between two in byte mode; all their characters are
 * alphanumeric. Numeric segments next to alphanumeric ones are not better than one alphanumeric
 * segment, as above; so one segment is left. In byte mode its characters take 8 bits each, but its
 * header is saved, and so is a byte segment's, for the two beside it become one. That is not more
 * if 8 D <= header + ceil(10 D / 3) + byte header, which holds for D up to 5, 7 and 8; and if 8 A
 * <= header + ceil(11 A / 2) + byte header, which holds for A up to 10, 14 and 15.
 *
 * edge: the same for the runs at both ends of the text, where no byte segment's header is saved.
 */
static const struct bounds {
	uint8_t among_alnum;
	struct longest inner, edge;
} bounds[SEGMENT_GROUPS] = {
	[SEGMENT_SMALL] = {6, {5, 10}, {3, 5}},
	[SEGMENT_MEDIUM] = {7, {7, 14}, {3, 6}},
	[SEGMENT_LARGE] = {8, {8, 15}, {4, 7}},
};

/* Eight characters from '[' on, small letters among them: only byte mode has these. */
static inline bool eight_beyond_alnum(const uint8_t *text)
{
	const uint64_t top = 0x8080808080808080, to_top = 0x0101010101010101 * (0x80 - '[');
	uint64_t eight;

	memcpy(&eight, text, sizeof(eight));
	return ((((eight & ~top) + to_top) | eight) & top) == top;
}

static struct longest measure_runs(const uint8_t *text, size_t len)
{
	struct longest run = {0, 0}, longest = {0, 0};

	for (size_t i = 0; i < len; i++) {
		while (len - i > 8 && eight_beyond_alnum(text + i)) {
			run = (struct longest){0, 0};
			i += 8;
		}
		unsigned value = qr_character_value[text[i]];

		/* Without branches, which nothing could predict. */
		run.digits = (run.digits + 1) & (0 - (size_t)(value < QR_DIGITS));
		run.alnum = (run.alnum + 1) & (0 - (size_t)(value < QR_ALNUM_CHARACTERS));
		longest.digits = run.digits > longest.digits ? run.digits : longest.digits;
		longest.alnum = run.alnum > longest.alnum ? run.alnum : longest.alnum;
	}
	return longest;
}

/* Whether the run from `at` on, `step` further each time, is within the bounds; it ends in the
 * text. */
static bool edge_within(const uint8_t *at, ptrdiff_t step, const struct longest *bound)
{
	size_t digits = 0;

	for (size_t i = 0; i <= bound->alnum; i++, at += step) {
		unsigned value = qr_character_value[*at];

		if (value >= QR_ALNUM_CHARACTERS)
			return true;
		digits = value < QR_DIGITS ? digits + 1 : 0;
		if (digits > bound->digits)
			return false;
	}
	return false;
}

/* True: one segment of the mode is a best split. False: it may be, or not. */
static bool is_uniform(
	enum segment_mode *ret, const uint8_t *text, size_t len, const struct bounds *bound)
{
	struct longest longest = measure_runs(text, len);

	*ret = longest.digits == len  ? SEGMENT_NUMERIC
	       : longest.alnum == len ? SEGMENT_ALNUM
				      : SEGMENT_BYTE;
	if (*ret == SEGMENT_NUMERIC)
		return true;
	if (*ret == SEGMENT_ALNUM)
		return longest.digits <= bound->among_alnum;
	return longest.digits <= bound->inner.digits && longest.alnum <= bound->inner.alnum &&
	       edge_within(text, 1, &bound->edge) && edge_within(text + len - 1, -1, &bound->edge);
}

/* --- all others ------------------------------------------------------------------------------- */

/* The cheapest ways to write the runs so far, by the mode of the last one. */
struct state {
	size_t cost[MODES];
	size_t best; /* the cheapest of all, with its last segment ended */
	enum segment_mode best_mode;
};

/* The narrowest mode that can write the byte; all later ones can, too. */
static enum segment_mode narrowest_mode(uint8_t c)
{
	unsigned value = qr_character_value[c];

	return value < QR_DIGITS	     ? SEGMENT_NUMERIC
	       : value < QR_ALNUM_CHARACTERS ? SEGMENT_ALNUM
					     : SEGMENT_BYTE;
}

/* Characters in the run that the text begins with. */
static size_t run_length(const uint8_t *text, size_t len, enum segment_mode narrowest)
{
	size_t n = 1;

	while (n < len) {
		if (narrowest == SEGMENT_BYTE && len - n >= 8 && eight_beyond_alnum(text + n))
			n += 8;
		else if (narrowest_mode(text[n]) == narrowest)
			n++;
		else
			break;
	}
	return n;
}

static size_t round_up(size_t sixths)
{
	return (sixths + SIXTHS - 1) / SIXTHS * SIXTHS;
}

static size_t header_cost(enum segment_mode mode, enum segment_group group)
{
	return (size_t)(MODE_BITS + count_bits[group][mode]) * SIXTHS;
}

static void state_init(struct state *s)
{
	for (unsigned mode = 0; mode < MODES; mode++)
		s->cost[mode] = UNREACHABLE;
	s->best = 0;
	s->best_mode = SEGMENT_BYTE;
}

/*
 * Adds a run of n characters. Returns, two bits a mode, the mode of the run before on the cheapest
 * way to each mode. Ending a segment only to open another of the same mode never pays, so equality
 * goes on with the segment that is open.
 */
static uint8_t state_add(
	struct state *s, enum segment_mode narrowest, size_t n, enum segment_group group)
{
	unsigned from = 0;
	size_t best = UNREACHABLE;
	enum segment_mode best_mode = SEGMENT_BYTE;

	for (unsigned mode = 0; mode < MODES; mode++) {
		size_t opened = s->best + header_cost((enum segment_mode)mode, group);

		if (mode < narrowest) {
			s->cost[mode] = UNREACHABLE;
			continue;
		}
		if (s->cost[mode] <= opened) {
			from |= mode << (2 * mode);
		} else {
			s->cost[mode] = opened;
			from |= (unsigned)s->best_mode << (2 * mode);
		}
		s->cost[mode] += n * char_cost[mode];
		if (round_up(s->cost[mode]) < best) {
			best = round_up(s->cost[mode]);
			best_mode = (enum segment_mode)mode;
		}
	}
	s->best = best;
	s->best_mode = best_mode;
	return (uint8_t)from;
}

/* What stands in `mode` on the way for all characters of a run but the first: the same mode as
 * before. */
#define SAME 0xff

/* The best split's end state; if `mode` is not NULL, for the first character of each run what
 * state_add() says. */
static struct state add_runs(
	uint8_t *mode, const uint8_t *text, size_t len, enum segment_group group)
{
	struct state s;
	size_t n;

	state_init(&s);
	for (size_t i = 0; i < len; i += n) {
		enum segment_mode narrowest = narrowest_mode(text[i]);
		uint8_t from;

		n = run_length(text + i, len - i, narrowest);
		from = state_add(&s, narrowest, n, group);
		if (mode) {
			mode[i] = from;
			memset(mode + i + 1, SAME, n - 1);
		}
	}
	return s;
}

unsigned segment_count_bits(enum segment_mode mode, enum segment_group group)
{
	return count_bits[group][mode];
}

size_t segment_bits(const uint8_t *text, size_t len, enum segment_group group)
{
	return add_runs(NULL, text, len, group).best / SIXTHS;
}

size_t segment_split(
	struct segment_split *ret, const uint8_t *text, size_t len, enum segment_group group)
{
	enum segment_mode uniform;
	struct state s;
	unsigned last;

	ret->uniform = is_uniform(&uniform, text, len, &bounds[group]);
	if (ret->uniform) {
		ret->uniform_mode = (uint8_t)uniform;
		return (header_cost(uniform, group) + round_up(len * char_cost[uniform])) / SIXTHS;
	}
	s = add_runs(ret->mode, text, len, group);
	/* Back from the end: what mode[i] says about the run before is read before its place is
	 * taken. */
	last = s.best_mode;
	for (size_t i = len; i-- > 0;) {
		unsigned from = ret->mode[i];

		ret->mode[i] = (uint8_t)last;
		if (from != SAME)
			last = from >> (2 * last) & 3;
	}
	return s.best / SIXTHS;
}

enum segment_mode segment_at(
	const struct segment_split *split, size_t start, size_t len, size_t *end)
{
	const uint8_t *mode = split->mode;
	size_t i = start + 1;

	if (split->uniform) {
		*end = len;
		return (enum segment_mode)split->uniform_mode;
	}
	/* A stretch of equal bytes is one that equals itself moved on by one. */
	while (len - i >= 8 && memcmp(mode + i, mode + i - 1, 8) == 0)
		i += 8;
	while (i < len && mode[i] == mode[start])
		i++;
	*end = i;
	return (enum segment_mode)mode[start];
}
