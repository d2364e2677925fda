#include "server/qr/huffman.h"

#define MAX_LEN 15

/* Sorts keys, smallest first: Shell's sort, for a handful as well as for hundreds. */
static void sort(uint64_t *key, unsigned n)
{
	static const uint8_t gaps[] = {57, 23, 10, 4, 1};

	for (unsigned g = n > 16 ? 0 : 4; g < sizeof(gaps); g++) {
		for (unsigned i = gaps[g]; i < n; i++) {
			uint64_t moving = key[i];
			unsigned to = i;

			for (; to >= gaps[g] && key[to - gaps[g]] > moving; to -= gaps[g])
				key[to] = key[to - gaps[g]];
			key[to] = moving;
		}
	}
}

/*
 * From weights, smallest first, to depths, in place (Moffat and Katajainen, "In-place calculation of
 * minimum-redundancy codes", 1995). First an inner node's place holds its weight, then its parent.
 */
static void find_depths(uint64_t *a, unsigned n)
{
	unsigned leaf = 0, root = 0, next;

	for (next = 0; next < n - 1; next++) {
		uint64_t weight = 0;

		for (unsigned i = 0; i < 2; i++) {
			if (leaf >= n || (root < next && a[root] < a[leaf])) {
				weight += a[root];
				a[root++] = next;
			} else {
				weight += a[leaf++];
			}
		}
		a[next] = weight;
	}
	a[n - 2] = 0;
	for (next = n - 2; next-- > 0;)
		a[next] = a[a[next]] + 1;

	unsigned free_nodes = 1, inner = 0, depth = 0, to = n;

	root = n - 1;
	while (free_nodes > 0) {
		for (inner = 0; root > 0 && a[root - 1] == depth; root--)
			inner++;
		for (; free_nodes > inner; free_nodes--)
			a[--to] = depth;
		free_nodes = 2 * inner;
		depth++;
	}
}

/*
 * How many codes have each length, with none longer than max_len: those that are too long are cut,
 * and others, the longest first, lengthened until all fit.
 */
static void limit_lengths(unsigned *of_len, const uint64_t *depth, unsigned n, unsigned max_len)
{
	uint32_t used = 0; /* of 2^max_len */

	for (unsigned i = 0; i < n; i++) {
		unsigned len = depth[i] < max_len ? (unsigned)depth[i] : max_len;

		of_len[len]++;
		used += 1U << (max_len - len);
	}
	while (used > 1U << max_len) {
		unsigned len = max_len - 1;

		while (of_len[len] == 0)
			len--;
		of_len[len]--;
		of_len[len + 1]++;
		used -= 1U << (max_len - len - 1);
	}
	/* One step too many may have left room. */
	for (unsigned len = max_len; len > 1; len--) {
		while (of_len[len] > 0 && used + (1U << (max_len - len)) <= 1U << max_len) {
			of_len[len]--;
			of_len[len - 1]++;
			used += 1U << (max_len - len);
		}
	}
}

static uint16_t reverse(unsigned code, unsigned len)
{
	code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
	code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
	code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
	code = (code & 0x00ff) << 8 | (code >> 8 & 0x00ff);
	return (uint16_t)(code >> (16 - len));
}

void huffman_assign(struct huffman *h)
{
	unsigned of_len[MAX_LEN + 1] = {0}, next[MAX_LEN + 1], code = 0;

	for (unsigned i = 0; i < h->n; i++)
		of_len[h->len[h->symbol[i]]]++;
	for (unsigned len = 1; len <= MAX_LEN; len++) {
		next[len] = code;
		code = (code + of_len[len]) * 2;
	}
	for (unsigned i = 0; i < h->n; i++) {
		unsigned symbol = h->symbol[i], len = h->len[symbol];

		h->bits[symbol] = reverse(next[len]++, len);
	}
}

void huffman_build(struct huffman *h, unsigned max_len)
{
	uint64_t key[HUFFMAN_SYMBOLS], depth[HUFFMAN_SYMBOLS];
	unsigned of_len[MAX_LEN + 1] = {0};

	if (h->n <= 2) {
		for (unsigned i = 0; i < h->n; i++) {
			h->len[h->symbol[i]] = 1;
			h->bits[h->symbol[i]] = (uint16_t)i;
		}
		return;
	}
	for (unsigned i = 0; i < h->n; i++)
		key[i] = (uint64_t)h->count[i] << 16 | h->symbol[i];
	sort(key, h->n);
	for (unsigned i = 0; i < h->n; i++)
		depth[i] = key[i] >> 16;
	find_depths(depth, h->n);
	limit_lengths(of_len, depth, h->n, max_len);
	for (unsigned i = 0, len = max_len; i < h->n; i++, of_len[len]--) {
		while (of_len[len] == 0)
			len--;
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): n keys were set above */
		h->len[key[i] & 0xffff] = (uint8_t)len;
	}
	huffman_assign(h);
}
