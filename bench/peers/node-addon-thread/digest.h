/* SHA-256 of a text, and of each digest the next, by the OpenSSL that node brings along. */
#ifndef PEER_DIGEST_H
#define PEER_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

/* At least one round. 0 or -ENOMEM. Safe to be called by several threads at once. */
int digest_repeat(unsigned char ret[DIGEST_BYTES], const void *text, size_t length, uint32_t rounds)
	__attribute__((warn_unused_result));

#endif
