#include "lib/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct address parse(const char *text)
{
	struct address a;

	if (address_parse(&a, text, true) != 0)
		fail_msg("%s is refused", text);
	return a;
}

static void test_parse(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_parse(&a, "127.0.0.1:8080", false), 0);
	assert_int_equal(a.len, sizeof(struct sockaddr_in));
	struct sockaddr_in v4;
	memcpy(&v4, &a.storage, sizeof v4);
	assert_int_equal(v4.sin_family, AF_INET);
	assert_int_equal(ntohs(v4.sin_port), 8080);
	assert_int_equal(ntohl(v4.sin_addr.s_addr), INADDR_LOOPBACK);

	assert_int_equal(address_parse(&a, "[::1]:65535", false), 0);
	assert_int_equal(a.len, sizeof(struct sockaddr_in6));
	struct sockaddr_in6 v6;
	memcpy(&v6, &a.storage, sizeof v6);
	assert_int_equal(v6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6.sin6_port), 65535);
	assert_memory_equal(&v6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
}

static void test_refuses(void **state)
{
	static const char *const wrong[] = {
		"",
		":",
		":80",
		"80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+80",
		"127.0.0.1: 80",
		"127.0.0.1:80 ",
		"127.0.0.1:http",
		" 127.0.0.1:80",
		"127.0.0.1.1:80",
		"127.1:80",
		"256.0.0.1:80",
		"localhost:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1]:",
		"[::1:80",
		"::1]:80",
		"[127.0.0.1]:80",
		"[]:80",
		"[fe80::1%lo]:80",
		"[::g]:80",
		"*:80",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
	};
	struct address before;
	struct address a;

	(void)state;
	memset(&before, 0x5a, sizeof before);
	a = before;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (address_parse(&a, wrong[i], false) != -EINVAL)
			fail_msg("\"%s\" is taken", wrong[i]);
		assert_memory_equal(&a, &before, sizeof a);
	}
}

static void test_zero_port(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_parse(&a, "[::]:0", false), -EINVAL);
	assert_int_equal(address_parse(&a, "[::]:0", true), 0);
	assert_int_equal(address_port(&a), 0);
}

static void test_from_host(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_from_host(&a, "10.1.2.3", 8100), 0);
	assert_int_equal(address_port(&a), 8100);
	assert_int_equal(address_from_host(&a, "2001:db8::1", 81), 0);
	assert_int_equal(address_port(&a), 81);
	assert_int_equal(address_from_host(&a, "[::1]", 81), -EINVAL);
	assert_int_equal(address_from_host(&a, "localhost", 81), -EINVAL);
	assert_int_equal(address_from_host(&a, "", 81), -EINVAL);
	assert_int_equal(address_port(&a), 81);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool loopback, any;
	} samples[] = {
		{"127.0.0.1:1", true, false},
		{"127.255.255.254:1", true, false},
		{"128.0.0.1:1", false, false},
		{"126.255.255.255:1", false, false},
		{"0.0.0.0:1", false, true},
		{"0.0.0.1:1", false, false},
		{"[::1]:1", true, false},
		{"[::]:1", false, true},
		{"[::2]:1", false, false},
		{"[fe80::1]:1", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct address a = parse(samples[i].text);
		if (address_is_loopback(&a) != samples[i].loopback ||
			address_is_any(&a) != samples[i].any)
			fail_msg("%s", samples[i].text);
	}
}

static void test_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} samples[] = {
		{"127.0.0.1:1", "127.0.0.1:2", true},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{"0.0.0.0:1", "10.0.0.1:1", true},
		{"0.0.0.0:1", "[::1]:1", false},
		{"0.0.0.0:1", "[::]:1", true},
		{"[::]:1", "10.0.0.1:1", true},
		{"[::]:1", "[2001:db8::1]:1", true},
		{"[::1]:1", "[::1]:1", true},
		{"[::1]:1", "[::2]:1", false},
		{"[::1]:1", "127.0.0.1:1", false},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.2:1", false},
		{"[::ffff:127.0.0.1]:1", "0.0.0.0:1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct address a = parse(samples[i].a);
		const struct address b = parse(samples[i].b);
		if (address_hosts_overlap(&a, &b) != samples[i].overlap ||
			address_hosts_overlap(&b, &a) != samples[i].overlap)
			fail_msg("%s and %s", samples[i].a, samples[i].b);
	}
}

static void test_format(void **state)
{
	static const char *const texts[] = {
		"127.0.0.1:80",
		"0.0.0.0:65535",
		"[::]:1",
		"[2001:db8::1]:8080",
		"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
	};
	char text[ADDRESS_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const struct address a = parse(texts[i]);
		assert_ptr_equal(address_format(&a, text, sizeof text), text);
		const struct address again = parse(text);
		assert_memory_equal(&a, &again, sizeof a);
	}
	const struct address v6 = parse("[2001:DB8:0::0:1]:08080");
	assert_string_equal(address_format(&v6, text, sizeof text), "[2001:db8::1]:8080");
	assert_string_equal(address_format(&v6, text, 5), "[200");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_zero_port),
		cmocka_unit_test(test_from_host),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
