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

/* How many of the pending bytes, which end before byte `at`, had better be literals. */
static unsigned choose_literals(const struct matches *m, const struct pixels *pixels, unsigned at)
{
	const struct png_costs *costs = &m->search.costs;
	unsigned rest = m->pending % DEFLATE_LONGEST, cost = 0;

	if (rest < 3 || rest > SHORT_COPY)
		return rest < 3 ? rest : 0;
	for (unsigned back = rest; back > 0; back--)
		cost += costs->literal[byte_before(pixels, at, back)];
	return cost < costs->length[rest] + png_cost_distance(costs, m->shape->row_bytes) ? rest
											  : 0;
}

/* Puts the pending bytes, which end before byte `at` of the row. */
static void put_pending(struct matches *m, const struct pixels *pixels, unsigned at)
{
	const struct png_shape *s = m->shape;
	unsigned literals;

	if (s->light == 0 && s->row_bytes - s->end + s->first > DEFLATE_LONGEST)
		put_zeros(m, (s->row_bytes + at - m->pending % s->row_bytes) % s->row_bytes);
	literals = choose_literals(m, pixels, at);
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

/* The steps that lead to a node, from the first one that costs anything on. */
static void put_path(struct matches *m, unsigned node, const struct pixels *pixels)
{
	const struct png_arrival *arrival = m->search.arrival;
	uint16_t path[PNG_MAX_NODES];
	unsigned n = 0;

	for (; arrival[node].cost > 0; node = arrival[node].from)
		path[n++] = (uint16_t)node;
	m->pending += m->search.node[node].byte - m->shape->first;
	put_pending(m, pixels, m->search.node[node].byte);
	for (; n > 0; n--) {
		node = path[n - 1];
		put_arrival(m, &arrival[node], m->search.node[node].byte, pixels->row);
	}
}

/* The nodes up to which, and from which on, the row is as the one above; they differ somewhere. */
static void find_same(
	const struct matches *m, const struct pixels *pixels, unsigned *lead, unsigned *tail)
{
	const struct png_search *search = &m->search;
	unsigned first = m->shape->first, end = m->shape->end;

	while (pixels->row[first] == pixels->above[first])
		first++;
	while (pixels->row[end - 1] == pixels->above[end - 1])
		end--;
	while (*lead + 1 < search->n_nodes && search->node[*lead + 1].byte <= first)
		++*lead;
	while (search->node[*tail - 1].byte >= end)
		--*tail;
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
	unsigned lead = 0, tail = m->search.n_nodes - 1;

	if (joined && memcmp(pixels->row, pixels->above, s->row_bytes) == 0) {
		m->pending += s->row_bytes * s->scale;
		return;
	}
	if (joined)
		find_same(m, pixels, &lead, &tail);
	png_search_row(&m->search, y, pixels->row, lead);
	tail = cheapest(&m->search, tail);
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
	return y == 0 || y == 3 || y == 8 || y % 16 == 15;
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
