#include "config/option.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define HELP_COLUMNS 79u
#define HELP_INDENT 8u
#define SCHEMA_FILE                                                                                \
	"quern.schema.json" /* beside quern.json in the tree and where both are installed */

/*
 * Puts value at key and returns it, borrowed. Out of memory shows in `failed`, which sticks, so
 * that a tree is built without a check for every leaf.
 */
static json_t *put(json_t *object, const char *key, json_t *value, bool *failed)
{
	if (json_object_set_new(object, key, value) < 0) {
		*failed = true;
		return NULL;
	}
	return value;
}

/* The object at key, made when it is missing. */
static json_t *section_of(json_t *object, const char *key, bool *failed)
{
	json_t *section = json_object_get(object, key);

	return section ? section : put(object, key, json_object(), failed);
}

static int append(const char *text, size_t n, void *out)
{
	buffer_append(out, text, n);
	return 0;
}

/* Takes root. */
static void print(json_t *root, bool failed, struct buffer *out)
{
	if (failed || json_dump_callback(root, append, out, JSON_INDENT(4)) < 0)
		out->failed = true;
	buffer_putc(out, '\n');
	json_decref(root);
}

void config_print_json(const struct config *c, struct buffer *out)
{
	json_t *root = json_object();
	bool failed = false;

	put(root, "$schema", json_string(SCHEMA_FILE), &failed);
	for (int i = 0; i < CONFIG_IDS; i++) {
		const struct config_option *o = &config_options[i];
		put(section_of(root, o->section, &failed), o->key, config_value_to_json(o, c),
			&failed);
	}
	print(root, failed, out);
}

static void put_range(json_t *schema, const struct config_option *o, bool *failed)
{
	put(schema, "type", json_string("integer"), failed);
	put(schema, "minimum", json_integer(o->low), failed);
	put(schema, "maximum", json_integer(o->high), failed);
}

static void put_text(json_t *schema, const char *pattern, bool *failed)
{
	put(schema, "type", json_string("string"), failed);
	put(schema, "pattern", json_string(pattern), failed);
}

static void put_count(json_t *schema, const struct config_option *o, bool *failed)
{
	json_t *either = put(schema, "oneOf", json_array(), failed);
	json_t *number = json_object();
	json_t *word = json_object();

	put_range(number, o, failed);
	put(word, "const", json_string("auto"), failed);
	*failed |= json_array_append_new(either, number) < 0;
	*failed |= json_array_append_new(either, word) < 0;
}

static void put_words(json_t *schema, const struct config_option *o, bool *failed)
{
	json_t *words = put(schema, "enum", json_array(), failed);
	const char *word;
	size_t len;

	for (int i = 0; (word = config_choice(o, i, &len)); i++)
		if (json_array_append_new(words, json_stringn(word, len)) < 0)
			*failed = true;
}

static void put_type(json_t *schema, const struct config_option *o, bool *failed)
{
	switch (o->type) {
	case TYPE_COUNT:
		put_count(schema, o, failed);
		break;
	case TYPE_INT:
		put_range(schema, o, failed);
		break;
	case TYPE_BOOL:
		put(schema, "type", json_string("boolean"), failed);
		break;
	case TYPE_ENUM:
		put_words(schema, o, failed);
		break;
	case TYPE_HOST:
		put_text(schema, "^([0-9.]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$", failed);
		break;
	case TYPE_ADDRESS:
		put_text(schema, "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$", failed);
		break;
	case TYPE_STRING:
		put_text(schema, "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", failed);
		put(schema, "maxLength", json_integer(CONFIG_STRING_BYTES), failed);
		break;
	}
}

static void put_object(json_t *schema, bool *failed)
{
	put(schema, "type", json_string("object"), failed);
	put(schema, "additionalProperties", json_false(), failed);
}

static void put_option(json_t *sections, const struct config_option *o, bool *failed)
{
	json_t *section = json_object_get(sections, o->section);

	if (!section) {
		section = put(sections, o->section, json_object(), failed);
		put_object(section, failed);
	}
	json_t *schema =
		put(section_of(section, "properties", failed), o->key, json_object(), failed);
	put(schema, "description", json_string(o->help), failed);
	put_type(schema, o, failed);
	put(schema, "default", config_value_default_json(o), failed);
}

void config_print_schema(struct buffer *out)
{
	json_t *root = json_object();
	bool failed = false;

	put(root, "$schema", json_string("http://json-schema.org/draft-07/schema#"), &failed);
	put(root, "title", json_string("Quern's configuration"), &failed);
	put_object(root, &failed);
	json_t *sections = section_of(root, "properties", &failed);
	json_t *self = section_of(sections, "$schema", &failed);
	put(self, "description", json_string("this schema, for editors; Quern does not read it"),
		&failed);
	put(self, "type", json_string("string"), &failed);
	for (int i = 0; i < CONFIG_IDS; i++)
		put_option(sections, &config_options[i], &failed);
	print(root, failed, out);
}

/* The text in lines of at most HELP_COLUMNS, indented. */
static void put_wrapped(struct buffer *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		const size_t len = strcspn(text, " ");
		if (column > 0 && column + 1 + len > HELP_COLUMNS) {
			buffer_putc(out, '\n');
			column = 0;
		}
		if (column == 0)
			buffer_printf(out, "%*s", (int)HELP_INDENT, "");
		else
			buffer_putc(out, ' ');
		column += column == 0 ? HELP_INDENT + len : 1 + len;
		buffer_append(out, text, len);
		text += len;
		text += strspn(text, " ");
	}
	buffer_putc(out, '\n');
}

static void put_paragraph(struct buffer *out, const struct config_option *o)
{
	char name[CONFIG_NAME_BYTES];
	struct buffer values;
	json_t *json = config_value_default_json(o);

	buffer_printf(out, "%s", config_option_name(o, name));
	buffer_printf(out, " (%s)\n", config_option_variable(o, name));

	buffer_init(&values);
	config_put_allowed(&values, o);
	buffer_puts(&values, "; default ");
	if (json)
		config_put_json(&values, json);
	json_decref(json);
	buffer_printf(&values, "; reload: %s", config_takes_name(o->takes));
	const char *text = buffer_cstring(&values);
	if (!json || !text)
		out->failed = true;
	else
		put_wrapped(out, text);
	buffer_done(&values);

	put_wrapped(out, o->help);
}

void config_print_help(struct buffer *out)
{
	for (int i = 0; i < CONFIG_IDS; i++) {
		if (i > 0)
			buffer_putc(out, '\n');
		put_paragraph(out, &config_options[i]);
	}
}
