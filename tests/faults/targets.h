/*
 * What may be asked, and what must come back: a file that tests/faults/targets.py writes. Each entry is
 *
 *   NAME METHOD STATUS CONTENT_LENGTH REQUEST_BYTES BODY_BYTES\n
 *   value of Content-Type, or nothing\n
 *   value of ETag, or nothing\n
 *   the bytes of the request, then those of the expected body, then \n
 *
 * CONTENT_LENGTH is what the header field must say, -1 where there must be none. Names have no blanks.
 */
#ifndef QUERN_TESTS_FAULTS_TARGETS_H
#define QUERN_TESTS_FAULTS_TARGETS_H

#include <stdbool.h>
#include <stddef.h>

#define TARGET_NAME_BYTES 64
#define TARGET_FIELD_BYTES 128

struct target {
	char name[TARGET_NAME_BYTES];
	bool head;   /* its answer has no body whatever its header says */
	bool closes; /* asks for the connection to be closed after it */
	unsigned status;
	long content_length;
	char type[TARGET_FIELD_BYTES];
	char etag[TARGET_FIELD_BYTES];
	char *request;
	size_t request_bytes;
	char *body;
	size_t body_bytes;
};

struct targets {
	struct target *entry;
	size_t count;
};

/* Reads the file; the caller frees with targets_done(). 0, or -errno: -EINVAL where it is not of that
 * form, or all entries close their connections. */
int targets_read(struct targets *ret, const char *path) __attribute__((warn_unused_result));
void targets_done(struct targets *t);

#endif
