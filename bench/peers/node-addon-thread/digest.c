#include "bench/peers/node-addon-thread/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>

static bool once(
	EVP_MD_CTX *context, unsigned char ret[DIGEST_BYTES], const void *text, size_t length)
{
	return EVP_DigestInit_ex(context, NULL, NULL) == 1 &&
	       EVP_DigestUpdate(context, text, length) == 1 &&
	       EVP_DigestFinal_ex(context, ret, NULL) == 1;
}

int digest_repeat(unsigned char ret[DIGEST_BYTES], const void *text, size_t length, uint32_t rounds)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	/* Once: looking the algorithm up takes longer than a round. */
	bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    once(context, ret, text, length);

	for (uint32_t i = 1; done && i < rounds; i++)
		done = once(context, ret, ret, DIGEST_BYTES);
	EVP_MD_CTX_free(context);
	return done ? 0 : -ENOMEM;
}
