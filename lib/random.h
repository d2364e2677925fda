/*
 * Pseudo-random numbers: xoshiro256++ (Blackman, Vigna 2019), seeded by SplitMix64.
 * Deterministic: the same seed and stream give the same numbers on every machine. Not for
 * secrets.
 */
#ifndef QUERN_LIB_RANDOM_H
#define QUERN_LIB_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t s[4];
};

/* Streams of one seed are independent of each other: one for each process that is simulated. */
void random_init(struct random *r, uint64_t seed, uint64_t stream);

static inline uint64_t random_rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

/* Uniform over all 64-bit values. */
static inline uint64_t random_u64(struct random *r)
{
	uint64_t *s = r->s;
	const uint64_t result = random_rotate(s[0] + s[3], 23) + s[0];
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotate(s[3], 45);
	return result;
}

/* Uniform in [0, 1), in steps of 2^-53. */
static inline double random_unit(struct random *r)
{
	return (double)(random_u64(r) >> 11) * 0x1.0p-53;
}

/* Uniform in 0..n-1, without bias (Lemire 2019). n > 0. */
uint64_t random_below(struct random *r, uint64_t n);

/*
 * A ziggurat of 256 layers (Marsaglia, Tsang 2000) covers a falling density by layers of equal
 * area: layer i reaches from 0 to edge[i], and what lies to the left of edge[i + 1] is below the
 * density for sure. edge[0] is that of the lowest layer with the tail made into a rectangle.
 */
#define RANDOM_LAYERS 256

extern const double random_exp_edge[RANDOM_LAYERS + 1];
extern const double random_normal_edge[RANDOM_LAYERS + 1];

/*
 * A layer, and a point across it. Returns the bits they were made of: the lowest 8 and the
 * highest 53.
 */
static inline uint64_t random_layer(
	struct random *r, const double *edge, unsigned *ret_layer, double *ret_x)
{
	const uint64_t bits = random_u64(r);

	*ret_layer = bits % RANDOM_LAYERS;
	/* Signed, as processors have no conversion of unsigned 64-bit numbers. */
	*ret_x = (double)(int64_t)(bits >> 11) * 0x1.0p-53 * edge[*ret_layer];
	return bits;
}

/*
 * What is left to do in 1 of 50 cases or so: x lies to the right of edge[layer + 1]. Not for
 * others.
 */
double random_exp_slow(struct random *r, unsigned layer, double x);

/* Exponential with mean 1; at least 0. Exact in the tail. */
static inline double random_exp(struct random *r)
{
	unsigned layer;
	double x;

	(void)random_layer(r, random_exp_edge, &layer, &x);
	if (__builtin_expect(x < random_exp_edge[layer + 1], 1))
		return x;
	return random_exp_slow(r, layer, x);
}

/* Normal with mean 0 and variance 1, exact in the tail. */
double random_normal(struct random *r);

#endif
