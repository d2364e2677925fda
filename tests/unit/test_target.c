#include "bench/load/target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N(table) (sizeof(table) / sizeof(*(table)))

static void parts(void **state)
{
	static const struct {
		const char *url;
		bool tls;
		const char *host, *authority, *path, *address;
	} rows[] = {
		{"http://127.0.0.1", false, "127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"},
		{"http://127.0.0.1/", false, "127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"},
		{"https://127.0.0.1/", true, "127.0.0.1", "127.0.0.1", "/", "127.0.0.1:443"},
		{"HTTP://127.0.0.1:80/", false, "127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"},
		{"https://127.0.0.1:80", true, "127.0.0.1", "127.0.0.1:80", "/", "127.0.0.1:80"},
		{"http://127.0.0.1:65535/a/b?c=d&e=:8@[/]", false, "127.0.0.1", "127.0.0.1:65535",
			"/a/b?c=d&e=:8@[/]", "127.0.0.1:65535"},
		{"http://127.0.0.1?text=a/b", false, "127.0.0.1", "127.0.0.1", "/?text=a/b",
			"127.0.0.1:80"},
		{"http://[::1]", false, "::1", "[::1]", "/", "[::1]:80"},
		{"https://[::1]:8443/x", true, "::1", "[::1]:8443", "/x", "[::1]:8443"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct buffer error = {0};
		struct target t;
		char address[ADDRESS_TEXT_BYTES];

		if (target_parse(&t, rows[i].url, &error))
			fail_msg("%s is refused: %s", rows[i].url, buffer_cstring(&error));
		assert_int_equal(t.tls, rows[i].tls);
		assert_string_equal(t.host, rows[i].host);
		assert_string_equal(t.authority, rows[i].authority);
		assert_string_equal(t.path, rows[i].path);
		address_format(&t.address, address, sizeof(address));
		assert_string_equal(address, rows[i].address);
		target_done(&t);
		buffer_done(&error);
	}
}

/* The message names the URL, what is wrong with it, and what is allowed. */
static void refusals(void **state)
{
	static const struct {
		const char *url, *what;
	} rows[] = {
		{"", "does not begin with http://"},
		{"127.0.0.1:80", "does not begin with http://"},
		{"ftp://127.0.0.1/", "does not begin with http://"},
		{"http:/127.0.0.1/", "does not begin with http://"},
		{"http://", "there is no host"},
		{"http:///path", "there is no host"},
		{"http://:80/", "there is no host"},
		{"http://[]/", "there is no host"},
		{"http://a_b!/", "neither a name nor an address"},
		{"http://a%20b/", "neither a name nor an address"},
		{"http://[::1/", "not closed"},
		{"http://[::g]/", "no IPv6 address"},
		{"http://[127.0.0.1]/", "no IPv6 address"},
		{"http://[::1]80/", "port"},
		{"http://::1/", "there is no host"},
		{"http://1:2:3/", "port"},
		{"http://127.0.0.1:", "port"},
		{"http://127.0.0.1:0/", "port"},
		{"http://127.0.0.1:65536/", "port"},
		{"http://127.0.0.1:-1/", "port"},
		{"http://127.0.0.1:http/", "port"},
		{"http://user:secret@127.0.0.1/", "user names and passwords"},
		{"http://127.0.0.1/a b", "printable ASCII"},
		{"http://127.0.0.1/a\r\nX: y", "printable ASCII"},
		{"http://127.0.0.1/\xc3\xa9", "printable ASCII"},
		{"http://127.0.0.1/#here", "fragment"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct buffer error = {0};
		struct target t = {.path = NULL};
		const char *said;

		assert_int_equal(target_parse(&t, rows[i].url, &error), -EINVAL);
		assert_null(t.path);
		said = buffer_cstring(&error);
		assert_non_null(said);
		if (!strstr(said, rows[i].url) || !strstr(said, rows[i].what) ||
			!strstr(said, "http://HOST[:PORT][/PATH]"))
			fail_msg("%s: %s", rows[i].url, said);
		buffer_done(&error);
	}
}

static void long_hosts(void **state)
{
	char url[512] = "http://";
	struct buffer error = {0};
	struct target t;

	(void)state;
	memset(url + 7, 'a', 254);
	assert_int_equal(target_parse(&t, url, &error), -EINVAL);
	assert_non_null(strstr(buffer_cstring(&error), "neither a name nor an address"));
	buffer_done(&error);
}

/* RFC 6761 6.4: names under .invalid never resolve. */
static void unknown_host(void **state)
{
	struct buffer error = {0};
	struct target t;

	(void)state;
	assert_int_equal(target_parse(&t, "http://quern.invalid/", &error), -ENOENT);
	assert_non_null(strstr(buffer_cstring(&error), "'quern.invalid'"));
	buffer_done(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(refusals),
		cmocka_unit_test(long_hosts),
		cmocka_unit_test(unknown_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
