#include "bench/report/html.h"

#include "bench/markup.h"
#include "bench/report/page_css.h"

#include <math.h>

#define UNKNOWN "–"

void html_number(struct buffer *out, double value, int digits)
{
	if (!isfinite(value)) {
		buffer_puts(out, UNKNOWN);
		return;
	}
	/* %g would write 1234 as 1.23e+03. */
	int whole = value == 0 ? 1 : (int)floor(log10(fabs(value))) + 1;
	int decimals = digits - whole;
	buffer_printf(out, "%.*f", decimals > 0 ? (decimals < 6 ? decimals : 6) : 0, value);
}

void html_figure(struct buffer *out, double value, struct interval i)
{
	html_number(out, value, 4);
	if (!i.known)
		return;
	buffer_puts(out, "<small>");
	html_number(out, i.low, 4);
	buffer_puts(out, " – ");
	html_number(out, i.high, 4);
	buffer_puts(out, "</small>");
}

void html_percent(struct buffer *out, double share)
{
	if (isfinite(share))
		buffer_printf(out, "%+.1f %%", 100 * share);
	else
		buffer_puts(out, UNKNOWN);
}

/* RFC 4648, 4. */
void html_data_uri(struct buffer *out, const char *type, const struct buffer *bytes)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	buffer_printf(out, "data:%s;base64,", type);
	for (size_t i = 0; i < bytes->len; i += 3) {
		size_t left = bytes->len - i;
		unsigned group = 0;
		char text[4];

		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < left ? (unsigned char)bytes->data[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			text[j] = j <= left ? digit[group >> (18 - 6 * j) & 63] : '=';
		buffer_append(out, text, sizeof(text));
	}
}

void html_begin(struct buffer *out, const char *title)
{
	buffer_puts(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<title>");
	markup_text(out, title);
	buffer_puts(out, "</title>\n<style>\n");
	buffer_puts(out, page_css);
	buffer_puts(out, "</style>\n</head>\n<body>\n<h1>");
	markup_text(out, title);
	buffer_puts(out, "</h1>\n");
}

void html_end(struct buffer *out)
{
	buffer_puts(out, "</body>\n</html>\n");
}
