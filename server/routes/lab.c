/*
 * The lab's work: a known service time, with or without CPU, which blocks whoever runs it, because that is what it is for;
 * the "innocent loop", hashing again and again; and an answer without any work, which shows what a request costs by itself.
 */
#include "lib/clock.h"
#include "server/routes/query.h"
#include "server/routes/routes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* Between two looks at whether anybody still waits. */
#define NAP_US 10000
#define HASH_ROUNDS 500000
#define HASH_ROUNDS_MAX 10000000
#define HASH_TEXT_BYTES 4096
/* Some tens of microseconds. */
#define HASH_ROUNDS_A_LOOK 64
/* More than any QR code's answer takes. */
#define CONSTANT_BYTES_MAX 65536

static enum work_next refused(struct exchange *x, const struct http_refusal *refusal)
{
	http_reply_refuse(x->reply, refusal);
	return WORK_ANSWERED;
}

/* --- /lab/sleep and /lab/burn */

struct span {
	struct work work;
	int64_t us, done_us;
};

static enum work_next span_begin(struct work *w, struct exchange *x)
{
	struct span *s = (struct span *)w;
	struct http_refusal refusal;
	const struct query_field us = {.name = "us",
		.required = true,
		.unit = "microseconds",
		.max = WORK_MAX_US,
		.number = &s->us};

	return query_read(x, &us, 1, &refusal) ? WORK_COMPUTE : refused(x, &refusal);
}

static void span_finish(struct work *w, struct exchange *x)
{
	const struct span *s = (const struct span *)w;

	http_reply_json(x->reply, 200, "");
	buffer_printf(&x->reply->body, "{\"us\":%lld}\n", (long long)s->us);
}

/* The kernel lets a thread's timers come 50 us late to save wakeups, which would make every service time that much
 * longer. */
static void sharpen_timers(void)
{
	static _Thread_local bool done;

	if (!done)
		(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	done = true;
}

static void sleep_until(uint64_t us)
{
	const struct timespec until = {
		.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool sleep_step(struct work *w, const struct work_slice *slice)
{
	struct span *s = (struct span *)w;
	const uint64_t began_us = clock_us();
	const uint64_t end_us = began_us + (uint64_t)(s->us - s->done_us);
	uint64_t now_us = began_us;

	sharpen_timers();
	while (now_us < end_us && !work_must_pause(slice)) {
		uint64_t until_us = smaller(end_us, slice->until_us);

		sleep_until(slice->abandoned ? smaller(until_us, now_us + NAP_US) : until_us);
		now_us = clock_us();
	}
	s->done_us += (int64_t)(now_us - began_us);
	return now_us >= end_us;
}

/* CPU time, not wall time: a worker that is not scheduled meanwhile owes the rest. */
static bool burn_step(struct work *w, const struct work_slice *slice)
{
	struct span *s = (struct span *)w;
	const int64_t base_us = (int64_t)clock_thread_cpu_us() - s->done_us;

	while ((s->done_us = (int64_t)clock_thread_cpu_us() - base_us) < s->us)
		if (work_must_pause(slice))
			return false;
	return true;
}

const struct work_class work_sleep = {
	.bytes = sizeof(struct span),
	.begin = span_begin,
	.step = sleep_step,
	.finish = span_finish,
};

const struct work_class work_burn = {
	.bytes = sizeof(struct span),
	.begin = span_begin,
	.step = burn_step,
	.finish = span_finish,
};

/* --- /lab/hash */

struct hash {
	struct work work;
	int64_t rounds, left;
	EVP_MD_CTX *context;
	unsigned char text[HASH_TEXT_BYTES];
	size_t len; /* of the text, in the first round */
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len; /* 0: no round is done */
	bool failed;
};

static enum work_next hash_begin(struct work *w, struct exchange *x)
{
	struct hash *h = (struct hash *)w;
	struct http_refusal refusal;
	struct form_text text = {0};
	const struct query_field fields[] = {
		{.name = "text", .required = true, .max = HASH_TEXT_BYTES, .text = &text},
		{.name = "rounds",
			.unit = "rounds",
			.min = 1,
			.max = HASH_ROUNDS_MAX,
			.number = &h->rounds},
	};

	h->rounds = HASH_ROUNDS;
	if (!query_read(x, fields, sizeof(fields) / sizeof(fields[0]), &refusal))
		return refused(x, &refusal);
	h->context = EVP_MD_CTX_new();
	if (!h->context || EVP_DigestInit_ex(h->context, EVP_sha256(), NULL) != 1) {
		(void)http_refuse_memory(&refusal);
		return refused(x, &refusal);
	}
	memcpy(h->text, text.at, text.len);
	h->len = text.len;
	h->left = h->rounds;
	return WORK_COMPUTE;
}

/* The digest of the text, or of the digest before. */
static bool hash_once(struct hash *h)
{
	const bool first = h->digest_len == 0;

	return EVP_DigestInit_ex(h->context, NULL, NULL) == 1 &&
	       EVP_DigestUpdate(h->context, first ? h->text : h->digest,
		       first ? h->len : h->digest_len) == 1 &&
	       EVP_DigestFinal_ex(h->context, h->digest, &h->digest_len) == 1;
}

static bool hash_step(struct work *w, const struct work_slice *slice)
{
	struct hash *h = (struct hash *)w;

	while (h->left > 0) {
		if (!hash_once(h)) {
			h->failed = true;
			return true;
		}
		h->left--;
		if (h->left % HASH_ROUNDS_A_LOOK == 0 && h->left > 0 && work_must_pause(slice))
			return false;
	}
	return true;
}

static void hash_finish(struct work *w, struct exchange *x)
{
	const struct hash *h = (const struct hash *)w;

	if (h->failed) {
		http_reply_error(
			x->reply, 500, "internal_error", "libcrypto could not make the digest");
		return;
	}
	http_reply_json(x->reply, 200, "");
	buffer_printf(&x->reply->body, "{\"rounds\":%lld,\"sha256\":\"", (long long)h->rounds);
	for (unsigned i = 0; i < h->digest_len; i++)
		buffer_printf(&x->reply->body, "%02x", h->digest[i]);
	buffer_puts(&x->reply->body, "\"}\n");
}

static void hash_done(struct work *w)
{
	EVP_MD_CTX_free(((struct hash *)w)->context);
}

const struct work_class work_hash = {
	.bytes = sizeof(struct hash),
	.begin = hash_begin,
	.step = hash_step,
	.finish = hash_finish,
	.done = hash_done,
};

/* --- /lab/constant */

void route_lab_constant(struct exchange *x)
{
	struct http_refusal refusal;
	int64_t n = 0;
	const struct query_field bytes = {.name = "bytes",
		.required = true,
		.unit = "bytes",
		.max = CONSTANT_BYTES_MAX,
		.number = &n};

	if (!query_read(x, &bytes, 1, &refusal)) {
		http_reply_refuse(x->reply, &refusal);
		return;
	}
	http_reply_reset(x->reply);
	x->reply->content_type = "text/plain; charset=utf-8";
	char *to = buffer_reserve(&x->reply->body, (size_t)n);
	if (to)
		memset(to, 'q', (size_t)n);
	x->reply->body.len = to ? (size_t)n : 0;
}
