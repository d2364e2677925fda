#include "server/routes/params.h"

#include "lib/number.h"
#include "server/http/chars.h"
#include "server/http/form.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

/* A value as it was given: always STRING but in JSON. */
struct value {
	enum { VALUE_STRING, VALUE_INTEGER, VALUE_BOOLEAN, VALUE_OTHER } kind;
	struct form_text string;
	int64_t integer;
	bool boolean;
};

/* One parameter: its name, and how its value is checked and set (false: not allowed). */
struct rule {
	const char *name;
	bool (*set)(struct params *p, const struct value *v);
	const char *allowed;
};

static bool value_is(const struct value *v, const char *word)
{
	return v->kind == VALUE_STRING && v->string.len == strlen(word) &&
	       !memcmp(v->string.at, word, v->string.len);
}

/* The index of v in n words, or -1. */
static int value_choice(const struct value *v, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (value_is(v, words[i]))
			return i;
	return -1;
}

static bool value_number(unsigned *ret, const struct value *v, int64_t low, int64_t high)
{
	int64_t n = v->integer;

	if (v->kind == VALUE_STRING) {
		if (number_parse_int(&n, v->string.at, v->string.len, low, high))
			return false;
	} else if (v->kind != VALUE_INTEGER || n < low || n > high) {
		return false;
	}
	*ret = (unsigned)n;
	return true;
}

/* The value may lie in the room behind the text, see read_form(). No memory: params_read() sees the
 * buffer's flag. */
static bool set_text(struct params *p, const struct value *v)
{
	char *to;

	if (v->kind != VALUE_STRING)
		return false;
	p->has_text = true;
	if (!v->string.len)
		return true;
	to = buffer_reserve(&p->text, v->string.len);
	if (!to)
		return true;
	memmove(to, v->string.at, v->string.len);
	p->text.len += v->string.len;
	return true;
}

static bool set_format(struct params *p, const struct value *v)
{
	static const char *const names[] = {"png", "svg", "text", "json"};
	int i = value_choice(v, names, 4);

	if (i >= 0)
		p->format = (enum params_format)i;
	return i >= 0;
}

static bool set_level(struct params *p, const struct value *v)
{
	static const char *const names[] = {"L", "M", "Q", "H"};
	int i = value_choice(v, names, 4);

	if (i >= 0)
		p->level = (enum qr_level)i;
	return i >= 0;
}

static bool set_margin(struct params *p, const struct value *v)
{
	return value_number(&p->margin, v, 0, QR_MAX_MARGIN);
}

static bool set_scale(struct params *p, const struct value *v)
{
	return value_number(&p->scale, v, 1, QR_MAX_SCALE);
}

static bool set_size(struct params *p, const struct value *v)
{
	return value_number(&p->size, v, QR_MIN_PIXELS, QR_MAX_PIXELS);
}

static bool parse_hex_color(struct qr_color *ret, const char *text, size_t len)
{
	uint8_t channel[4] = {0, 0, 0, 255};
	const size_t width = len == 3 ? 1 : 2;

	if (len != 3 && len != 6 && len != 8)
		return false;
	for (size_t i = 0; i * width < len; i++) {
		int high = hex_value(text[i * width]);
		int low = hex_value(text[i * width + width - 1]);

		if (high < 0 || low < 0)
			return false;
		channel[i] = (uint8_t)(high << 4 | low);
	}
	*ret = (struct qr_color){channel[0], channel[1], channel[2], channel[3]};
	return true;
}

static bool value_color(struct qr_color *ret, const struct value *v)
{
	struct form_text s = v->string;

	if (v->kind != VALUE_STRING)
		return false;
	if (value_is(v, "transparent")) {
		*ret = (struct qr_color){0, 0, 0, 0};
		return true;
	}
	if (s.len && s.at[0] == '#') {
		s.at++;
		s.len--;
	}
	return parse_hex_color(ret, s.at, s.len);
}

static bool set_dark(struct params *p, const struct value *v)
{
	return value_color(&p->dark, v);
}

static bool set_light(struct params *p, const struct value *v)
{
	return value_color(&p->light, v);
}

static bool set_eci(struct params *p, const struct value *v)
{
	static const char *const names[] = {"off", "on"};
	int i = v->kind == VALUE_BOOLEAN ? v->boolean : value_choice(v, names, 2);

	if (i >= 0)
		p->eci = i;
	return i >= 0;
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define NUMBER(low, high) "a whole number from " STRING(low) " to " STRING(high)
#define COLOR "rgb, rrggbb or rrggbbaa in hexadecimal digits, or transparent"

/* The order is that of the bits in params.seen. */
static const struct rule rules[] = {
	{"text", set_text, "a string"},
	{"format", set_format, "one of png, svg, text, json"},
	{"ecLevel", set_level, "one of L, M, Q, H"},
	{"margin", set_margin, NUMBER(0, QR_MAX_MARGIN)},
	{"scale", set_scale, NUMBER(1, QR_MAX_SCALE)},
	{"size", set_size, NUMBER(QR_MIN_PIXELS, QR_MAX_PIXELS)},
	{"dark", set_dark, COLOR},
	{"light", set_light, COLOR},
	{"eci", set_eci, "on or off"},
};
enum { RULE_TEXT, RULE_SCALE = 4, RULE_SIZE = 5, RULES = sizeof(rules) / sizeof(*rules) };

static const struct rule *rule_find(const char *name, size_t len)
{
	for (size_t i = 0; i < RULES; i++)
		if (strlen(rules[i].name) == len && !memcmp(rules[i].name, name, len))
			return &rules[i];
	return NULL;
}

static bool rule_apply(struct params *p, const struct rule *rule, const struct value *v,
	struct http_refusal *refusal)
{
	const unsigned bit = 1u << (rule - rules);

	if (p->seen & bit)
		return http_refuse(refusal, 400, "bad_parameter", rule->name,
			"%s is given more than once", rule->name);
	p->seen |= bit;
	if (!rule->set(p, v))
		return http_refuse(refusal, 400, "bad_parameter", rule->name, "%s must be %s",
			rule->name, rule->allowed);
	return true;
}

static bool refuse_encoding(const struct rule *rule, struct http_refusal *refusal)
{
	const char *name = rule ? rule->name : "query";

	return http_refuse(refusal, 400, "bad_parameter", name,
		"%s: a %% must be followed by two hexadecimal digits", name);
}

/*
 * Pairs are decoded into the room behind the text, which therefore never needs more memory than
 * what was sent; a text found there moves down by the length of its own name.
 */
static bool read_form(struct params *p, const char *data, size_t len, struct http_refusal *refusal)
{
	struct value v = {.kind = VALUE_STRING};
	struct form_text name;

	while (len) {
		char *store = buffer_reserve(&p->text, len);
		const struct rule *rule;
		int got;

		if (!store)
			return true;
		got = form_next(&data, &len, store, &name, &v.string);
		if (!got)
			break;
		rule = rule_find(name.at, name.len);
		if (got < 0)
			return refuse_encoding(rule, refusal);
		if (!rule)
			continue;
		if (!rule_apply(p, rule, &v, refusal))
			return false;
	}
	return true;
}

static bool read_text(struct params *p, const char *data, size_t len, struct http_refusal *refusal)
{
	struct value v = {.kind = VALUE_STRING, .string = {data, len}};

	return rule_apply(p, &rules[RULE_TEXT], &v, refusal);
}

static struct value json_value(const json_t *json)
{
	struct value v = {.kind = VALUE_OTHER};

	if (json_is_string(json)) {
		v.kind = VALUE_STRING;
		v.string = (struct form_text){json_string_value(json), json_string_length(json)};
	} else if (json_is_integer(json)) {
		v.kind = VALUE_INTEGER;
		v.integer = json_integer_value(json);
	} else if (json_is_boolean(json)) {
		v.kind = VALUE_BOOLEAN;
		v.boolean = json_is_true(json);
	}
	return v;
}

static bool read_object(struct params *p, json_t *object, struct http_refusal *refusal)
{
	const char *name;
	json_t *member;

	if (!json_is_object(object))
		return http_refuse(
			refusal, 400, "bad_parameter", "body", "the JSON body must be an object");
	json_object_foreach(object, name, member)
	{
		const struct rule *rule = rule_find(name, strlen(name));
		struct value v = json_value(member);

		if (rule && !rule_apply(p, rule, &v, refusal))
			return false;
	}
	return true;
}

/* The message has the place only: what jansson says repeats the text around it. */
static bool refuse_json(const json_error_t *error, struct http_refusal *refusal)
{
	const char *what;

	switch (json_error_code(error)) {
	case json_error_out_of_memory:
		return http_refuse_memory(refusal);
	case json_error_duplicate_key:
		what = "gives a name more than once";
		break;
	case json_error_stack_overflow:
		what = "is nested too deeply";
		break;
	default:
		what = "is not valid JSON";
		break;
	}
	return http_refuse(refusal, 400, "bad_parameter", "body", "the body %s: line %d, column %d",
		what, error->line, error->column);
}

static bool read_json(struct params *p, const char *data, size_t len, struct http_refusal *refusal)
{
	json_error_t error;
	json_t *json =
		json_loadb(len ? data : "", len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	bool good = json ? read_object(p, json, refusal) : refuse_json(&error, refusal);

	json_decref(json);
	return good;
}

static void set_defaults(struct params *p)
{
	struct buffer text = p->text;

	*p = (struct params){
		.text = text,
		.format = FORMAT_PNG,
		.level = QR_LEVEL_M,
		.margin = 4,
		.scale = 4,
		.dark = {0, 0, 0, 255},
		.light = {255, 255, 255, 255},
	};
}

void params_init(struct params *p)
{
	buffer_init(&p->text);
	set_defaults(p);
}

void params_done(struct params *p)
{
	buffer_done(&p->text);
}

void params_reset(struct params *p)
{
	buffer_reset(&p->text);
	set_defaults(p);
}

bool params_read(struct params *p, enum params_source source, const char *data, size_t len,
	struct http_refusal *refusal)
{
	bool good = false;

	switch (source) {
	case PARAMS_FORM:
		good = read_form(p, data, len, refusal);
		break;
	case PARAMS_JSON:
		good = read_json(p, data, len, refusal);
		break;
	case PARAMS_TEXT:
		good = read_text(p, data, len, refusal);
		break;
	}
	if (good && p->text.failed)
		return http_refuse_memory(refusal);
	return good;
}

bool params_check(const struct params *p, struct http_refusal *refusal)
{
	if (p->seen & 1u << RULE_SCALE && p->seen & 1u << RULE_SIZE)
		return http_refuse(refusal, 400, "bad_parameter", "scale",
			"scale must not be given together with size");
	return true;
}

int params_source_of(enum params_source *ret, const char *content_type, size_t len)
{
	static const char *const types[] = {
		[PARAMS_FORM] = "application/x-www-form-urlencoded",
		[PARAMS_JSON] = "application/json",
		[PARAMS_TEXT] = "text/plain",
	};
	const char *end = len ? memchr(content_type, ';', len) : NULL;
	size_t n = end ? (size_t)(end - content_type) : len;

	while (n && (content_type[n - 1] == ' ' || content_type[n - 1] == '\t'))
		n--;
	for (int i = 0; i < (int)(sizeof(types) / sizeof(*types)); i++) {
		if (n == strlen(types[i]) && !strncasecmp(content_type, types[i], n)) {
			*ret = (enum params_source)i;
			return 0;
		}
	}
	return -EINVAL;
}
