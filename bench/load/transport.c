#include "bench/load/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool prepare_context(SSL_CTX *context, bool verify)
{
	static const unsigned char protocols[] = "\x08http/1.1";

	/* SSL_CTX_set_alpn_protos() returns 0 where it succeeds. */
	if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
		SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols) - 1))
		return false;
	SSL_CTX_set_mode(
		context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A peer that closes without close_notify: whether the answer was whole, HTTP says. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(context, 1);
	if (!verify)
		return true;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return SSL_CTX_set_default_verify_paths(context);
}

int transport_context_new(SSL_CTX **ret, bool verify, struct buffer *error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context && prepare_context(context, verify)) {
		*ret = context;
		return 0;
	}
	SSL_CTX_free(context);
	buffer_puts(error, "TLS cannot be set up: ");
	transport_explain(NULL, TRANSPORT_BROKEN, error);
	return -EPROTO;
}

void transport_context_free(SSL_CTX *context)
{
	SSL_CTX_free(context);
}

static bool host_is_address(const char *host)
{
	struct address ignored;

	return !address_from_host(&ignored, host, 0);
}

/* Server name indication is for names (RFC 6066 3); a certificate may name either. OpenSSL's macro takes no const host. */
static bool name_peer(SSL *ssl, char *host)
{
	X509_VERIFY_PARAM *expected = SSL_get0_param(ssl);

	if (host_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(expected, host);
	return SSL_set_tlsext_host_name(ssl, host) &&
	       X509_VERIFY_PARAM_set1_host(expected, host, 0);
}

static int begin_tls(struct transport *t, const struct target *target, SSL_CTX *context)
{
	t->ssl = SSL_new(context);
	if (!t->ssl || !SSL_set_fd(t->ssl, t->fd) || !name_peer(t->ssl, target->host)) {
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_connect_state(t->ssl);
	return 0;
}

int transport_open(struct transport *t, const struct target *target, SSL_CTX *context)
{
	const int on = 1;
	int r = 0;

	*t = (struct transport){.fd = socket(target->address.storage.ss_family,
					SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (t->fd < 0)
		return -errno;
	if (setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		(connect(t->fd, (const void *)&target->address.storage, target->address.len) < 0 &&
			errno != EINPROGRESS && errno != EINTR))
		r = -errno;
	else if (context)
		r = begin_tls(t, target, context);
	if (r)
		transport_close(t);
	return r;
}

void transport_close(struct transport *t)
{
	if (t->ssl) {
		/* One word of farewell, if it can go out at once. */
		if (t->established && !t->error)
			SSL_shutdown(t->ssl);
		ERR_clear_error();
		SSL_free(t->ssl);
	}
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct transport){.fd = -1};
}

static enum transport_status failed(struct transport *t, int error)
{
	t->error = error;
	return TRANSPORT_FAILED;
}

/* What a call of OpenSSL's that returned r came to. */
static enum transport_status tls_status(struct transport *t, int r, int error)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_NONE:
		return TRANSPORT_OK;
	case SSL_ERROR_WANT_READ:
		return TRANSPORT_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TRANSPORT_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TRANSPORT_END;
	case SSL_ERROR_SYSCALL:
		return error ? failed(t, error) : TRANSPORT_END;
	default:
		t->error = EPROTO;
		return TRANSPORT_BROKEN;
	}
}

/* How connect() ended; getpeername() tells a socket that is still on its way. */
static enum transport_status tcp_connected(struct transport *t)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer), error_len = sizeof(int);
	int error = 0;

	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0)
		error = errno;
	if (error)
		return failed(t, error);
	if (!getpeername(t->fd, (void *)&peer, &len))
		return TRANSPORT_OK;
	return errno == ENOTCONN ? TRANSPORT_WANT_WRITE : failed(t, errno);
}

enum transport_status transport_connect(struct transport *t)
{
	enum transport_status status = tcp_connected(t);

	if (status == TRANSPORT_OK && t->ssl) {
		ERR_clear_error();
		errno = 0;
		int r = SSL_do_handshake(t->ssl);
		status = tls_status(t, r, errno);
		if (status == TRANSPORT_END)
			status = failed(t, ECONNRESET);
	}
	t->established = status == TRANSPORT_OK;
	return status;
}

static enum transport_status plain_status(struct transport *t, ssize_t n, bool writing)
{
	if (n > 0)
		return TRANSPORT_OK;
	if (!n)
		return TRANSPORT_END;
	if (errno == EAGAIN || errno == EINTR)
		return writing ? TRANSPORT_WANT_WRITE : TRANSPORT_WANT_READ;
	return failed(t, errno);
}

enum transport_status transport_read(struct transport *t, char *data, size_t n, size_t *ret_n)
{
	enum transport_status status;

	if (t->ssl) {
		ERR_clear_error();
		errno = 0;
		int r = SSL_read_ex(t->ssl, data, n, ret_n);
		return r > 0 ? TRANSPORT_OK : tls_status(t, r, errno);
	}

	ssize_t got = recv(t->fd, data, n, 0);

	status = plain_status(t, got, false);
	if (status == TRANSPORT_OK)
		*ret_n = (size_t)got;
	return status;
}

enum transport_status transport_write(
	struct transport *t, const char *data, size_t n, size_t *ret_n)
{
	enum transport_status status;

	if (t->ssl) {
		ERR_clear_error();
		errno = 0;
		int r = SSL_write_ex(t->ssl, data, n, ret_n);
		return r > 0 ? TRANSPORT_OK : tls_status(t, r, errno);
	}

	ssize_t put = send(t->fd, data, n, MSG_NOSIGNAL);

	status = plain_status(t, put, true);
	if (status == TRANSPORT_OK)
		*ret_n = (size_t)put;
	return status;
}

/* A stream socket that gives less than was asked for is empty (epoll(7)); TLS may hold decrypted bytes. */
bool transport_drained(const struct transport *t, size_t n, size_t got)
{
	return !t->ssl && got < n;
}

static const char *certificate_trouble(const struct transport *t)
{
	long verdict = t && t->ssl ? SSL_get_verify_result(t->ssl) : X509_V_OK;

	return verdict == X509_V_OK ? NULL : X509_verify_cert_error_string(verdict);
}

void transport_explain(const struct transport *t, enum transport_status status, struct buffer *out)
{
	unsigned long queued;
	const char *reason;

	if (status == TRANSPORT_FAILED) {
		buffer_puts(out, strerror(t->error));
		return;
	}
	if (status != TRANSPORT_BROKEN) {
		buffer_puts(out, "the connection has ended");
		return;
	}
	queued = ERR_peek_last_error();
	reason = queued ? ERR_reason_error_string(queued) : NULL;
	buffer_puts(out, reason ? reason : "TLS failed");
	/* Without verification the verdict is there as well, but it was not the reason. */
	reason = queued && ERR_GET_REASON(queued) == SSL_R_CERTIFICATE_VERIFY_FAILED
			 ? certificate_trouble(t)
			 : NULL;
	if (reason)
		buffer_printf(out, " (%s)", reason);
}
