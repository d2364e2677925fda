#include "config/option.h"

#include "lib/address.h"
#include "lib/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* options.def gave the field at that offset this type. */
static int64_t *number_field(const struct config_option *o, struct config *c)
{
	return (void *)((char *)c + o->offset);
}

static bool *bool_field(const struct config_option *o, struct config *c)
{
	return (void *)((char *)c + o->offset);
}

static int *enum_field(const struct config_option *o, struct config *c)
{
	return (void *)((char *)c + o->offset);
}

static char **string_field(const struct config_option *o, struct config *c)
{
	return (void *)((char *)c + o->offset);
}

bool config_is_text(const struct config_option *o)
{
	return o->type == TYPE_HOST || o->type == TYPE_ADDRESS || o->type == TYPE_STRING;
}

static int set_bool(bool *field, const char *text)
{
	const bool is_true = strcmp(text, "true") == 0;

	if (!is_true && strcmp(text, "false") != 0)
		return -EINVAL;
	*field = is_true;
	return 0;
}

static int set_enum(const struct config_option *o, int *field, const char *text, size_t len)
{
	const char *word;
	size_t word_len;

	for (int i = 0; (word = config_choice(o, i, &word_len)); i++) {
		if (word_len == len && memcmp(word, text, len) == 0) {
			*field = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* UTF-8 without control characters: C0, DEL and C1 (U+0080 to U+009F). */
static int check_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char byte = (unsigned char)text[i];
		if (byte < 0x20 || byte == 0x7f)
			return -EINVAL;
		if (byte == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0)
			return -EINVAL;
	}
	/* jansson makes no string of anything but UTF-8. */
	json_t *string = json_stringn(text, len);
	if (!string)
		return -EINVAL;
	json_decref(string);
	return 0;
}

static int check_string(const struct config_option *o, const char *text, size_t len)
{
	struct address a;

	switch (o->type) {
	case TYPE_HOST:
		return address_from_host(&a, text, 1);
	case TYPE_ADDRESS:
		return address_parse(&a, text, false);
	default:
		return len > CONFIG_STRING_BYTES ? -EINVAL : check_printable(text, len);
	}
}

static int set_string(const struct config_option *o, char **field, const char *text, size_t len)
{
	const int result = check_string(o, text, len);

	if (result < 0)
		return result;
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

int config_value_from_text(
	const struct config_option *o, struct config *c, const char *text, size_t len)
{
	switch (o->type) {
	case TYPE_COUNT:
		if (strcmp(text, "auto") == 0) {
			*number_field(o, c) = CONFIG_AUTO;
			return 0;
		}
		return number_parse_int(number_field(o, c), text, len, o->low, o->high);
	case TYPE_INT:
		return number_parse_int(number_field(o, c), text, len, o->low, o->high);
	case TYPE_BOOL:
		return set_bool(bool_field(o, c), text);
	case TYPE_ENUM:
		return set_enum(o, enum_field(o, c), text, len);
	default:
		return set_string(o, string_field(o, c), text, len);
	}
}

int config_value_from_json(const struct config_option *o, struct config *c, const json_t *json)
{
	if (o->type == TYPE_BOOL) {
		if (!json_is_boolean(json))
			return -EINVAL;
		*bool_field(o, c) = json_is_true(json);
		return 0;
	}
	if ((o->type == TYPE_COUNT || o->type == TYPE_INT) && json_is_integer(json)) {
		const json_int_t value = json_integer_value(json);
		if (value < o->low || value > o->high)
			return -ERANGE;
		*number_field(o, c) = value;
		return 0;
	}
	/* A number in quotes is of the wrong type: of the numeric options' strings only "auto"
	 * passes. */
	if (!json_is_string(json) || o->type == TYPE_INT)
		return -EINVAL;
	if (o->type == TYPE_COUNT && strcmp(json_string_value(json), "auto") != 0)
		return -EINVAL;
	return config_value_from_text(o, c, json_string_value(json), json_string_length(json));
}

int config_value_default(const struct config_option *o, struct config *c)
{
	switch (o->type) {
	case TYPE_COUNT:
	case TYPE_INT:
		*number_field(o, c) = o->number;
		return 0;
	case TYPE_BOOL:
		*bool_field(o, c) = o->number;
		return 0;
	default:
		return config_value_from_text(o, c, o->text, strlen(o->text));
	}
}

json_t *config_value_to_json(const struct config_option *o, const struct config *c)
{
	const void *field = (const char *)c + o->offset;
	const char *word;
	size_t len;

	switch (o->type) {
	case TYPE_COUNT:
	case TYPE_INT: {
		const int64_t value = *(const int64_t *)field;
		return o->type == TYPE_COUNT && value == CONFIG_AUTO ? json_string("auto")
								     : json_integer(value);
	}
	case TYPE_BOOL:
		return json_boolean(*(const bool *)field);
	case TYPE_ENUM:
		word = config_choice(o, *(const int *)field, &len);
		return word ? json_stringn(word, len) : NULL;
	default:
		return json_string(*(char *const *)field);
	}
}

void config_value_done(const struct config_option *o, struct config *c)
{
	if (!config_is_text(o))
		return;
	free(*string_field(o, c));
	*string_field(o, c) = NULL;
}

json_t *config_value_default_json(const struct config_option *o)
{
	struct config c = {0};

	if (config_value_default(o, &c) < 0)
		return NULL;
	json_t *json = config_value_to_json(o, &c);
	config_value_done(o, &c);
	return json;
}
