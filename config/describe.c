#include "config/option.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES 100 /* of a wrong value, in an error line */

static void put_choices(struct buffer *out, const struct config_option *o)
{
	const char *word;
	size_t len;

	buffer_puts(out, "one of");
	for (int i = 0; (word = config_choice(o, i, &len)); i++) {
		buffer_puts(out, i > 0 ? ", \"" : " \"");
		buffer_append(out, word, len);
		buffer_putc(out, '"');
	}
}

void config_put_allowed(struct buffer *out, const struct config_option *o)
{
	switch (o->type) {
	case TYPE_COUNT:
		buffer_printf(out, "a whole number from %" PRId64 " to %" PRId64 ", or \"auto\"",
			o->low, o->high);
		break;
	case TYPE_INT:
		buffer_printf(out, "a whole number from %" PRId64 " to %" PRId64, o->low, o->high);
		break;
	case TYPE_BOOL:
		buffer_puts(out, "true or false");
		break;
	case TYPE_ENUM:
		put_choices(out, o);
		break;
	case TYPE_HOST:
		buffer_puts(out, "a numeric IPv4 or IPv6 address");
		break;
	case TYPE_ADDRESS:
		buffer_puts(out, "HOST:PORT or [IPv6]:PORT, numeric, port 1 to 65535");
		break;
	case TYPE_STRING:
		buffer_printf(out, "UTF-8 text without control characters, at most %d bytes",
			CONFIG_STRING_BYTES);
		break;
	}
}

const char *config_takes_name(enum config_takes takes)
{
	static const char *const names[] = {
		[TAKES_LIVE] = "at once",
		[TAKES_ROLL] = "rolling",
		[TAKES_UPGRADE] = "upgrade",
		[TAKES_BALANCER] = "HAProxy",
	};

	return names[takes];
}

void config_put_quoted(struct buffer *out, const char *text, size_t len)
{
	buffer_putc(out, '"');
	for (size_t i = 0; i < len && i < SHOWN_BYTES; i++) {
		const unsigned char byte = (unsigned char)text[i];
		if (byte < 0x20 || byte >= 0x7f)
			buffer_printf(out, "\\x%02x", byte);
		else if (byte == '"' || byte == '\\')
			buffer_printf(out, "\\%c", byte);
		else
			buffer_putc(out, (char)byte);
	}
	buffer_puts(out, len > SHOWN_BYTES ? "...\"" : "\"");
}

void config_put_json(struct buffer *out, const json_t *json)
{
	char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);

	if (!text) {
		out->failed = true;
		return;
	}
	const size_t len = strlen(text);
	/* JSON has no need to escape DEL; a terminal has. */
	for (size_t i = 0; i < len && i < SHOWN_BYTES; i++) {
		if (text[i] == 0x7f)
			buffer_puts(out, "\\u007f");
		else
			buffer_putc(out, text[i]);
	}
	if (len > SHOWN_BYTES)
		buffer_puts(out, "...");
	free(text);
}
