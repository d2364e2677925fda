/* The further ports that a service wants: "ports" of its service.json. */
#ifndef QUERN_BENCH_CHAPTER_SERVICE_PORTS_H
#define QUERN_BENCH_CHAPTER_SERVICE_PORTS_H

#include "lib/buffer.h"

#include <jansson.h>

#define SERVICE_PORTS_MOST 16

/*
 * A list of names, a new reference; NULL where the folder has no such file, or it wants none. 0, or -EINVAL with a
 * sentence.
 */
int service_ports(const char *folder, json_t **ret, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
