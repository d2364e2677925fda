/*
 * The article's cure as a Node addon: pictures and digests are made on the threads of libuv's pool, and the loop gets
 * them by promises.
 *
 *   loop:    picture(text), hash(text, rounds) ── job ──> queue            on_done() ── promise, job freed
 *   thread:                                               on_thread() ────────^
 *
 * A job belongs to the loop until it is queued and from on_done() on, to one thread between.
 */
#include "bench/peers/node-addon-thread/digest.h"
#include "bench/peers/node-addon-thread/picture.h"

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 7089 /* bytes: the digits that fill the largest symbol */

struct job {
	napi_async_work work;
	napi_deferred promised;
	/* On a thread; sets error. */
	void (*run)(struct job *job);
	/* On the loop, if there was no error. */
	napi_status (*result)(napi_env env, struct job *job, napi_value *ret);
	int error; /* 0 or -errno */
	uint32_t rounds;
	struct peer_picture picture;
	unsigned char digest[DIGEST_BYTES];
	size_t length;
	char text[]; /* ends with a NUL */
};

static void job_free(struct job *job)
{
	free(job->picture.bytes);
	free(job);
}

/* --- what is done ---------------------------------------------------------------------------------------------- */

static void make_picture(struct job *job)
{
	job->error = peer_picture_make(&job->picture, job->text);
}

static napi_status picture_result(napi_env env, struct job *job, napi_value *ret)
{
	return napi_create_buffer_copy(env, job->picture.length, job->picture.bytes, NULL, ret);
}

static void make_digest(struct job *job)
{
	job->error = digest_repeat(job->digest, job->text, job->length, job->rounds);
}

static napi_status digest_result(napi_env env, struct job *job, napi_value *ret)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * DIGEST_BYTES];

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		hex[2 * i] = digits[job->digest[i] >> 4];
		hex[2 * i + 1] = digits[job->digest[i] & 15];
	}
	return napi_create_string_latin1(env, hex, sizeof hex, ret);
}

/* --- how ------------------------------------------------------------------------------------------------------- */

/* Throws if nothing is thrown already. */
static napi_value fail(napi_env env, const char *code, const char *message)
{
	bool pending = false;

	if (napi_is_exception_pending(env, &pending) != napi_ok || !pending)
		napi_throw_error(env, code, message);
	return NULL;
}

static napi_status make_error(napi_env env, int error, napi_value *ret)
{
	const bool text = error == -ERANGE;
	const char *message = text ? "the text is too long for a QR code" : strerror(-error);
	napi_value code_value, message_value;
	napi_status status;

	status = napi_create_string_utf8(
		env, text ? "TEXT" : "FAILED", NAPI_AUTO_LENGTH, &code_value);
	if (status == napi_ok)
		status = napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &message_value);
	if (status == napi_ok)
		status = napi_create_error(env, code_value, message_value, ret);
	return status;
}

static void on_thread(napi_env env, void *data)
{
	struct job *job = data;

	(void)env; /* JavaScript belongs to the loop */
	job->run(job);
}

static void on_done(napi_env env, napi_status status, void *data)
{
	struct job *job = data;
	napi_value value;

	if (status != napi_ok)
		job->error = -ECANCELED;
	if (!job->error && job->result(env, job, &value) != napi_ok)
		job->error = -ENOMEM;
	if (job->error && make_error(env, job->error, &value) != napi_ok)
		napi_fatal_error(__func__, NAPI_AUTO_LENGTH, "out of memory", NAPI_AUTO_LENGTH);
	if (job->error)
		status = napi_reject_deferred(env, job->promised, value);
	else
		status = napi_resolve_deferred(env, job->promised, value);
	if (status != napi_ok)
		napi_fatal_error(
			__func__, NAPI_AUTO_LENGTH, "a promise cannot be kept", NAPI_AUTO_LENGTH);
	napi_delete_async_work(env, job->work);
	job_free(job);
}

/* The job of a text, for any work; NULL after throwing. */
static struct job *job_new(napi_env env, napi_value argument)
{
	char text[MAX_TEXT + 6]; /* room to see that it is longer, if only by one character */
	size_t length;
	struct job *job;

	if (napi_get_value_string_utf8(env, argument, text, sizeof text, &length) != napi_ok) {
		fail(env, NULL, "a string is wanted");
		return NULL;
	}
	if (length > MAX_TEXT || memchr(text, '\0', length)) {
		fail(env, "TEXT",
			length > MAX_TEXT ? "the text is too long for a QR code"
					  : "libqrencode's strings hold no NUL");
		return NULL;
	}
	job = calloc(1, sizeof *job + length + 1);
	if (!job) {
		fail(env, NULL, "out of memory");
		return NULL;
	}
	memcpy(job->text, text, length);
	job->length = length;
	return job;
}

/* The promise; NULL after throwing. The job is taken in either case. */
static napi_value job_queue(napi_env env, struct job *job, const char *name)
{
	napi_value promise, resource;

	if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource) != napi_ok ||
		napi_create_async_work(env, NULL, resource, on_thread, on_done, job, &job->work) !=
			napi_ok) {
		job_free(job);
		return fail(env, NULL, "no work can be queued");
	}
	if (napi_create_promise(env, &job->promised, &promise) == napi_ok) {
		if (napi_queue_async_work(env, job->work) == napi_ok)
			return promise;
	}
	napi_delete_async_work(env, job->work);
	job_free(job);
	return fail(env, NULL, "no work can be queued");
}

/* picture(text): a promise of a Buffer. Throws or fails with the code TEXT where it is the text's fault. */
static napi_value picture(napi_env env, napi_callback_info call)
{
	size_t count = 1;
	napi_value argument;
	struct job *job;

	if (napi_get_cb_info(env, call, &count, &argument, NULL, NULL) != napi_ok)
		return fail(env, NULL, "picture() wants a string");
	job = job_new(env, argument);
	if (!job)
		return NULL;
	job->run = make_picture;
	job->result = picture_result;
	return job_queue(env, job, "picture");
}

/* hash(text, rounds): a promise of hexadecimal digits. */
static napi_value hash(napi_env env, napi_callback_info call)
{
	size_t count = 2;
	napi_value arguments[2];
	uint32_t rounds;
	struct job *job;

	if (napi_get_cb_info(env, call, &count, arguments, NULL, NULL) != napi_ok ||
		napi_get_value_uint32(env, arguments[1], &rounds) != napi_ok || rounds < 1)
		return fail(env, NULL, "hash() wants a string and a number of rounds");
	job = job_new(env, arguments[0]);
	if (!job)
		return NULL;
	job->run = make_digest;
	job->result = digest_result;
	job->rounds = rounds;
	return job_queue(env, job, "hash");
}

static bool offer(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
	napi_value function;

	return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) ==
		       napi_ok &&
	       napi_set_named_property(env, exports, name, function) == napi_ok;
}

NAPI_MODULE_INIT()
{
	if (!offer(env, exports, "picture", picture) || !offer(env, exports, "hash", hash))
		return fail(env, NULL, "the addon could not be set up");
	return exports;
}
