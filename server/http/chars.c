#include "server/http/chars.h"

#define V CHAR_VALUE
#define TV (CHAR_TARGET | CHAR_VALUE)
#define NTV (CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE)
#define HTV (CHAR_HOST | CHAR_TARGET | CHAR_VALUE)
#define ALL (CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE | CHAR_HOST)

/* clang-format off */
const uint8_t http_chars[256] = {
	['\t'] = V, [' '] = V,
	['!'] = ALL, ['"'] = TV, ['#'] = CHAR_TOKEN | V, ['$'] = ALL, ['%'] = NTV, ['&'] = ALL,
	['\''] = ALL, ['('] = HTV, [')'] = HTV, ['*'] = ALL, ['+'] = ALL, [','] = TV, ['-'] = ALL,
	['.'] = ALL, ['/'] = TV,
	['0' ... '9'] = ALL,
	[':'] = TV, [';'] = HTV, ['<'] = TV, ['='] = HTV, ['>'] = TV, ['?'] = TV, ['@'] = TV,
	['A' ... 'Z'] = ALL,
	['['] = TV, ['\\'] = TV, [']'] = TV, ['^'] = NTV, ['_'] = ALL, ['`'] = NTV,
	['a' ... 'z'] = ALL,
	['{'] = TV, ['|'] = NTV, ['}'] = TV, ['~'] = ALL,
	[0x80 ... 0xff] = V,
};
/* clang-format on */
