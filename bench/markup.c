#include "bench/markup.h"

void markup_text(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buffer_puts(out, "&amp;");
			break;
		case '<':
			buffer_puts(out, "&lt;");
			break;
		case '>':
			buffer_puts(out, "&gt;");
			break;
		case '"':
			buffer_puts(out, "&quot;");
			break;
		case '\'':
			buffer_puts(out, "&#39;");
			break;
		default:
			buffer_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
		}
	}
}
