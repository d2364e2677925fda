/*
 * Scales at which bytes are not whole modules, or only a part of one: what is shorter than bits for
 * each byte is to say where the same stood before. Only the first row of pixels of each row of
 * modules is searched (png_search.c); its repeats are one copy, which takes along the margins and
 * whatever else is as in the row above.
 */
#include "server/qr/png_search.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

/* A copy this short may cost more than its bytes. */
#define SHORT_COPY 6

struct matches {
	const struct png_shape *shape;
	unsigned pending; /* bytes to be copied from the row above, before anything else */
	struct png_search search;
	struct png_counts expected;
	struct png_steps steps;
};

/* A row of pixels, and the one above it, which it continues. */
struct pixels {
	const uint8_t *row, *above;
	unsigned row_bytes;
};

static uint8_t byte_before(const struct pixels *pixels, unsigned at, unsigned back)
{
	return back <= at ? pixels->row[at - back] : pixels->above[pixels->row_bytes + at - back];
}

/* What is taken for granted before anything was seen; it is outweighed soon. */
static void expect(struct png_counts *ret, const struct png_shape *shape)
{
	*ret = (struct png_counts){0};
	for (unsigned i = 0; i < DEFLATE_LITERALS; i++)
		ret->literal[i] = i < DEFLATE_FIRST_LENGTH	  ? 4
				  : i < DEFLATE_FIRST_LENGTH + 13 ? 30
								  : 10;
	ret->literal[0] = ret->literal[255] = 200;
	for (unsigned i = 0; i < DEFLATE_DISTANCES; i++)
		ret->distance[i] = 20;
	ret->distance[deflate_distance(shape->row_bytes).symbol] = 100;
}

/*
 * Where light is 0, so is the filter's byte, and a light stretch is copied from the byte before it:
 * unlike a row, that distance has no bits of its own. `at` is the first byte to be copied.
 */
static void put_zeros(struct matches *m, unsigned at)
{
	const struct png_shape *s = m->shape;

	while (m->pending >= DEFLATE_LONGEST + 3) {
		unsigned zeros = 0;

		if (at > s->end)
			zeros = s->row_bytes + s->first - at;
		else if (at > 0 && at < s->first)
			zeros = s->first - at;
		png_add_copy(
			&m->steps, DEFLATE_LONGEST, zeros >= DEFLATE_LONGEST ? 1 : s->row_bytes);
		at = (at + DEFLATE_LONGEST) % s->row_bytes;
		m->pending -= DEFLATE_LONGEST;
	}
}

/*
 * What those of the pending bytes cost that no longest match takes, if `pending` end before byte
 * `at`; and how many of them had better be literals.
 */
static uint32_t cost_of_rest(const struct matches *m, const struct pixels *pixels, unsigned at,
	unsigned pending, unsigned *ret_literals)
{
	const struct png_costs *costs = &m->search.costs;
	unsigned rest = pending % DEFLATE_LONGEST;
	uint32_t literals = 0, copy = UINT32_MAX;

	if (rest >= 3)
		copy = costs->length[rest] + png_cost_distance(costs, m->shape->row_bytes);
	*ret_literals = 0;
	if (rest > SHORT_COPY)
		return copy;
	for (unsigned back = rest; back > 0; back--)
		literals += costs->literal[byte_before(pixels, at, back)];
	if (copy <= literals)
		return copy;
	*ret_literals = rest;
	return literals;
}

/* Puts the pending bytes, which end before byte `at` of the row. */
static void put_pending(struct matches *m, const struct pixels *pixels, unsigned at)
{
	const struct png_shape *s = m->shape;
	unsigned literals;

	if (s->light == 0 && s->row_bytes - s->end + s->first > DEFLATE_LONGEST)
		put_zeros(m, (s->row_bytes + at - m->pending % s->row_bytes) % s->row_bytes);
	(void)cost_of_rest(m, pixels, at, m->pending, &literals);
	png_add_copy(&m->steps, m->pending - literals, s->row_bytes);
	for (; literals > 0; literals--)
		png_add_literal(&m->steps, byte_before(pixels, at, literals));
	m->pending = 0;
}

static void put_arrival(
	struct matches *m, const struct png_arrival *arrival, unsigned end, const uint8_t *row)
{
	unsigned at = m->search.node[arrival->from].byte;

	if (arrival->prefixed)
		png_add_literal(&m->steps, row[at++]);
	if (arrival->distance > 0)
		png_add_copy(&m->steps, end - at, arrival->distance);
	else
		for (; at < end; at++)
			png_add_literal(&m->steps, row[at]);
}

/* The steps that lead to a node, and before them the pending bytes up to where they start. */
static void put_path(struct matches *m, unsigned node, const struct pixels *pixels)
{
	const struct png_arrival *arrival = m->search.arrival;
	uint16_t path[PNG_MAX_NODES];
	unsigned n = 0;

	for (; arrival[node].from != node; node = arrival[node].from)
		path[n++] = (uint16_t)node;
	m->pending = m->pending + m->search.node[node].byte - m->shape->first;
	put_pending(m, pixels, m->search.node[node].byte);
	for (; n > 0; n--) {
		node = path[n - 1];
		put_arrival(m, &arrival[node], m->search.node[node].byte, pixels->row);
	}
}

/* Nodes up to which the row is as the one above are entered by a longer copy of that. */
static void enter(struct matches *m, const struct pixels *pixels)
{
	const struct png_search *search = &m->search;
	unsigned same = m->shape->first, literals;

	while (pixels->row[same] == pixels->above[same])
		same++;
	for (unsigned i = 0; i + 1 < search->n_nodes && search->node[i].byte <= same; i++) {
		unsigned at = search->node[i].byte;

		png_search_enter(&m->search, i,
			cost_of_rest(m, pixels, at, m->pending + at - m->shape->first, &literals));
	}
}

/* The node from which on the row is as the one above. */
static unsigned find_tail(const struct matches *m, const struct pixels *pixels)
{
	unsigned end = m->shape->end, tail = m->search.n_nodes - 1;

	while (pixels->row[end - 1] == pixels->above[end - 1])
		end--;
	while (m->search.node[tail - 1].byte >= end)
		tail--;
	return tail;
}

/* Of the nodes from which on nothing has to be paid, the last of the cheapest. */
static unsigned cheapest(const struct png_search *search, unsigned first)
{
	unsigned best = first;

	for (unsigned i = first; i < search->n_nodes; i++)
		if (search->arrival[i].cost <= search->arrival[best].cost)
			best = i;
	return best;
}

/* All steps of a row of modules but its repeats, which are pending then. */
static void pack_row(struct matches *m, unsigned y, const struct pixels *pixels)
{
	const struct png_shape *s = m->shape;
	bool joined = y > 0 || s->above > 0; /* there is a row above */
	unsigned tail = m->search.n_nodes - 1;

	if (joined && memcmp(pixels->row, pixels->above, s->row_bytes) == 0) {
		m->pending += s->row_bytes * s->scale;
		return;
	}
	png_search_start(&m->search);
	/* What precedes the first row is already put. */
	if (y == 0)
		png_search_enter(&m->search, m->search.first, 0);
	else
		enter(m, pixels);
	png_search_row(&m->search, y, pixels->row);
	if (joined)
		tail = cheapest(&m->search, find_tail(m, pixels));
	put_path(m, tail, pixels);
	if (joined)
		m->pending = s->row_bytes - m->search.node[tail].byte;
	for (unsigned i = s->end; i < s->row_bytes && !joined; i++)
		png_add_literal(&m->steps, s->light);
	m->pending += (s->scale - 1) * s->row_bytes + s->first;
}

/* Costs change quickly at first. */
static bool is_time_to_guess(unsigned y)
{
	return y == 0 || y == 3 || y == 8 || y == 15 || y % 32 == 31;
}

static void add_checksum(struct png_adler *adler, const struct png_shape *s, const uint8_t *row)
{
	uLong sums = adler32_z(0, row, s->row_bytes);

	png_adler_rows(adler,
		&(struct png_row_sums){.sum = sums & 0xffff, .weighted = sums >> 16 & 0xffff},
		s->row_bytes, s->scale);
}

static void pack_rows(struct matches *m, struct png_adler *adler)
{
	const struct png_shape *s = m->shape;
	uint8_t drawn[2][PNG_ROW_BYTES];
	struct pixels pixels = {.row_bytes = s->row_bytes};
	unsigned y;

	png_draw_light(s, drawn[1]);
	for (y = 0; y < s->rows; y++) {
		pixels.row = drawn[y % 2];
		pixels.above = drawn[1 - y % 2];
		png_draw(s, y, drawn[y % 2]);
		add_checksum(adler, s, pixels.row);
		if (is_time_to_guess(y))
			png_costs_guess(&m->search.costs, &m->steps.counts, &m->expected);
		pack_row(m, y, &pixels);
	}
	pixels.row = drawn[y % 2];
	pixels.above = drawn[1 - y % 2];
	png_draw_light(s, drawn[y % 2]);
	if (s->below == 0)
		m->pending -= s->first;
	put_pending(m, &pixels, s->below > 0 ? s->first : 0);
}

int png_matches(const struct png_shape *shape, struct buffer *out)
{
	struct png_step edge[PNG_EDGE_STEPS];
	struct png_adler adler = {.a = 1};
	struct deflate_block block;
	struct matches m;

	m.shape = shape;
	m.pending = 0;
	png_search_init(&m.search, shape);
	png_steps_init(&m.steps);
	expect(&m.expected, shape);
	png_add_steps(&m.steps, edge, png_steps_above(edge, shape));
	png_adler_light(&adler, shape, shape->above);
	pack_rows(&m, &adler);
	png_add_steps(&m.steps, edge, png_steps_below(edge, shape));
	png_adler_light(&adler, shape, shape->below);
	if (m.steps.full)
		return -E2BIG;
	png_plan_steps(&block, &m.steps);
	return png_put_steps(&block, &m.steps, png_adler_value(&adler), out);
}
