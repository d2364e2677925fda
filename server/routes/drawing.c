#include "server/routes/drawing.h"

#include "server/qr/base64.h"

#include <errno.h>

static const char *const content_types[] = {
	[FORMAT_PNG] = "image/png",
	[FORMAT_SVG] = "image/svg+xml",
	[FORMAT_TEXT] = "text/plain; charset=utf-8",
	[FORMAT_JSON] = "application/json",
};

const char *drawing_content_type(const struct drawing *d)
{
	return content_types[d->format];
}

static int draw_png(const struct drawing *d, const struct qr_symbol *symbol, struct buffer *out)
{
	if (d->fit.options.engine == QR_ENGINE_LIBQRENCODE)
		return qr_libpng_write(symbol, &d->picture, out);
	return qr_png_write(symbol, &d->picture, out);
}

/* Base64 needs no escaping, so the JSON around it is fixed. */
static int draw_json(const struct drawing *d, const struct qr_symbol *symbol, struct buffer *body,
	struct buffer *scratch)
{
	buffer_reset(scratch);
	int error = draw_png(d, symbol, scratch);
	if (error)
		return error;
	buffer_puts(body, "{\"result\":\"data:image/png;base64,");
	base64_append(body, scratch->data, scratch->len);
	buffer_puts(body, "\"}");
	return body->failed ? -ENOMEM : 0;
}

int drawing_make(const struct drawing *d, struct buffer *body, struct buffer *scratch)
{
	struct qr_symbol symbol;
	int error = qr_make(&symbol, &d->fit);

	if (error)
		return error;
	switch (d->format) {
	case FORMAT_PNG:
		return draw_png(d, &symbol, body);
	case FORMAT_SVG:
		return qr_svg_write(&symbol, &d->picture, body);
	case FORMAT_TEXT:
		return qr_text_write(&symbol, &d->picture, body);
	case FORMAT_JSON:
		break;
	}
	return draw_json(d, &symbol, body, scratch);
}
