/*
 * The cheapest way to write a text as a sequence of numeric, alphanumeric and byte segments
 * (ISO/IEC 18004:2015, clause 7.4). The width of a segment's character count depends on the
 * version, but only by group: 1 to 9, 10 to 26 and 27 to 40; so there is one best split for each
 * group. Pure; no heap; time grows with the length alone.
 */
#ifndef QUERN_SERVER_QR_SEGMENT_H
#define QUERN_SERVER_QR_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of the longest text that any symbol holds: all digits, 40-L. */
#define SEGMENT_MAX_CHARS 7089

/* Bits of an ECI header whose number is below 128: mode indicator and one byte. */
#define SEGMENT_ECI_BITS 12

enum segment_mode { SEGMENT_NUMERIC, SEGMENT_ALNUM, SEGMENT_BYTE };

/* Versions that share the widths of the character counts. */
enum segment_group { SEGMENT_SMALL, SEGMENT_MEDIUM, SEGMENT_LARGE };

#define SEGMENT_GROUPS 3

static inline unsigned segment_first_version(enum segment_group group)
{
	return group == SEGMENT_SMALL ? 1 : group == SEGMENT_MEDIUM ? 10 : 27;
}

static inline unsigned segment_last_version(enum segment_group group)
{
	return group == SEGMENT_SMALL ? 9 : group == SEGMENT_MEDIUM ? 26 : 40;
}

static inline enum segment_group segment_group_of(unsigned version)
{
	return version < 10 ? SEGMENT_SMALL : version < 27 ? SEGMENT_MEDIUM : SEGMENT_LARGE;
}

/* Bits of the character count, which follows the 4 bits of the mode indicator: table 3. */
unsigned segment_count_bits(enum segment_mode mode, enum segment_group group);

/*
 * The fewest bits that any split of the text takes in the group's symbols: headers and data,
 * without terminator and padding. Any length; a run that is longer than a count can say fits no
 * symbol, and is counted with one header.
 */
size_t segment_bits(const uint8_t *text, size_t len, enum segment_group group);

/* A text's split: the mode of each byte; each longest run of equal modes is one segment. */
struct segment_split {
	bool uniform;	      /* one segment for all of it, in uniform_mode; `mode` is not set */
	uint8_t uniform_mode; /* enum segment_mode */
	uint8_t mode[SEGMENT_MAX_CHARS];
};

/* A split that takes as many bits as segment_bits() says, which are returned. 1 <= len <=
 * SEGMENT_MAX_CHARS. */
size_t segment_split(
	struct segment_split *ret, const uint8_t *text, size_t len, enum segment_group group);

/* The segment that begins at byte `start` (below len): its mode; *end is set to where it ends
 * (excluded). */
enum segment_mode segment_at(
	const struct segment_split *split, size_t start, size_t len, size_t *end);

#endif
