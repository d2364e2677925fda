/* The fleet's listening sockets: opened slot by slot, and handed through a real exec(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/address.h"
#include "server/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 3
#define PORTS 8 /* base, base + 1, ... of a test: the slots, then these */
#define ADMIN_PORT 4
#define FRONT_PORT 6
#define OTHER_PORT 7

static const char *self; /* this program */

/* --- configurations and ports */

struct wish {
	const char *host;
	const char *kind, *policy;
	int base, admin;
};

static void configure(struct config *ret, const struct wish *w)
{
	char set[8][64];
	const char *sets[8];
	struct buffer errors, warnings;
	size_t n = 0;

	(void)snprintf(set[n++], sizeof(set[0]), "workers.max=%d", SLOTS);
	(void)snprintf(set[n++], sizeof(set[0]), "workers.count=1");
	(void)snprintf(set[n++], sizeof(set[0]), "workers.base_port=%d", w->base);
	(void)snprintf(set[n++], sizeof(set[0]), "admin.address=%s:%d", w->host, w->admin);
	(void)snprintf(
		set[n++], sizeof(set[0]), "balancer.listen=%s:%d", w->host, w->base + FRONT_PORT);
	(void)snprintf(set[n++], sizeof(set[0]), "balancer.kind=%s", w->kind);
	(void)snprintf(set[n++], sizeof(set[0]), "balancer.policy=%s", w->policy);
	for (size_t i = 0; i < n; i++)
		sets[i] = set[i];
	buffer_init(&errors);
	buffer_init(&warnings);
	if (config_load(ret, NULL, NULL, sets, n, &errors, &warnings) != 0)
		fail_msg("%s", buffer_cstring(&errors));
	buffer_done(&errors);
	buffer_done(&warnings);
}

static int listen_on(const char *host, int port, int type)
{
	struct address a;
	int on = 1;

	assert_int_equal(address_from_host(&a, host, (uint16_t)port), 0);
	int fd = socket(a.storage.ss_family, type, 0);
	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&a.storage, a.len) != 0 ||
		(type == SOCK_STREAM && listen(fd, 1) != 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The first of PORTS in a row that nobody listens on, below those of outgoing connections. */
static int free_ports(void)
{
	for (int first = 10000 + (int)(getpid() % 2000) * 10; first < 32000; first += PORTS) {
		int taken = 0;

		for (int i = 0; i < PORTS; i++) {
			int fd = listen_on("127.0.0.1", first + i, SOCK_STREAM);

			taken += fd < 0;
			if (fd >= 0)
				(void)close(fd);
		}
		if (taken == 0)
			return first;
	}
	fail_msg("no free ports");
	return 0;
}

static struct wish usual(void)
{
	const int base = free_ports();

	return (struct wish){.host = "127.0.0.1",
		.kind = "haproxy",
		.policy = "roundrobin",
		.base = base,
		.admin = base + ADMIN_PORT};
}

/* A connected socket, or -1: refused. */
static int reach(const char *host, int port)
{
	struct address a;

	assert_int_equal(address_from_host(&a, host, (uint16_t)port), 0);
	int fd = socket(a.storage.ss_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&a.storage, a.len) == 0)
		return fd;
	assert_int_equal(errno, ECONNREFUSED);
	(void)close(fd);
	return -1;
}

static bool answers(int port)
{
	int fd = reach("127.0.0.1", port);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- the log, caught */

static int true_stderr;
static FILE *caught;

static void catch_log(void)
{
	caught = tmpfile();
	true_stderr = dup(STDERR_FILENO);
	assert_non_null(caught);
	assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* What was logged; static. */
static const char *caught_log(void)
{
	static char text[2048];

	(void)dup2(true_stderr, STDERR_FILENO);
	(void)close(true_stderr);
	rewind(caught);
	text[fread(text, 1, sizeof(text) - 1, caught)] = '\0';
	(void)fclose(caught);
	return text;
}

#define assert_logged(what)                                                                        \
	do {                                                                                       \
		const char *log_ = caught_log();                                                   \
		if (!strstr(log_, what))                                                           \
			fail_msg("no \"%s\" in \"%s\"", what, log_);                               \
	} while (0)

/* --- opening and closing */

static void test_a_slot_has_a_socket_while_it_is_in_use(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;

	(void)state;
	configure(&c, &w);
	assert_int_equal(sockets_init(&s, &c, NULL), 0);
	assert_int_equal(s.slots, SLOTS);
	assert_false(answers(w.base + 1));
	assert_int_equal(sockets_open_slot(&s, &c, 1), 0);
	assert_int_equal(s.worker[0], -1);
	const int fd = s.worker[1];
	assert_true(answers(w.base + 1));
	assert_false(answers(w.base));
	/* Once more changes nothing. */
	assert_int_equal(sockets_open_slot(&s, &c, 1), 0);
	assert_int_equal(s.worker[1], fd);
	sockets_close_slot(&s, 1);
	sockets_close_slot(&s, 1);
	assert_int_equal(s.worker[1], -1);
	assert_false(answers(w.base + 1));
	assert_int_equal(sockets_open_slot(&s, &c, 1), 0);
	assert_true(answers(w.base + 1));
	sockets_close(&s, -1);
	assert_false(answers(w.base + 1));
	config_done(&c);
}

static void test_all_share_one_without_haproxy(void **state)
{
	struct wish w = usual();
	struct config c;
	struct sockets s;

	(void)state;
	w.kind = "none";
	w.policy = "roundrobin";
	configure(&c, &w);
	assert_int_equal(sockets_init(&s, &c, NULL), 0);
	assert_int_equal(sockets_open_common(&s, &c), 0);
	for (size_t i = 0; i < SLOTS; i++) {
		assert_int_equal(sockets_open_slot(&s, &c, i), 0);
		assert_int_equal(s.worker[i], s.shared);
	}
	sockets_close_slot(&s, 1);
	assert_int_equal(s.worker[1], s.shared);
	assert_true(answers(w.base + FRONT_PORT));
	/* In a child: its own one is kept. */
	const int shared = s.shared, admin = s.admin;
	sockets_close(&s, shared);
	assert_true(is_open(shared));
	assert_false(is_open(admin));
	(void)close(shared);
	config_done(&c);
}

static void test_two_can_be_kept(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;

	(void)state;
	configure(&c, &w);
	assert_int_equal(sockets_init(&s, &c, NULL), 0);
	assert_int_equal(sockets_open_common(&s, &c), 0);
	assert_int_equal(sockets_open_slot(&s, &c, 0), 0);
	const int worker = s.worker[0], admin = s.admin;
	sockets_close(&s, admin);
	assert_false(is_open(worker));
	assert_true(is_open(admin));
	(void)close(admin);
	config_done(&c);
}

static void test_a_port_that_is_taken(void **state)
{
	const struct wish w = usual();
	const int slot = listen_on("127.0.0.1", w.base + 2, SOCK_STREAM);
	const int admin = listen_on("127.0.0.1", w.admin, SOCK_STREAM);
	struct config c;
	struct sockets s;

	(void)state;
	configure(&c, &w);
	assert_int_equal(sockets_init(&s, &c, NULL), 0);
	catch_log();
	const int got = sockets_open_slot(&s, &c, 2);
	assert_logged("(workers.address, workers.base_port): Address already in use");
	assert_int_equal(got, -EADDRINUSE);
	assert_int_equal(s.worker[2], -1);
	catch_log();
	const int common = sockets_open_common(&s, &c);
	assert_logged("(admin.address): Address already in use");
	assert_int_equal(common, -1);
	/* What could not be had can be had later. */
	(void)close(admin);
	(void)close(slot);
	assert_int_equal(sockets_open_common(&s, &c), 0);
	assert_int_equal(sockets_open_slot(&s, &c, 2), 0);
	sockets_close(&s, -1);
	config_done(&c);
}

/* --- what is said to be inherited */

static int init_with(const char *text, const struct config *c)
{
	struct sockets s;
	const int result = sockets_init(&s, c, text);

	sockets_close(&s, -1);
	return result;
}

static void test_malformed_text_is_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "at character 1: not the name"},
		{"admin", "at character 1: not the name"},
		{"=5", "at character 1: not the name"},
		{" admin=5", "at character 1: not the name"},
		{"boss=5", "at character 1: not the name"},
		{"worker=5", "at character 1: not the name"},
		{"worker-1=5", "at character 1: not the name"},
		{"worker1024=5", "at character 1: not the name"},
		{"admin=", "at character 1: not a descriptor's number"},
		{"admin=x", "at character 1: not a descriptor's number"},
		{"admin=-1", "at character 1: not a descriptor's number"},
		{"admin=99999999999999999999", "at character 1: not a descriptor's number"},
		{"admin=1", "at character 1: a standard descriptor"},
		{"admin=987654", "at character 1: not an open descriptor"},
		{"admin=%d ", " not the name"},
		{"admin=%d  shared=5", " not the name"},
		{"admin=%d shared=%d", " a descriptor that was named before"},
		{"admin=%d\nshared=5", "at character 1: not a descriptor's number"},
	};
	const struct wish w = usual();
	struct config c;

	(void)state;
	configure(&c, &w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];
		const int fd = listen_on("127.0.0.1", w.base + OTHER_PORT, SOCK_STREAM);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof(text), cases[i].text, fd, fd);
#pragma GCC diagnostic pop
		catch_log();
		const int result = init_with(text, &c);
		assert_logged(cases[i].said);
		assert_int_equal(result, -1);
		(void)close(fd);
	}
	config_done(&c);
}

/* The place is counted from the text's begin, so that it can be found in a long one. */
static void test_the_place_of_a_mistake(void **state)
{
	const struct wish w = usual();
	struct config c;
	char text[64], said[64];
	const int fd = listen_on("127.0.0.1", w.base + OTHER_PORT, SOCK_STREAM);

	(void)state;
	configure(&c, &w);
	const int place = snprintf(text, sizeof(text), "worker0=%d ", fd) + 1;
	(void)snprintf(text + place - 1, sizeof(text) - (size_t)place, "admin=");
	(void)snprintf(said, sizeof(said), SOCKETS_VARIABLE ": at character %d: ", place);
	catch_log();
	const int result = init_with(text, &c);
	assert_logged(said);
	assert_int_equal(result, -1);
	/* It was ours, and is closed. */
	assert_false(is_open(fd));
	config_done(&c);
}

static void refuse(const struct config *c, int fd, const char *said)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "admin=%d", fd);
	catch_log();
	const int result = init_with(text, c);
	assert_logged(said);
	assert_int_equal(result, -1);
	/* It is somebody else's, and stays as it was. */
	assert_true(is_open(fd));
	(void)close(fd);
}

static void test_other_descriptors_are_refused(void **state)
{
	static const char not_ours[] = "not a listening TCP socket";
	const struct wish w = usual();
	struct config c;
	int ends[2];

	(void)state;
	configure(&c, &w);
	refuse(&c, open("/dev/null", O_RDWR), "not a socket");
	refuse(&c, listen_on("127.0.0.1", w.base, SOCK_DGRAM), not_ours);
	refuse(&c, socket(AF_INET, SOCK_STREAM, 0), not_ours);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	refuse(&c, ends[0], not_ours);
	(void)close(ends[1]);
	const int listener = listen_on("127.0.0.1", w.base, SOCK_STREAM);
	refuse(&c, reach("127.0.0.1", w.base), not_ours);
	(void)close(listener);
	config_done(&c);
}

/* --- through exec() */

/* In the child: opens all with the sockets it was given, and tells by its exit code what is wrong. */
static int be_heir(char **argv)
{
	const struct wish w = {.host = argv[0],
		.kind = argv[1],
		.policy = argv[2],
		.base = atoi(argv[3]),
		.admin = atoi(argv[4])};
	const int expected_admin = atoi(argv[5]), expected_worker = atoi(argv[6]);
	struct config c;
	struct sockets s;

	configure(&c, &w);
	if (sockets_init(&s, &c, getenv(SOCKETS_VARIABLE)) != 0)
		return 10;
	if (sockets_open_common(&s, &c) != 0 || sockets_open_slot(&s, &c, 0) != 0)
		return 11;
	if (expected_admin >= 0 ? s.admin != expected_admin : s.admin < 0)
		return 12;
	if (s.worker[0] != expected_worker)
		return 13;
	if ((fcntl(s.worker[0], F_GETFD) & FD_CLOEXEC) == 0 ||
		(fcntl(s.worker[0], F_GETFL) & O_NONBLOCK) == 0)
		return 14;
	/* The connection that came before. */
	if (accept(s.worker[0], NULL, NULL) < 0)
		return 15;
	/* Not asked for here, so closed. */
	const int left = argv[7] ? atoi(argv[7]) : -1;
	if (left >= 0 && !is_open(left))
		return 16;
	sockets_forget(&s);
	if (left >= 0 && is_open(left))
		return 17;
	sockets_close(&s, -1);
	config_done(&c);
	return 0;
}

struct inheritance {
	struct wish theirs;
	int admin, worker,
		left; /* descriptors that the child shall find, -1: another; left over, -1: none */
};

static _Noreturn void exec_heir(const struct sockets *s, const struct inheritance *i)
{
	char number[5][16];
	const int values[5] = {i->theirs.base, i->theirs.admin, i->admin, i->worker, i->left};
	struct buffer text;

	for (size_t n = 0; n < 5; n++)
		(void)snprintf(number[n], sizeof(number[n]), "%d", values[n]);
	buffer_init(&text);
	/* Whoever set it blocking meanwhile does not matter. */
	(void)fcntl(s->worker[0], F_SETFL, 0);
	if (sockets_bequeath(s, &text) != 0 ||
		setenv(SOCKETS_VARIABLE, buffer_cstring(&text), 1) != 0)
		_exit(20);
	(void)execl(self, self, "heir", i->theirs.host, i->theirs.kind, i->theirs.policy, number[0],
		number[1], number[2], number[3], number[4], NULL);
	_exit(21);
}

static void bequeath_to(const struct sockets *s, const struct inheritance *i)
{
	int status;

	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		exec_heir(s, i);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void open_all(struct sockets *s, struct config *c, const struct wish *w)
{
	configure(c, w);
	assert_int_equal(sockets_init(s, c, NULL), 0);
	assert_int_equal(sockets_open_common(s, c), 0);
	assert_int_equal(sockets_open_slot(s, c, 0), 0);
}

static void test_inherited_by_exec(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;

	(void)state;
	open_all(&s, &c, &w);
	const int client = reach(w.host, w.base);
	assert_true(client >= 0);
	bequeath_to(&s, &(struct inheritance){w, s.admin, s.worker[0], -1});
	/* Only the child's copies survive exec(). */
	assert_true((fcntl(s.admin, F_GETFD) & FD_CLOEXEC) != 0);
	(void)close(client);
	sockets_close(&s, -1);
	config_done(&c);
}

static void test_an_address_that_changed(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;
	struct inheritance i = {w, -1, -1, -1};

	(void)state;
	open_all(&s, &c, &w);
	const int client = reach(w.host, w.base);
	assert_true(client >= 0);
	i.theirs.admin = w.base + OTHER_PORT;
	i.worker = s.worker[0];
	i.left = s.admin;
	bequeath_to(&s, &i);
	(void)close(client);
	sockets_close(&s, -1);
	config_done(&c);
}

/* A socket is found by its address, whichever slot it belonged to. */
static void test_slots_that_moved(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;
	struct inheritance i = {w, -1, -1, -1};

	(void)state;
	open_all(&s, &c, &w);
	assert_int_equal(sockets_open_slot(&s, &c, 1), 0);
	const int client = reach(w.host, w.base + 1);
	assert_true(client >= 0);
	i.theirs.base = w.base + 1;
	i.theirs.policy = "roundrobin";
	i.theirs.admin = w.admin;
	i.admin = s.admin;
	i.worker = s.worker[1];
	i.left = s.worker[0];
	bequeath_to(&s, &i);
	(void)close(client);
	sockets_close(&s, -1);
	config_done(&c);
}

static void test_shared_by_exec(void **state)
{
	struct wish w = usual();
	struct config c;
	struct sockets s;

	(void)state;
	w.kind = "none";
	w.policy = "roundrobin";
	open_all(&s, &c, &w);
	const int client = reach(w.host, w.base + FRONT_PORT);
	assert_true(client >= 0);
	bequeath_to(&s, &(struct inheritance){w, s.admin, s.shared, -1});
	(void)close(client);
	sockets_close(&s, -1);
	config_done(&c);
}

static void test_ipv6_by_exec(void **state)
{
	struct wish w = usual();
	struct config c;
	struct sockets s;
	const int probe = listen_on("::1", w.base, SOCK_STREAM);

	(void)state;
	if (probe < 0)
		skip();
	(void)close(probe);
	w.host = "[::1]";
	w.kind = "none";
	w.policy = "roundrobin";
	open_all(&s, &c, &w);
	const int client = reach("::1", w.base + FRONT_PORT);
	assert_true(client >= 0);
	bequeath_to(&s, &(struct inheritance){w, s.admin, s.shared, -1});
	(void)close(client);
	sockets_close(&s, -1);
	config_done(&c);
}

static void test_the_text_that_is_handed_on(void **state)
{
	const struct wish w = usual();
	struct config c;
	struct sockets s;
	struct buffer text;
	char expected[128];

	(void)state;
	open_all(&s, &c, &w);
	assert_int_equal(sockets_open_slot(&s, &c, 2), 0);
	buffer_init(&text);
	assert_int_equal(sockets_bequeath(&s, &text), 0);
	(void)snprintf(expected, sizeof(expected), "worker0=%d worker2=%d admin=%d", s.worker[0],
		s.worker[2], s.admin);
	assert_string_equal(buffer_cstring(&text), expected);
	assert_int_equal(fcntl(s.admin, F_GETFD), 0);
	buffer_done(&text);
	sockets_close(&s, -1);
	config_done(&c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slot_has_a_socket_while_it_is_in_use),
		cmocka_unit_test(test_all_share_one_without_haproxy),
		cmocka_unit_test(test_two_can_be_kept),
		cmocka_unit_test(test_a_port_that_is_taken),
		cmocka_unit_test(test_malformed_text_is_refused),
		cmocka_unit_test(test_the_place_of_a_mistake),
		cmocka_unit_test(test_other_descriptors_are_refused),
		cmocka_unit_test(test_inherited_by_exec),
		cmocka_unit_test(test_an_address_that_changed),
		cmocka_unit_test(test_slots_that_moved),
		cmocka_unit_test(test_shared_by_exec),
		cmocka_unit_test(test_ipv6_by_exec),
		cmocka_unit_test(test_the_text_that_is_handed_on),
	};

	if (argc >= 10 && strcmp(argv[1], "heir") == 0)
		return be_heir(argv + 2);
	self = "/proc/self/exe";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
