/*
 * The reader of responses. Input: one byte of flags (bit 0: answer to HEAD; the rest: how long the pieces are), then what a
 * server sends. Read whole and read in pieces it must come to the same: result, bytes taken, status, and figures.
 */
#include "bench/load/response.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* From memory of exactly the size, so that an over-read is seen. */
static enum response_result feed_exact(
	struct response *r, const uint8_t *data, size_t len, size_t *used)
{
	char *copy = malloc(len ? len : 1);
	enum response_result result;

	REQUIRE(copy);
	if (len)
		memcpy(copy, data, len);
	result = response_feed(r, copy, len, used);
	free(copy);
	REQUIRE(*used <= len);
	REQUIRE(result != RESPONSE_MORE || *used == len);
	return result;
}

static enum response_result read_pieces(
	struct response *r, const uint8_t *data, size_t len, size_t piece, size_t *ret_used)
{
	enum response_result result = RESPONSE_MORE;
	size_t at = 0;

	while (at < len && result == RESPONSE_MORE) {
		size_t n = piece < len - at ? piece : len - at, used;

		result = feed_exact(r, data + at, n, &used);
		at += used;
		REQUIRE(r->line.len <= RESPONSE_HEAD_BYTES);
	}
	*ret_used = at;
	return result;
}

static void check_same(const struct response *a, const struct response *b)
{
	REQUIRE(a->status == b->status && a->keep_alive == b->keep_alive && a->begun == b->begun);
	REQUIRE(a->state == b->state && a->left == b->left);
	REQUIRE(a->timing.queue_us == b->timing.queue_us);
	REQUIRE(a->timing.service_us == b->timing.service_us);
	REQUIRE(a->timing.worker == b->timing.worker);
}

static void check_done(const struct response *r)
{
	REQUIRE(r->status >= 200 && r->status <= 599 && r->begun);
	REQUIRE(r->timing.queue_us >= 0 || r->timing.queue_us == -1);
	REQUIRE(r->timing.service_us >= 0 || r->timing.service_us == -1);
	REQUIRE(r->timing.worker >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct response whole = {0}, pieces = {0};
	enum response_result result;
	size_t used, used_pieces;

	if (!size)
		return 0;
	response_begin(&whole, data[0] & 1);
	response_begin(&pieces, data[0] & 1);
	result = read_pieces(&whole, data + 1, size - 1, size, &used);
	REQUIRE(read_pieces(&pieces, data + 1, size - 1, 1u + (data[0] >> 1), &used_pieces) ==
		result);
	/* Where it broke does depend on the pieces: a line is looked at once it is whole. */
	REQUIRE(result == RESPONSE_BROKEN || used == used_pieces);
	if (result != RESPONSE_BROKEN)
		check_same(&whole, &pieces);
	if (result == RESPONSE_DONE)
		check_done(&whole);
	result = response_end(&whole);
	REQUIRE(response_end(&pieces) == result && !whole.keep_alive);
	response_done(&whole);
	response_done(&pieces);
	return 0;
}
