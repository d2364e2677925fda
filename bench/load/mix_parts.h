/* What a mix is made of: between mix_parse.c, which makes it, and mix.c, which draws from it. */
#ifndef QUERN_BENCH_LOAD_MIX_PARTS_H
#define QUERN_BENCH_LOAD_MIX_PARTS_H

#include "bench/load/mix.h"
#include "bench/model/service.h"

#include <stdint.h>

#define MIX_TEMPLATES_MOST 1000
#define MIX_TEXT_MOST (UINT64_C(1) << 20)

enum mix_piece_kind { MIX_LITERAL, MIX_TEXT, MIX_INT, MIX_SERVICE };

struct mix_piece {
	enum mix_piece_kind kind;
	char *literal; /* MIX_LITERAL; owned */
	size_t len;
	uint64_t low, high;	/* MIX_TEXT: length; MIX_INT: value */
	struct service service; /* MIX_SERVICE; owned */
};

/* A target or a body, in order; owned. */
struct mix_pieces {
	struct mix_piece *piece;
	size_t count;
};

struct mix_template {
	double until; /* sum of the weights up to and with this one */
	char *name;   /* owned */
	char method[8];
	struct mix_pieces target;
	char *content_type; /* NULL: no body; owned */
	struct mix_pieces body;
};

struct mix {
	struct mix_template *template; /* owned */
	size_t templates;
};

/* A template without pieces at the end of m, called "METHOD TARGET", or NULL without memory. */
struct mix_template *mix_add(
	struct mix *m, double weight, const char *method, const char *target, size_t target_len);

/* A zeroed piece at the end of p, or NULL without memory. */
struct mix_piece *mix_pieces_add(struct mix_pieces *p);

/* Text as a piece; nothing for an empty one. 0 or -ENOMEM. */
int mix_pieces_add_literal(struct mix_pieces *p, const char *text, size_t len)
	__attribute__((warn_unused_result));

#endif
