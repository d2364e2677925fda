/*
 * Scale 4: a byte is two modules, so it is one of four, and a row of modules costs about a bit a
 * module as literals, which no search for matches betters. The picture is never made: modules are
 * looked up, eight at a time, for the bits that send them.
 *
 * Nor is anything counted: the four bytes occur about equally often, and a row of modules is
 * followed by a copy whose symbols are always the same. So three bytes get 2 bits and one 3, the
 * copies' symbols get half of what room is left for codes, and all others share the rest.
 */
#include "server/qr/png_stream.h"
#include "server/qr/png_strings.h"

#include <errno.h>

#define PAIRS PNG_STRING_BYTES /* bytes looked up at once */
#define GROUP 7		       /* lookups from one word: 56 modules */

/* How `between` bytes and some more are sent: the longest matches, and a last one that takes the more. */
struct copy {
	unsigned longest;
	uint64_t longest_bits, last_bits;
	unsigned longest_len, last_len;
	unsigned extra_at; /* where the last match's length has its lowest bit */
};

struct pairs {
	const struct png_shape *shape;
	unsigned shift;	  /* light modules in the first byte before the symbol: 0 or 1 */
	uint64_t flip;	  /* all ones where light is 0: the table is for light bytes of ones */
	unsigned strings; /* lookups a row */
	unsigned last;	  /* bytes of the last of them */
	struct png_step above[PNG_EDGE_STEPS], below[PNG_EDGE_STEPS];
	unsigned n_above, n_below;
	/* Bytes that a row begins and ends with as the row above it, at most PAIRS each. */
	uint8_t lead[QR_MAX_WIDTH + 1], tail[QR_MAX_WIDTH + 1];
	uint16_t more[QR_MAX_WIDTH]; /* bytes copied after each row beyond `between` */
	unsigned between; /* a row's repeats, and the margin bytes before and behind them */
	struct copy copy;
	struct deflate_block block;
};

/* The string of the first n bytes of v, whose bits are modules as the table has them. */
static const struct png_string *string_of(uint64_t v, unsigned n)
{
	static const uint8_t begin[PAIRS + 1] = {0, 1, 5, 21, 85};

	return &png_strings[begin[n] + (v & ((1U << 2 * n) - 1))];
}

/* GROUP strings or more of a row, from module x on (a multiple of 8), shifted as the bytes want them. */
static inline uint64_t modules(const struct pairs *p, const uint64_t *row, unsigned x)
{
	unsigned word, bit;

	if (x == 0)
		return row[0] << p->shift ^ p->flip;
	x -= p->shift;
	word = x / 64;
	bit = x % 64;
	if (bit == 0 || word + 1 == QR_ROW_WORDS)
		return row[word] >> bit ^ p->flip;
	return (row[word] >> bit | row[word + 1] << (64 - bit)) ^ p->flip;
}

/* How many more bytes may be copied than n, so that the same symbols are sent as for n. */
static unsigned room_above(unsigned n)
{
	unsigned rest = n % DEFLATE_LONGEST;
	struct deflate_part part;

	if (rest < 3)
		return 0;
	part = deflate_length(rest);
	rest = (1U << part.extra_bits) - 1 - part.extra;
	/* The last of them is a symbol of its own: 258. */
	return n % DEFLATE_LONGEST + rest < DEFLATE_LONGEST ? rest : rest - 1;
}

/*
 * The copies: a row's repeats, together with the end of the row before them and the beginning of
 * the row after them where those are as in the row above, margins or not.
 */
static void plan_copies(struct pairs *p)
{
	/* cppcheck-suppress ctuuninitvar -- shape is set, and the rest is what is set here */
	const struct png_shape *s = p->shape;
	const struct qr_symbol *symbol = s->symbol;
	unsigned rows = s->rows, at = (p->strings - 1) * 2 * PAIRS;
	unsigned room = room_above(p->between);

	p->lead[0] = p->tail[0] = 0;
	for (unsigned y = 1; y < rows; y++) {
		const uint64_t *row = symbol->row[y], *above = symbol->row[y - 1];
		uint64_t begin = (modules(p, row, 0) ^ modules(p, above, 0)) | 1U << 2 * PAIRS;
		uint64_t end = modules(p, row, at) ^ modules(p, above, at);
		unsigned differ = end ? (65 - (unsigned)__builtin_clzll(end)) / 2 : 0;
		unsigned lead = (unsigned)__builtin_ctzll(begin) / 2, tail = p->last - differ;
		unsigned left = room - p->tail[y - 1];

		p->lead[y] = (uint8_t)(lead < left ? lead : left);
		p->tail[y] = (uint8_t)(tail < room ? tail : room);
		p->more[y - 1] = (uint16_t)(p->tail[y - 1] + p->lead[y]);
	}
}

/* What is copied after the last row. */
static unsigned last_copy(const struct pairs *p)
{
	const struct png_shape *s = p->shape;

	return p->tail[s->rows - 1] + p->between - (s->below > 0 ? 0 : s->first);
}

/*
 * Lengths of n codes that share what is left of a code once `len` bits are given: a complete tree as
 * flat as can be.
 */
static void share(struct huffman *h, const uint16_t *symbol, unsigned n, unsigned len)
{
	unsigned deeper = 0;

	while (2U << deeper <= n)
		deeper++;
	for (unsigned i = 0; i < n; i++)
		h->len[symbol[i]] =
			(uint8_t)(len + deeper + (i < 2 * (n - (1U << deeper)) ? 1 : 0));
}

/* Symbols of lengths, a bit for each, and of distances. */
struct symbols {
	uint32_t lengths, distances;
};

static void add_copy(struct symbols *used, unsigned n, unsigned distance)
{
	struct png_split s = png_split_copy(n);

	if (s.longest > 0)
		used->lengths |= 1U
				 << (deflate_length(DEFLATE_LONGEST).symbol - DEFLATE_FIRST_LENGTH);
	for (unsigned i = 0; i < 2 && s.part[i] > 0; i++)
		used->lengths |= 1U << (deflate_length(s.part[i]).symbol - DEFLATE_FIRST_LENGTH);
	used->distances |= 1U << deflate_distance(distance).symbol;
}

static struct symbols used_symbols(const struct pairs *p)
{
	struct symbols used = {0, 0};

	add_copy(&used, p->between, p->shape->row_bytes);
	add_copy(&used, last_copy(p), p->shape->row_bytes);
	for (unsigned i = 0; i < p->n_above; i++)
		if (p->above[i].distance > 0)
			add_copy(&used, p->above[i].n, p->above[i].distance);
	for (unsigned i = 0; i < p->n_below; i++)
		if (p->below[i].distance > 0)
			add_copy(&used, p->below[i].n, p->below[i].distance);
	return used;
}

/* Gives the symbols of the rows' copies the shorter codes; returns how long the others' common beginning is. */
static unsigned favour_copies(struct pairs *p, uint32_t *lengths)
{
	struct png_split s = png_split_copy(p->between);
	unsigned len = 3;

	for (unsigned i = 0; i < 3; i++) {
		unsigned n = i < 2 ? s.part[i] : s.longest > 0 ? DEFLATE_LONGEST : 0;
		unsigned symbol = n > 0 ? deflate_length(n).symbol : DEFLATE_END;

		if (n == 0 || !(*lengths >> (symbol - DEFLATE_FIRST_LENGTH) & 1))
			continue;
		p->block.literals.len[symbol] = (uint8_t)++len;
		*lengths &= ~(1U << (symbol - DEFLATE_FIRST_LENGTH));
	}
	return len;
}

static void make_code(struct pairs *p)
{
	static const uint8_t literal[4] = {0x00, 0x0f, 0xf0, 0xff},
			     len[4] = PNG_STRING_CODE_LENGTHS;
	struct huffman *h = &p->block.literals;
	struct symbols used = used_symbols(p);
	uint16_t others[1 + DEFLATE_LITERALS - DEFLATE_FIRST_LENGTH] = {DEFLATE_END};
	unsigned n = 1, depth;

	for (unsigned i = 0; i < 4; i++) {
		h->len[literal[i]] = len[i];
		huffman_add(h, literal[i], 1);
	}
	huffman_add(h, DEFLATE_END, 1);
	for (uint32_t left = used.lengths; left; left &= left - 1)
		huffman_add(h, DEFLATE_FIRST_LENGTH + (unsigned)__builtin_ctz(left), 1);
	depth = favour_copies(p, &used.lengths);
	for (; used.lengths; used.lengths &= used.lengths - 1)
		others[n++] = (uint16_t)(DEFLATE_FIRST_LENGTH + __builtin_ctz(used.lengths));
	share(h, others, n, depth);
	for (; used.distances; used.distances &= used.distances - 1) {
		unsigned symbol = (unsigned)__builtin_ctz(used.distances);

		p->block.distances.len[symbol] = 1; /* there are two at most */
		huffman_add(&p->block.distances, symbol, 1);
	}
	deflate_take(&p->block);
}

static void make_copy(struct pairs *p)
{
	struct png_split s = png_split_copy(p->between);
	struct bits longest = {.held = 0}, last = {.held = 0};

	if (s.longest > 0)
		deflate_put_match(&p->block, &longest, DEFLATE_LONGEST, p->shape->row_bytes);
	p->copy = (struct copy){
		.longest = s.longest, .longest_bits = longest.held, .longest_len = longest.n};
	for (unsigned i = 0; i < 2 && s.part[i] > 0; i++) {
		p->copy.extra_at = last.n + p->block.literals.len[deflate_length(s.part[i]).symbol];
		deflate_put_match(&p->block, &last, s.part[i], p->shape->row_bytes);
	}
	p->copy.last_bits = last.held;
	p->copy.last_len = last.n;
}

static inline void add_sums(struct png_row_sums *sums, const struct png_string *s, unsigned n)
{
	sums->weighted += n * sums->sum + s->weighted;
	sums->sum += s->sum;
}

/* n whole strings from v. */
static inline void put_strings(struct bits *to, struct png_row_sums *sums, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++, v >>= 2 * PAIRS) {
		const struct png_string *s = string_of(v, PAIRS);

		bits_put(to, s->bits, s->len);
		if (i % 4 == 2) /* the first string may still be held */
			bits_flush(to);
		add_sums(sums, s, PAIRS);
	}
	bits_flush(to);
}

static void put_copy(const struct copy *c, struct bits *to, unsigned more)
{
	for (unsigned i = 0; i < c->longest; i++) {
		bits_put(to, c->longest_bits, c->longest_len);
		bits_flush(to);
	}
	bits_put(to, c->last_bits + ((uint64_t)more << c->extra_at), c->last_len);
	bits_flush(to);
}

/* The first string without `lead` bytes, the last one without `tail`. */
static inline void put_row(
	const struct pairs *p, struct bits *to, struct png_row_sums *sums, unsigned y)
{
	const uint64_t *row = p->shape->symbol->row[y];
	uint64_t v = modules(p, row, 0);
	const struct png_string *s = string_of(v, PAIRS);
	unsigned skip = string_of(v, p->lead[y])->len, i = 1;

	bits_put(to, (uint64_t)s->bits >> skip, s->len - skip);
	add_sums(sums, s, PAIRS);
	v >>= 2 * PAIRS;
	while (i + 1 < p->strings) {
		unsigned n = p->strings - 1 - i, most = GROUP - (i == 1);

		n = n < most ? n : most;
		put_strings(to, sums, v, n);
		i += n;
		v = modules(p, row, i * 2 * PAIRS);
	}
	add_sums(sums, string_of(v, p->last), p->last);
	s = string_of(v, p->last - p->tail[y]);
	bits_put(to, s->bits, s->len);
	bits_flush(to);
}

static uint32_t put_rows(const struct pairs *p, struct bits *to)
{
	const struct png_shape *shape = p->shape;
	struct png_adler adler = {.a = 1};
	struct png_row_sums margin = {0};

	png_sums_byte(&margin, shape->light, shape->first - 1);
	png_adler_light(&adler, shape, shape->above);
	for (unsigned y = 0; y < shape->rows; y++) {
		struct png_row_sums sums = margin;

		put_row(p, to, &sums, y);
		if (y + 1 < shape->rows)
			put_copy(&p->copy, to, p->more[y]);
		else
			png_put_copy(&p->block, to, last_copy(p), shape->row_bytes);
		png_sums_byte(&sums, shape->light, shape->row_bytes - shape->end);
		png_adler_rows(&adler, &sums, shape->row_bytes, shape->scale);
	}
	png_adler_light(&adler, shape, shape->below);
	return png_adler_value(&adler);
}

/* The stream into room that is large enough; returns its end. */
static uint8_t *put_stream(const struct pairs *p, uint8_t *room)
{
	struct bits to = {.to = room};
	uint32_t adler;

	bits_put(&to, PNG_ZLIB_HEAD, 16);
	deflate_put_head(&p->block, &to);
	for (unsigned i = 0; i < p->n_above; i++)
		png_put_step(&p->block, &to, &p->above[i]);
	adler = put_rows(p, &to);
	for (unsigned i = 0; i < p->n_below; i++)
		png_put_step(&p->block, &to, &p->below[i]);
	deflate_put_symbol(&p->block, &to, DEFLATE_END);
	return png_put_adler(bits_end(&to), adler);
}

/* Bytes that the stream needs at most. */
static size_t bound(const struct pairs *p)
{
	const struct png_shape *s = p->shape;
	unsigned bytes = s->end - s->first;

	/* Three bits a literal; six matches a row, and as many above and below, of 48 bits. */
	return PNG_STREAM_EXTRA + DEFLATE_HEAD_BYTES + (size_t)s->rows * (3 * bytes / 8 + 1) +
	       ((size_t)p->copy.longest + 2) * 6 * (s->rows + 1) +
	       ((size_t)s->above + s->below) * (s->row_bytes / DEFLATE_LONGEST + 3) * 6 + 64;
}

int png_pairs(const struct png_shape *shape, struct buffer *out)
{
	unsigned bytes = shape->end - shape->first;
	struct pairs p;
	uint8_t *room;

	p.shape = shape;
	p.shift = shape->offset % 8 / 4;
	p.flip = shape->light ? 0 : UINT64_MAX;
	p.strings = (bytes + PAIRS - 1) / PAIRS;
	p.last = bytes - (p.strings - 1) * PAIRS;
	p.n_above = png_steps_above(p.above, shape);
	p.n_below = png_steps_below(p.below, shape);
	p.between = shape->row_bytes - shape->end + (shape->scale - 1) * shape->row_bytes +
		    shape->first;
	p.block.literals.n = p.block.distances.n = 0;
	plan_copies(&p);
	make_code(&p);
	make_copy(&p);
	room = (uint8_t *)buffer_reserve(out, bound(&p));
	if (!room)
		return -ENOMEM;
	out->len += (size_t)(put_stream(&p, room) - room);
	return 0;
}
