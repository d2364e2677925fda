#include "server/qr/png_search.h"

#include <string.h>

#define NOWHERE 0xffff
#define UNREACHED UINT32_MAX

/* The first pixel of a module that is not in the padding. */
static unsigned first_pixel(const struct png_shape *s, unsigned module)
{
	return s->offset + (module - PNG_PAD) * s->scale;
}

static void add_node(struct png_search *search, unsigned byte, unsigned module, unsigned phase)
{
	const struct png_shape *s = search->shape;
	unsigned width = 8 * (s->row_bytes - 1) + PNG_PAD * s->scale - s->offset;
	unsigned modules = width / s->scale - module;

	search->node[search->n_nodes++] = (struct png_node){
		.byte = (uint16_t)byte,
		.module = (uint16_t)module,
		.phase = (uint16_t)phase,
		.stop = (uint64_t)1 << (modules < 63 ? modules : 63),
	};
}

static void make_nodes(struct png_search *search)
{
	const struct png_shape *s = search->shape;
	unsigned n = 0, first = s->first > 2 ? s->first - 2 : 1;

	search->n_nodes = 0;
	search->first = s->first - first;
	for (unsigned byte = first; byte <= s->end; byte++) {
		unsigned pixel = 8 * (byte - 1) + PNG_PAD * s->scale - s->offset;
		unsigned phase = pixel % s->scale;

		if (byte <= s->first || byte == s->end || phase < 8 || phase + 8 > s->scale)
			add_node(search, byte, pixel / s->scale, phase);
	}
	for (unsigned module = 0; module < PNG_MAX_MODULES; module++) {
		while (module >= PNG_PAD && n + 1 < search->n_nodes &&
			search->node[n + 1].byte <= first_pixel(s, module) / 8 + 1)
			n++;
		search->end_of[module] = (uint16_t)n;
	}
}

static void make_rows(struct png_search *search)
{
	for (unsigned y = 0; y < search->shape->rows; y++) {
		const uint64_t *from = search->shape->symbol->row[y];
		uint64_t *to = search->row[y];

		to[0] = from[0] << PNG_PAD;
		to[1] = from[1] << PNG_PAD | from[0] >> (64 - PNG_PAD);
		to[2] = from[2] << PNG_PAD | from[1] >> (64 - PNG_PAD);
		to[3] = from[2] >> (64 - PNG_PAD);
		to[4] = 0;
	}
}

/*
 * What a module further on is worth when two nodes are compared, of which only the better one is
 * followed: the more, the fewer nodes are followed, and the larger is the result. By measurement:
 * as much as leaves pictures smaller than libpng's by default at scales up to 16. Beyond, one light-on-dark picture in
 * some thousand is larger, by up to 3 %.
 */
static int worth_of(const struct png_shape *s)
{
	if (s->scale >= 16 && s->scale % 8 == 0 && s->offset % 8 == 0)
		return s->rows < 80 ? 0 : s->rows < 150 ? 10 : 20;
	if (s->scale > 8 && s->rows >= 100)
		return 32;
	return s->scale > 4 && s->scale != 8 ? 30 : 20;
}

/*
 * By few modules what is near is found, by more what is long. At small scales no fewer modules are as
 * long as a copy has to be, and at scale 2 copies of anything but runs save less than their symbols
 * cost. Where nodes are not passed over there is time to try more places.
 */
static void choose_keys(struct png_search *search)
{
	unsigned scale = search->shape->scale;

	search->n_keys = scale > 4 ? 2 : scale > 2 ? 1 : 0;
	search->key_mask[0] = scale > 4 ? 0xf : 0x3ff;
	search->key_mask[1] = 0x7f;
	search->tries = search->worth > 0 ? 4 : 10;
}

void png_search_init(struct png_search *search, const struct png_shape *shape)
{
	unsigned longest = DEFLATE_LONGEST * 8 / shape->scale - 2;

	search->shape = shape;
	make_nodes(search);
	make_rows(search);
	memset(search->last, 0xff, sizeof(search->last));
	search->place_bits = 32 - (unsigned)__builtin_clz(search->n_nodes);
	search->rows_back = DEFLATE_WINDOW / (shape->scale * shape->row_bytes) + 1;
	search->longest = (uint64_t)1 << (longest < 63 ? longest : 63);
	search->worth = worth_of(shape);
	choose_keys(search);
}

/* 64 modules from x on. */
static uint64_t modules(const uint64_t *row, unsigned x)
{
	unsigned bit = x % 64;

	return row[x / 64] >> bit | row[x / 64 + 1] << 1 << (63 - bit);
}

/* A number for each row among those that are in reach. */
static unsigned place_row(const struct png_search *search, unsigned y)
{
	return y & (((unsigned)PNG_PLACES >> search->place_bits) - 1);
}

static int promise(const struct png_search *search, unsigned node)
{
	return (int)search->arrival[node].cost - search->worth * search->node[node].module;
}

/* Nodes before one that promises more are not followed. */
static void look_ahead(struct png_search *search, unsigned i, unsigned node)
{
	if (node <= i || search->arrival[node].cost == UNREACHED)
		return;
	if (search->best_node <= i || promise(search, node) <= search->best) {
		search->best_node = node;
		search->best = promise(search, node);
	}
}

static bool is_followed(const struct png_search *search, unsigned i)
{
	return search->arrival[i].cost != UNREACHED &&
	       (search->best_node <= i || promise(search, i) < search->best);
}

static void reach(struct png_search *search, unsigned node, const struct png_arrival *arrival)
{
	if (arrival->cost < search->arrival[node].cost)
		search->arrival[node] = *arrival;
}

/* To the nodes from first to last by a copy from byte `at` on, whose length is yet to be paid. */
static void reach_all(struct png_search *search, unsigned first, unsigned last, unsigned at,
	struct png_arrival arrival)
{
	uint32_t cost = arrival.cost;

	for (unsigned k = first; k <= last; k++) {
		unsigned len = search->node[k].byte - at;

		if (len < 3)
			continue;
		arrival.cost = cost + search->costs.length[len];
		reach(search, k, &arrival);
	}
}

static void try_literals(struct png_search *search, unsigned i, const uint8_t *pixels)
{
	struct png_arrival next = {.cost = search->arrival[i].cost, .from = (uint16_t)i};

	for (unsigned byte = search->node[i].byte; byte < search->node[i + 1].byte; byte++)
		next.cost += search->costs.literal[pixels[byte]];
	reach(search, i + 1, &next);
}

/* On through modules of one colour by a copy of the byte before. Returns the last node reached. */
static unsigned try_run(struct png_search *search, unsigned i, uint64_t v, const uint8_t *pixels)
{
	const struct png_node *node = &search->node[i];
	unsigned n = (unsigned)__builtin_ctzll((v & 1 ? ~v : v) | search->longest);
	unsigned end = search->end_of[node->module + n], at = node->byte;
	struct png_arrival run = {.cost = search->arrival[i].cost + search->costs.distance[0],
		.from = (uint16_t)i,
		.distance = 1};

	/* Two bytes need no copy. */
	if (end <= i || search->node[end].byte < at + 3)
		return i;
	if (pixels[at] == pixels[at - 1]) {
		reach_all(search, i + 1, end, at, run);
		return end;
	}
	run.cost += search->costs.literal[pixels[at++]];
	run.prefixed = true;
	/* Else the next node sees to it. */
	if (at < search->node[i + 1].byte)
		reach_all(search, i + 1, end, at, run);
	return i;
}

/*
 * Copies from earlier places with the same key, the nearest and so the cheapest first: a place is of
 * use only for nodes beyond `reached`, which those before it did not reach. Returns the last node
 * reached.
 */
static unsigned try_places(struct png_search *search, unsigned y, unsigned i, uint64_t v,
	const uint16_t *earlier, unsigned place, unsigned reached)
{
	const struct png_shape *s = search->shape;
	const struct png_node *node = &search->node[i];
	struct png_arrival copy = {.from = (uint16_t)i};

	for (unsigned n = search->tries; n > 0 && place != NOWHERE; n--, place = earlier[place]) {
		unsigned back = place_row(search, y - (place >> search->place_bits)), same,
			 distance;
		const struct png_node *there =
			&search->node[place & ((1U << search->place_bits) - 1)];

		/* The places of a row are overwritten by a later one of the same number. */
		if (back > search->rows_back || back > y || (back == 0 && there >= node))
			break;
		same = (unsigned)__builtin_ctzll(
			(v ^ modules(search->row[y - back], there->module)) | there->stop |
			search->longest);
		if (search->end_of[node->module + same] <= reached || there->phase != node->phase)
			continue;
		distance = back == 0 ? 0 : s->row_bytes * (s->scale * (back - 1) + 1);
		distance += node->byte;
		distance -= there->byte;
		if (distance > DEFLATE_WINDOW)
			break;
		copy.distance = (uint16_t)distance;
		copy.cost = search->arrival[i].cost + png_cost_distance(&search->costs, distance);
		reach_all(
			search, reached + 1, search->end_of[node->module + same], node->byte, copy);
		reached = search->end_of[node->module + same];
	}
	return reached;
}

static unsigned key_of(const struct png_search *search, unsigned i, uint64_t v, unsigned kind)
{
	unsigned key = (unsigned)(v & search->key_mask[kind]);

	return (key + search->node[i].phase * 0x9e5U) % PNG_KEYS;
}

/* Goes on from a node, and makes it known as a place. */
static void visit(struct png_search *search, unsigned y, unsigned i, const uint8_t *pixels)
{
	uint64_t v = modules(search->row[y], search->node[i].module);
	unsigned place = place_row(search, y) << search->place_bits | i;
	bool followed = is_followed(search, i);
	unsigned reached = i;

	if (followed) {
		try_literals(search, i, pixels);
		reached = try_run(search, i, v, pixels);
		look_ahead(search, i, reached);
	}
	for (unsigned kind = 0; kind < search->n_keys; kind++) {
		uint16_t *last = &search->last[kind][key_of(search, i, v, kind)];
		uint16_t *earlier = search->earlier[kind];

		if (followed) {
			reached = try_places(search, y, i, v, earlier, *last, reached);
			look_ahead(search, i, reached);
		}
		earlier[place] = *last;
		*last = (uint16_t)place;
	}
}

void png_search_start(struct png_search *search)
{
	for (unsigned i = 0; i < search->n_nodes; i++)
		search->arrival[i] = (struct png_arrival){.cost = UNREACHED};
}

void png_search_enter(struct png_search *search, unsigned node, uint32_t cost)
{
	search->arrival[node] = (struct png_arrival){.cost = cost, .from = (uint16_t)node};
}

void png_search_row(struct png_search *search, unsigned y, const uint8_t *pixels)
{
	search->best_node = 0;
	for (unsigned i = 0; i + 1 < search->n_nodes; i++)
		visit(search, y, i, pixels);
}
