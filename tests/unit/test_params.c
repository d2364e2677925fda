/* server/routes/params.c. */
#include "server/routes/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(table) (sizeof(table) / sizeof(*(table)))

/* As read from memory that ends where the text ends, so that AddressSanitizer sees an over-read. */
static bool read_exact(struct params *p, enum params_source source, const char *text, size_t len,
	struct http_refusal *r)
{
	char *copy = malloc(len ? len : 1);
	bool good;

	assert_non_null(copy);
	memcpy(copy, text, len);
	good = params_read(p, source, copy, len, r);
	free(copy);
	return good;
}

static bool read_string(
	struct params *p, enum params_source source, const char *text, struct http_refusal *r)
{
	return read_exact(p, source, text, strlen(text), r);
}

static void assert_color(struct qr_color c, unsigned rgba)
{
	assert_int_equal(c.red, rgba >> 24);
	assert_int_equal(c.green, rgba >> 16 & 255);
	assert_int_equal(c.blue, rgba >> 8 & 255);
	assert_int_equal(c.alpha, rgba & 255);
}

static void assert_defaults(const struct params *p)
{
	assert_false(p->has_text);
	assert_int_equal(p->text.len, 0);
	assert_int_equal(p->format, FORMAT_PNG);
	assert_int_equal(p->level, QR_LEVEL_M);
	assert_int_equal(p->margin, 4);
	assert_int_equal(p->scale, 4);
	assert_int_equal(p->size, 0);
	assert_color(p->dark, 0x000000ff);
	assert_color(p->light, 0xffffffff);
	assert_false(p->eci);
}

static void defaults(void **state)
{
	struct http_refusal r;
	struct params p;

	(void)state;
	params_init(&p);
	assert_defaults(&p);
	assert_true(params_read(&p, PARAMS_FORM, NULL, 0, &r));
	assert_true(read_string(
		&p, PARAMS_FORM, "other=1&other=2&Text=x&TEXT=y&ECLEVEL=Z&tex=1&texts=2", &r));
	assert_true(read_string(&p, PARAMS_JSON, "{\"other\": [1, {\"text\": null}]}", &r));
	assert_true(params_check(&p, &r));
	assert_defaults(&p);
	params_done(&p);
}

/* The same values from a form, from JSON strings, and from JSON's own types. */
static void all_values(void **state)
{
	static const struct {
		enum params_source source;
		const char *text;
	} ways[] = {
		{PARAMS_FORM, "text=a+b&format=svg&ecLevel=H&margin=0&size=4096&dark=%23A1b2C3&"
			      "light=00ff0080&eci=on"},
		{PARAMS_FORM, "eci=on&light=00ff0080&dark=a1B2c3FF&size=4096&margin=0&ecLevel=H&"
			      "format=svg&text=a b"},
		{PARAMS_JSON,
			"{\"text\":\"a "
			"b\",\"format\":\"svg\",\"ecLevel\":\"H\",\"margin\":\"0\",\"size\":"
			"\"4096\",\"dark\":\"#a1b2c3\",\"light\":\"00fF0080\",\"eci\":\"on\"}"},
		{PARAMS_JSON, " {\"text\":\"a\\u0020b\",\"format\":\"svg\",\"ecLevel\":\"H\","
			      "\"margin\":0,\"size\":"
			      "4096,\"dark\":\"a1b2c3\",\"light\":\"#00ff0080\",\"eci\":true}\r\n"},
	};
	struct http_refusal r;
	struct params p;

	(void)state;
	params_init(&p);
	for (size_t i = 0; i < N(ways); i++) {
		params_reset(&p);
		assert_defaults(&p);
		assert_true(read_string(&p, ways[i].source, ways[i].text, &r));
		assert_true(params_check(&p, &r));
		assert_true(p.has_text);
		assert_int_equal(p.text.len, 3);
		assert_memory_equal(p.text.data, "a b", 3);
		assert_int_equal(p.format, FORMAT_SVG);
		assert_int_equal(p.level, QR_LEVEL_H);
		assert_int_equal(p.margin, 0);
		assert_int_equal(p.scale, 4);
		assert_int_equal(p.size, 4096);
		assert_color(p.dark, 0xa1b2c3ff);
		assert_color(p.light, 0x00ff0080);
		assert_true(p.eci);
	}
	params_done(&p);
}

/* A form that must be good; only the text is freed, so the rest of *p can be looked at. */
static void read_good(const char *text, struct params *p)
{
	struct http_refusal r;

	params_init(p);
	assert_true(read_string(p, PARAMS_FORM, text, &r));
	assert_true(params_check(p, &r));
	params_done(p);
}

static void each_value(void **state)
{
	static const char *const formats[] = {"png", "svg", "text", "json"}, *const levels[] = {"L",
										     "M", "Q", "H"};
	struct params p;
	char text[64];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(text, sizeof(text), "format=%s&ecLevel=%s", formats[i], levels[i]);
		read_good(text, &p);
		assert_int_equal(p.format, FORMAT_PNG + i);
		assert_int_equal(p.level, QR_LEVEL_L + i);
	}
	read_good("margin=64&scale=1", &p);
	assert_int_equal(p.margin, 64);
	assert_int_equal(p.scale, 1);
	read_good("margin=0007&scale=64", &p);
	assert_int_equal(p.margin, 7);
	assert_int_equal(p.scale, 64);
	read_good("size=21&eci=off", &p);
	assert_int_equal(p.size, 21);
	assert_false(p.eci);
	read_good("dark=transparent&light=f0A", &p);
	assert_int_equal(p.dark.alpha, 0);
	assert_color(p.light, 0xff00aaff);
	read_good("dark=%23123&light=12345678", &p);
	assert_color(p.dark, 0x112233ff);
	assert_color(p.light, 0x12345678);
}

static const struct {
	enum params_source source;
	const char *text, *parameter;
	const char *said; /* is in the message */
} refused[] = {
	{PARAMS_FORM, "format=gif", "format", "png, svg, text, json"},
	{PARAMS_FORM, "format=", "format", "png, svg, text, json"},
	{PARAMS_FORM, "format=PNG", "format", "png, svg, text, json"},
	{PARAMS_FORM, "format=png%00", "format", "png, svg, text, json"},
	{PARAMS_FORM, "ecLevel=m", "ecLevel", "L, M, Q, H"},
	{PARAMS_FORM, "ecLevel=LM", "ecLevel", "L, M, Q, H"},
	{PARAMS_FORM, "margin=65", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=-1", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=+1", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=%2B1", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=1.0", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=0x4", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=4%00", "margin", "from 0 to 64"},
	{PARAMS_FORM, "margin=18446744073709551620", "margin", "from 0 to 64"},
	{PARAMS_FORM, "scale=0", "scale", "from 1 to 64"},
	{PARAMS_FORM, "scale=65", "scale", "from 1 to 64"},
	{PARAMS_FORM, "size=20", "size", "from 21 to 4096"},
	{PARAMS_FORM, "size=4097", "size", "from 21 to 4096"},
	{PARAMS_FORM, "size=0", "size", "from 21 to 4096"},
	{PARAMS_FORM, "dark=", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=%23", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=red", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=%23%23000", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=0f08", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=00000", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "dark=00000g", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "light=0000000", "light", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "light=000000000", "light", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_FORM, "light=Transparent", "light", "transparent"},
	{PARAMS_FORM, "light=%23transparent", "light", "transparent"},
	{PARAMS_FORM, "eci=1", "eci", "on or off"},
	{PARAMS_FORM, "eci=ON", "eci", "on or off"},
	{PARAMS_FORM, "eci", "eci", "on or off"},
	{PARAMS_FORM, "text=a&text=a", "text", "more than once"},
	{PARAMS_FORM, "text&t%65xt", "text", "more than once"},
	{PARAMS_FORM, "size=30&x=1&size=30", "size", "more than once"},
	{PARAMS_FORM, "scale=2&size=30", "scale", "together with size"},
	{PARAMS_FORM, "size=30&scale=4", "scale", "together with size"},
	{PARAMS_FORM, "text=%", "text", "two hexadecimal digits"},
	{PARAMS_FORM, "te%78t=SECRET%zz", "text", "two hexadecimal digits"},
	{PARAMS_FORM, "margin=%4", "margin", "two hexadecimal digits"},
	{PARAMS_FORM, "SECRET=%", "query", "two hexadecimal digits"},
	{PARAMS_FORM, "text=x&%=y", "query", "two hexadecimal digits"},
	{PARAMS_JSON, "", "body", "not valid JSON"},
	{PARAMS_JSON, "SECRET", "body", "line 1, column"},
	{PARAMS_JSON, "{\"text\":\n \"SECRET\" \"x\"}", "body", "line 2, column"},
	{PARAMS_JSON, "{\"text\": \"SECRET", "body", "not valid JSON"},
	{PARAMS_JSON, "{\"text\": \"SECRET\"} {}", "body", "not valid JSON"},
	{PARAMS_JSON, "{\"text\": \"\xff\"}", "body", "not valid JSON"},
	{PARAMS_JSON, "{\"text\": \"\\ud800\"}", "body", "not valid JSON"},
	{PARAMS_JSON, "{\"margin\": 99999999999999999999}", "body", "not valid JSON"},
	{PARAMS_JSON, "{\"text\": \"SECRET\", \"text\": \"SECRET\"}", "body", "more than once"},
	{PARAMS_JSON, "[\"SECRET\"]", "body", "must be an object"},
	{PARAMS_JSON, "{\"text\": 5}", "text", "must be a string"},
	{PARAMS_JSON, "{\"text\": null}", "text", "must be a string"},
	{PARAMS_JSON, "{\"text\": [\"SECRET\"]}", "text", "must be a string"},
	{PARAMS_JSON, "{\"margin\": 4.0}", "margin", "from 0 to 64"},
	{PARAMS_JSON, "{\"margin\": true}", "margin", "from 0 to 64"},
	{PARAMS_JSON, "{\"margin\": 65}", "margin", "from 0 to 64"},
	{PARAMS_JSON, "{\"margin\": -1}", "margin", "from 0 to 64"},
	{PARAMS_JSON, "{\"margin\": 4294967300}", "margin", "from 0 to 64"},
	{PARAMS_JSON, "{\"scale\": {}}", "scale", "from 1 to 64"},
	{PARAMS_JSON, "{\"scale\": 2, \"size\": 100}", "scale", "together with size"},
	{PARAMS_JSON, "{\"eci\": 1}", "eci", "on or off"},
	{PARAMS_JSON, "{\"dark\": 111}", "dark", "rgb, rrggbb or rrggbbaa"},
	{PARAMS_JSON, "{\"format\": false}", "format", "png, svg, text, json"},
	{PARAMS_JSON, "{\"ecLevel\": 0}", "ecLevel", "L, M, Q, H"},
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(refused); i++) {
		struct http_refusal r = {0};
		struct params p;

		params_init(&p);
		assert_false(read_string(&p, refused[i].source, refused[i].text, &r) &&
			     params_check(&p, &r));
		assert_int_equal(r.status, 400);
		assert_string_equal(r.code, "bad_parameter");
		assert_string_equal(r.parameter, refused[i].parameter);
		if (!strstr(r.message, refused[i].said))
			fail_msg("row %zu: \"%s\" does not say \"%s\"", i, r.message,
				refused[i].said);
		assert_null(strstr(r.message, "SECRET"));
		params_done(&p);
	}
}

static void given_in_query_and_body(void **state)
{
	static const struct {
		enum params_source source;
		const char *body, *parameter;
	} cases[] = {
		{PARAMS_FORM, "margin=2", "margin"},
		{PARAMS_JSON, "{\"margin\": 2}", "margin"},
		{PARAMS_TEXT, "", "text"},
		{PARAMS_TEXT, "x", "text"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct http_refusal r;
		struct params p;

		params_init(&p);
		assert_true(read_string(&p, PARAMS_FORM, "text=a&margin=1", &r));
		assert_false(read_string(&p, cases[i].source, cases[i].body, &r));
		assert_int_equal(r.status, 400);
		assert_string_equal(r.parameter, cases[i].parameter);
		assert_non_null(strstr(r.message, "more than once"));
		params_done(&p);
	}
}

static void assert_text(enum params_source source, const char *given, size_t given_len,
	const char *text, size_t len)
{
	struct http_refusal r;
	struct params p;

	params_init(&p);
	assert_true(read_string(&p, PARAMS_FORM, "margin=1", &r));
	assert_true(read_exact(&p, source, given, given_len, &r));
	assert_true(p.has_text);
	assert_int_equal(p.text.len, len);
	if (len)
		assert_memory_equal(p.text.data, text, len);
	params_done(&p);
}

static void texts(void **state)
{
	(void)state;
	assert_text(PARAMS_TEXT, "", 0, "", 0);
	assert_text(PARAMS_TEXT, "a%20+\0\xff", 7, "a%20+\0\xff", 7);
	assert_text(PARAMS_FORM, "text", 4, "", 0);
	assert_text(PARAMS_FORM, "text=", 5, "", 0);
	assert_text(PARAMS_FORM, "text=%00a%00", 12, "\0a\0", 3);
	assert_text(PARAMS_FORM, "scale=2&text=%ff%C3&x=y&eci=on", 30, "\xff\xc3", 2);
	assert_text(PARAMS_JSON, "{\"text\":\"\"}", 11, "", 0);
	assert_text(PARAMS_JSON, "{\"text\":\"a\\u0000b\"}", 19, "a\0b", 3);
	assert_text(PARAMS_JSON, "{\"text\":\"\\u00e4\xc3\xa4\"}", 19, "\xc3\xa4\xc3\xa4", 4);
}

/* A text larger than any first allocation, between other parameters. */
static void long_text(void **state)
{
	const size_t n = 100000;
	char *form = malloc(3 * n + 32), *text = malloc(n);
	size_t at = 0;

	(void)state;
	assert_non_null(form);
	assert_non_null(text);
	at += (size_t)sprintf(form, "scale=3&text=");
	for (size_t i = 0; i < n; i++) {
		text[i] = (char)(i * 7);
		at += (size_t)sprintf(form + at, "%%%02x", (unsigned char)text[i]);
	}
	at += (size_t)sprintf(form + at, "&eci=on");
	assert_text(PARAMS_FORM, form, at, text, n);
	free(form);
	free(text);
}

static void deep_json(void **state)
{
	const size_t n = 60000;
	char *text = malloc(n);
	struct http_refusal r;
	struct params p;

	(void)state;
	assert_non_null(text);
	params_init(&p);
	memset(text, '[', n);
	memcpy(text, "{\"x\":", 5);
	assert_false(read_exact(&p, PARAMS_JSON, text, n, &r));
	assert_int_equal(r.status, 400);
	assert_string_equal(r.parameter, "body");
	assert_non_null(strstr(r.message, "too deeply"));
	params_done(&p);
	free(text);
}

static void sources(void **state)
{
	static const struct {
		const char *type;
		int source; /* -1: none */
	} cases[] = {
		{"application/x-www-form-urlencoded", PARAMS_FORM},
		{"application/json", PARAMS_JSON},
		{"text/plain", PARAMS_TEXT},
		{"Text/PLAIN; charset=utf-8", PARAMS_TEXT},
		{"application/json ;charset=x", PARAMS_JSON},
		{"application/json\t; a=\"b;c\"", PARAMS_JSON},
		{"application/json;", PARAMS_JSON},
		{"", -1},
		{";", -1},
		{" ", -1},
		{"text/plain2", -1},
		{"text/plai", -1},
		{"text/html", -1},
		{"application/json, text/plain", -1},
		{"multipart/form-data; boundary=x", -1},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		enum params_source source = PARAMS_FORM;
		int result = params_source_of(&source, cases[i].type, strlen(cases[i].type));

		if (cases[i].source < 0) {
			assert_true(result < 0);
			continue;
		}
		assert_int_equal(result, 0);
		assert_int_equal(source, cases[i].source);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(all_values),
		cmocka_unit_test(each_value),
		cmocka_unit_test(refusals),
		cmocka_unit_test(given_in_query_and_body),
		cmocka_unit_test(texts),
		cmocka_unit_test(long_text),
		cmocka_unit_test(deep_json),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
