/* Why a request was not done: what becomes {"error": {"code", "message", "parameter"}}. */
#ifndef QUERN_SERVER_HTTP_REFUSAL_H
#define QUERN_SERVER_HTTP_REFUSAL_H

struct http_refusal {
	int status;	       /* HTTP status; 0: not refused */
	const char *code;      /* static, e.g. "bad_parameter" */
	const char *parameter; /* static, or NULL where no parameter is to blame */
	char message[256];     /* valid UTF-8; never repeats the text of a QR code */
};

/* Fills *r. Always returns false, so that a parser can `return http_refuse(...)`. */
_Bool http_refuse(struct http_refusal *r, int status, const char *code, const char *parameter,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* 503 overloaded: out of memory. Returns false. */
_Bool http_refuse_memory(struct http_refusal *r);

#endif
