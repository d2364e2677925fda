/* Base64 (RFC 4648, section 4), with padding, no line breaks. */
#ifndef QUERN_SERVER_QR_BASE64_H
#define QUERN_SERVER_QR_BASE64_H

#include "lib/buffer.h"

#include <stddef.h>

void base64_append(struct buffer *out, const void *data, size_t len);

#endif
