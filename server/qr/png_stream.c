#include "server/qr/png_stream.h"

#include <errno.h>
#include <string.h>

#define ADLER_PRIME 65521

void png_shape_init(
	struct png_shape *ret, const struct qr_symbol *s, const struct qr_picture *p, uint8_t light)
{
	unsigned end = p->offset + s->width * p->scale;

	*ret = (struct png_shape){
		.symbol = s,
		.scale = p->scale,
		.offset = p->offset,
		.rows = s->width,
		.row_bytes = 1 + (p->width + 7) / 8,
		.first = 1 + p->offset / 8,
		.end = 1 + (end + 7) / 8,
		.above = p->offset,
		.below = p->width - end,
		.light = light,
	};
}

/* Light bytes, which follow a light byte and end a row, and what then follows them. */
static struct png_step *light_rest(
	struct png_step *to, const struct png_shape *shape, unsigned bytes, unsigned after)
{
	if (shape->light == 0) {
		*to = (struct png_step){.n = bytes + after, .distance = 1};
		return to + 1;
	}
	*to++ = (struct png_step){
		.n = bytes, .distance = bytes < 3 ? 0 : 1, .literal = shape->light};
	if (after >= 3)
		*to++ = (struct png_step){.n = after, .distance = (uint16_t)shape->row_bytes};
	else if (after > 0)
		*to++ = (struct png_step){.n = after, .literal = 0};
	return to;
}

unsigned png_steps_above(struct png_step *ret, const struct png_shape *shape)
{
	unsigned bytes = shape->row_bytes - 1;
	struct png_step *to = ret;

	*to++ = (struct png_step){.n = 1, .literal = 0};
	if (shape->above == 0)
		return 1;
	if (shape->light != 0) {
		*to++ = (struct png_step){.n = 1, .literal = shape->light};
		bytes--;
	}
	/* Below one light row there are less than eight light pixels on the left. */
	to = light_rest(to, shape, bytes, (shape->above - 1) * shape->row_bytes + shape->first);
	return (unsigned)(to - ret);
}

unsigned png_steps_below(struct png_step *ret, const struct png_shape *shape)
{
	unsigned bytes = shape->row_bytes - shape->first;
	struct png_step *to = ret;

	if (shape->below == 0)
		return 0;
	/* A light byte lies before, unless that is the filter's. */
	if (shape->light != 0 && shape->first == 1) {
		*to++ = (struct png_step){.n = 1, .literal = shape->light};
		bytes--;
	}
	to = light_rest(to, shape, bytes, (shape->below - 1) * shape->row_bytes);
	return (unsigned)(to - ret);
}

struct png_split png_split_copy(unsigned n)
{
	struct png_split s = {n / DEFLATE_LONGEST, {n % DEFLATE_LONGEST, 0}};

	if (s.part[0] == 1 || s.part[0] == 2) {
		s.longest--;
		s.part[0] += DEFLATE_LONGEST - 3;
		s.part[1] = 3;
	}
	return s;
}

static void count_match(
	struct png_counts *c, unsigned len, struct deflate_part distance, unsigned n)
{
	struct deflate_part l = deflate_length(len);

	c->literal[l.symbol] += n;
	c->distance[distance.symbol] += n;
	c->extra_bits += (size_t)n * (l.extra_bits + distance.extra_bits);
}

void png_count_copy(struct png_counts *c, unsigned n, unsigned distance, unsigned times)
{
	struct deflate_part d = deflate_distance(distance);
	struct png_split s = png_split_copy(n);

	if (s.longest > 0)
		count_match(c, DEFLATE_LONGEST, d, s.longest * times);
	for (unsigned i = 0; i < 2 && s.part[i] > 0; i++)
		count_match(c, s.part[i], d, times);
}

void png_count_step(struct png_counts *c, const struct png_step *step)
{
	if (step->distance == 0)
		c->literal[step->literal] += step->n;
	else
		png_count_copy(c, step->n, step->distance, 1);
}

void png_put_copy(const struct deflate_block *b, struct bits *to, unsigned n, unsigned distance)
{
	struct png_split s = png_split_copy(n);

	if (s.longest > 0) {
		struct bits longest = {.held = 0};

		deflate_put_match(b, &longest, DEFLATE_LONGEST, distance);
		for (unsigned i = 0; i < s.longest; i++) {
			bits_put(to, longest.held, longest.n);
			bits_flush(to);
		}
	}
	for (unsigned i = 0; i < 2 && s.part[i] > 0; i++) {
		deflate_put_match(b, to, s.part[i], distance);
		bits_flush(to);
	}
}

void png_put_step(const struct deflate_block *b, struct bits *to, const struct png_step *step)
{
	if (step->distance > 0) {
		png_put_copy(b, to, step->n, step->distance);
		return;
	}
	for (unsigned i = 0; i < step->n; i++) {
		deflate_put_symbol(b, to, step->literal);
		bits_flush(to);
	}
}

void png_steps_init(struct png_steps *steps)
{
	steps->n = 0;
	steps->full = false;
	steps->counts = (struct png_counts){0};
}

/* As many of the longest matches as a packed copy may consist of. */
#define MOST_COPIED (254 * DEFLATE_LONGEST)
#define MOST_LITERALS 255

/* A copy's distance above 16 bits of n; or 0 above n and the literal, 8 bits each. */
static uint32_t pack(const struct png_step *step)
{
	if (step->distance > 0)
		return (uint32_t)step->distance << 16 | step->n;
	return step->n << 8 | step->literal;
}

static struct png_step unpack(uint32_t packed)
{
	if (packed >> 16 > 0)
		return (struct png_step){
			.n = packed & 0xffff, .distance = (uint16_t)(packed >> 16)};
	return (struct png_step){.n = packed >> 8, .literal = (uint8_t)packed};
}

static void add_packed(struct png_steps *steps, struct png_step step)
{
	if (steps->n == PNG_MAX_STEPS) {
		steps->full = true;
		return;
	}
	steps->packed[steps->n++] = pack(&step);
	png_count_step(&steps->counts, &step);
}

/* In pieces that fit; a copy never leaves less than a match. */
static void add_step(struct png_steps *steps, struct png_step step)
{
	unsigned most = step.distance > 0 ? MOST_COPIED : MOST_LITERALS;

	while (step.n > most) {
		struct png_step piece = step;

		piece.n = most;
		if (step.distance > 0 && step.n - most < 3)
			piece.n -= DEFLATE_LONGEST;
		add_packed(steps, piece);
		step.n -= piece.n;
	}
	add_packed(steps, step);
}

void png_add_copy(struct png_steps *steps, unsigned n, unsigned distance)
{
	if (n > 0)
		add_step(steps, (struct png_step){.n = n, .distance = (uint16_t)distance});
}

void png_add_literal(struct png_steps *steps, uint8_t literal)
{
	add_step(steps, (struct png_step){.n = 1, .literal = literal});
}

void png_add_steps(struct png_steps *steps, const struct png_step *step, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		add_step(steps, step[i]);
}

void png_plan_steps(struct deflate_block *ret, const struct png_steps *steps)
{
	ret->literals.n = ret->distances.n = 0;
	for (unsigned i = 0; i < DEFLATE_LITERALS; i++)
		huffman_add(&ret->literals, i, i == DEFLATE_END ? 1 : steps->counts.literal[i]);
	for (unsigned i = 0; i < DEFLATE_DISTANCES; i++)
		huffman_add(&ret->distances, i, steps->counts.distance[i]);
	deflate_plan(ret, 15);
}

int png_put_steps(const struct deflate_block *b, const struct png_steps *steps, uint32_t adler,
	struct buffer *out)
{
	size_t size = PNG_STREAM_EXTRA + (b->bits + steps->counts.extra_bits) / 8;
	uint8_t *room = (uint8_t *)buffer_reserve(out, size), *end;
	struct bits to = {.to = room};

	if (!room)
		return -ENOMEM;
	bits_put(&to, PNG_ZLIB_HEAD, 16);
	deflate_put_head(b, &to);
	for (unsigned i = 0; i < steps->n; i++) {
		struct png_step step = unpack(steps->packed[i]);

		png_put_step(b, &to, &step);
	}
	deflate_put_symbol(b, &to, DEFLATE_END);
	end = png_put_adler(bits_end(&to), adler);
	out->len += (size_t)(end - room);
	return 0;
}

void png_draw_light(const struct png_shape *shape, uint8_t *row)
{
	row[0] = 0;
	memset(row + 1, shape->light, shape->row_bytes - 1);
}

/* Inverts pixels from to (excluded) to, which were all light. */
static void invert(uint8_t *row, unsigned from, unsigned to, uint8_t light)
{
	unsigned first = from / 8, last = (to - 1) / 8;
	uint8_t head = (uint8_t)(0xff >> from % 8), tail = (uint8_t)(0xff << (7 - (to - 1) % 8));

	if (first == last) {
		row[first] ^= head & tail;
		return;
	}
	row[first] ^= head;
	memset(row + first + 1, light ^ 0xff, last - first - 1);
	row[last] ^= tail;
}

void png_draw(const struct png_shape *shape, unsigned y, uint8_t *row)
{
	unsigned scale = shape->scale, n;

	png_draw_light(shape, row);
	for (unsigned x = 0; qr_symbol_run(shape->symbol, y, &x, &n); x += n)
		invert(row + 1, shape->offset + x * scale, shape->offset + (x + n) * scale,
			shape->light);
}

void png_adler_light(struct png_adler *adler, const struct png_shape *shape, unsigned rows)
{
	struct png_row_sums row = {0};

	if (rows == 0)
		return;
	png_sums_byte(&row, shape->light, shape->row_bytes - 1);
	png_adler_rows(adler, &row, shape->row_bytes, rows);
}

uint32_t png_adler_value(const struct png_adler *adler)
{
	return (uint32_t)(adler->b % ADLER_PRIME) << 16 | (uint32_t)(adler->a % ADLER_PRIME);
}

uint8_t *png_put_adler(uint8_t *to, uint32_t adler)
{
	to[0] = (uint8_t)(adler >> 24);
	to[1] = (uint8_t)(adler >> 16);
	to[2] = (uint8_t)(adler >> 8);
	to[3] = (uint8_t)adler;
	return to + 4;
}
