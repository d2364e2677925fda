/*
 * The bytes of one client connection: a non-blocking TCP socket, or TLS on it. Nothing here waits:
 * what cannot go on says what it waits for, and is called again once that has come. SIGPIPE is the
 * caller's to ignore.
 */
#ifndef QUERN_BENCH_LOAD_TRANSPORT_H
#define QUERN_BENCH_LOAD_TRANSPORT_H

#include "bench/load/target.h"
#include "lib/buffer.h"

#include <stddef.h>

#include <openssl/types.h>

enum transport_status {
	TRANSPORT_OK,
	TRANSPORT_WANT_READ,
	TRANSPORT_WANT_WRITE,
	TRANSPORT_END,	  /* read: the peer has closed its side */
	TRANSPORT_FAILED, /* the connection; `error` says how */
	TRANSPORT_BROKEN /* TLS: handshake, certificate or protocol; the OpenSSL error queue says how */
};

struct transport {
	int fd;	  /* -1: none */
	SSL *ssl; /* owned; NULL: plain */
	bool established;
	int error; /* errno of TRANSPORT_FAILED */
};

/*
 * What all TLS connections of a load share: TLS 1.2 and later, ALPN http/1.1; `verify` against the
 * system's authorities and the host's name. 0, or -EPROTO with a sentence in error. NULL may be
 * freed.
 */
int transport_context_new(SSL_CTX **ret, bool verify, struct buffer *error)
	__attribute__((warn_unused_result));
void transport_context_free(SSL_CTX *context);

/* Begins to connect. context is NULL for a plain one. 0, or -errno and nothing is open. */
int transport_open(struct transport *t, const struct target *target, SSL_CTX *context)
	__attribute__((warn_unused_result));
void transport_close(struct transport *t);

/* Goes on connecting, TLS included. OK: established. After a WANT_ it is to be called again. */
enum transport_status transport_connect(struct transport *t) __attribute__((warn_unused_result));

/* OK: *ret_n is above 0 (read), or may be less than n (write). */
enum transport_status transport_read(struct transport *t, char *data, size_t n, size_t *ret_n)
	__attribute__((warn_unused_result));
enum transport_status transport_write(struct transport *t, const char *data, size_t n,
	size_t *ret_n) __attribute__((warn_unused_result));

/* Whether a read of n bytes, of which got came, left nothing behind that has come already. */
bool transport_drained(const struct transport *t, size_t n, size_t got);

/* Says in words why the last call failed. */
void transport_explain(const struct transport *t, enum transport_status status, struct buffer *out);

#endif
