#include "server/qr/segment.h"

/*
 * Costs are counted in sixths of a bit: a digit is 10/3 bits, an alphanumeric character 11/2. A
 * segment that ends is rounded up to whole bits, which yields the 4 and 7 bits of one and two
 * digits left over and the 6 bits of one odd alphanumeric character. Rounding up is monotone: of
 * two states in one mode the cheaper one in sixths stays the cheaper one whatever follows. So a
 * state for each mode is enough, and the result is a true minimum.
 */
#define SIXTHS 6
#define MODES 3
#define UNREACHABLE (SIZE_MAX / 2)

static const uint8_t char_cost[MODES] = {20, 33, 48};

static const uint8_t header_bits[SEGMENT_GROUPS][MODES] = {
	[SEGMENT_SMALL] = {4 + 10, 4 + 9, 4 + 8},
	[SEGMENT_MEDIUM] = {4 + 12, 4 + 11, 4 + 16},
	[SEGMENT_LARGE] = {4 + 14, 4 + 13, 4 + 16},
};

/* The cheapest ways to write the bytes so far, by the mode of the last one. */
struct state {
	size_t cost[MODES];
	size_t best; /* the cheapest of all, with its last segment ended */
	enum segment_mode best_mode;
};

/* The narrowest mode that can write the byte; all later ones can, too. */
static enum segment_mode narrowest_mode(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return SEGMENT_NUMERIC;
	if (c >= 'A' && c <= 'Z')
		return SEGMENT_ALNUM;
	switch (c) {
	case ' ':
	case '$':
	case '%':
	case '*':
	case '+':
	case '-':
	case '.':
	case '/':
	case ':':
		return SEGMENT_ALNUM;
	default:
		return SEGMENT_BYTE;
	}
}

static size_t round_up(size_t sixths)
{
	return (sixths + SIXTHS - 1) / SIXTHS * SIXTHS;
}

static void state_init(struct state *s)
{
	for (unsigned mode = 0; mode < MODES; mode++)
		s->cost[mode] = UNREACHABLE;
	s->best = 0;
	s->best_mode = SEGMENT_BYTE;
}

/*
 * Adds one byte. Returns, two bits a mode, the mode of the byte before on the cheapest way to each
 * mode. Ending a segment only to open another of the same mode never pays, so equality goes on with
 * the segment that is open.
 */
static uint8_t state_add(struct state *s, uint8_t c, const uint8_t *header)
{
	unsigned narrowest = narrowest_mode(c), from = 0;
	size_t best = UNREACHABLE;
	enum segment_mode best_mode = SEGMENT_BYTE;

	for (unsigned mode = 0; mode < MODES; mode++) {
		size_t opened = s->best + (size_t)header[mode] * SIXTHS;

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
		s->cost[mode] += char_cost[mode];
		if (round_up(s->cost[mode]) < best) {
			best = round_up(s->cost[mode]);
			best_mode = (enum segment_mode)mode;
		}
	}
	s->best = best;
	s->best_mode = best_mode;
	return (uint8_t)from;
}

size_t segment_bits(const uint8_t *text, size_t len, enum segment_group group)
{
	struct state s;

	state_init(&s);
	for (size_t i = 0; i < len; i++)
		state_add(&s, text[i], header_bits[group]);
	return s.best / SIXTHS;
}

size_t segment_split(
	struct segment_split *ret, const uint8_t *text, size_t len, enum segment_group group)
{
	uint8_t *mode = ret->mode;
	struct state s;
	unsigned last;

	ret->uniform = false;
	state_init(&s);
	for (size_t i = 0; i < len; i++)
		mode[i] = state_add(&s, text[i], header_bits[group]);

	/* Back from the end: what mode[i] says about the byte before is read before its place is
	 * taken. */
	last = s.best_mode;
	for (size_t i = len; i-- > 0;) {
		unsigned before = mode[i] >> (2 * last) & 3;

		mode[i] = (uint8_t)last;
		last = before;
	}
	return s.best / SIXTHS;
}

enum segment_mode segment_at(
	const struct segment_split *split, size_t start, size_t len, size_t *end)
{
	size_t i = start + 1;

	if (split->uniform) {
		*end = len;
		return (enum segment_mode)split->uniform_mode;
	}
	while (i < len && split->mode[i] == split->mode[start])
		i++;
	*end = i;
	return (enum segment_mode)split->mode[start];
}
