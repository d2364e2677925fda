/*
 * The access log: one JSON object a line for each answer, written to the log's destination
 * (http.access_log).
 *
 * Standing order: it never holds the text of a QR code, unless the operator set http.log_text; so
 * no query, no body, and no path that is not one of our own.
 */
#ifndef QUERN_SERVER_ACCESS_H
#define QUERN_SERVER_ACCESS_H

#include "config/config.h"
#include "lib/buffer.h"
#include "server/http/conn.h"
#include "server/stats/stats.h"

#include <stddef.h>
#include <stdint.h>

struct access_entry {
	int worker;
	enum stats_route route;
	int status;
	size_t body_bytes;
	uint64_t queue_us, work_us, response_us;
};

/*
 * Writes the line for the request in hand of c. `line` is scratch memory of the caller. With HAProxy in front the client
 * is who HAProxy says it is (X-Forwarded-For); without, whoever is connected.
 */
void access_log(const struct http_conn *c, const struct access_entry *e,
	const struct config *config, struct buffer *line);

#endif
