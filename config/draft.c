#include "config/draft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES 256 /* longest text of draft_complain() */

static void put_origin(const struct config_draft *d, enum config_id id, enum config_origin origin,
	struct buffer *out)
{
	char name[CONFIG_NAME_BYTES];

	switch (origin) {
	case ORIGIN_DEFAULT:
		buffer_puts(out, "default");
		break;
	case ORIGIN_FILE:
		buffer_puts(out, d->file);
		break;
	case ORIGIN_ENVIRONMENT:
		buffer_puts(out, config_option_variable(&config_options[id], name));
		break;
	case ORIGIN_SET:
		buffer_puts(out, "--set");
		break;
	case ORIGIN_RUNNING:
		buffer_puts(out, "in force until an upgrade");
		break;
	}
}

static void put_value(const struct config_draft *d, enum config_id id, struct buffer *out)
{
	json_t *json = config_value_to_json(&config_options[id], &d->values);

	if (json)
		config_put_json(out, json);
	else
		out->failed = true;
	json_decref(json);
}

void draft_settle(struct config_draft *d, const struct config_option *o, enum config_origin origin,
	int result, const char *text, const json_t *json)
{
	const enum config_id id = (enum config_id)(o - config_options);
	struct buffer *out = d->errors;
	char name[CONFIG_NAME_BYTES];

	d->wrong[id] = result < 0;
	if (result == 0) {
		d->origin[id] = origin;
		return;
	}
	put_origin(d, id, origin, out);
	buffer_printf(out, ": %s: ", config_option_name(o, name));
	if (result == -ENOMEM) {
		d->out_of_memory = true;
		buffer_puts(out, "out of memory\n");
		return;
	}
	if (text)
		config_put_quoted(out, text, strlen(text));
	else
		config_put_json(out, json);
	buffer_puts(out, result == -ERANGE ? " is out of range" : " is not allowed");
	buffer_puts(out, "; allowed: ");
	config_put_allowed(out, o);
	buffer_putc(out, '\n');
}

void draft_complain(const struct config_draft *d, struct buffer *out, enum config_id id,
	enum config_id other, const char *format, ...)
{
	char name[CONFIG_NAME_BYTES];
	char text[TEXT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);

	put_origin(d, id, d->origin[id], out);
	buffer_printf(out, ": %s: ", config_option_name(&config_options[id], name));
	put_value(d, id, out);
	buffer_printf(out, " %s", text);
	if (other != CONFIG_IDS) {
		buffer_printf(out, " (%s: ", config_option_name(&config_options[other], name));
		put_value(d, other, out);
		buffer_puts(out, ", ");
		put_origin(d, other, d->origin[other], out);
		buffer_putc(out, ')');
	}
	buffer_putc(out, '\n');
}
