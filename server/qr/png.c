#include "server/qr/picture.h"

int qr_png_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	return qr_libpng_write(s, p, out);
}
