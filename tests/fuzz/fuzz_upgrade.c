/*
 * What two masters tell each other at an upgrade. The input's first byte says what the rest is:
 *
 *   m  messages to the old master, with a 0xff byte between them
 *   y  the same, to the new one, which waits to take over
 *   h  UPGRADE_VARIABLE, as the new one finds it
 *   s  SOCKETS_VARIABLE
 *
 * For the last two, a few descriptors have fixed numbers (enum below). Nothing but the messages of server/upgrade.h is
 * understood; of the descriptors, only listening sockets, and only our own socket pair, are taken, and no other one is
 * closed or changed.
 */
#include "lib/log.h"
#include "server/upgrade.h"
#include "tests/fuzz/require.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
pid_t __wrap_getppid(void);

/* Each number has its own kind of descriptor behind it, fresh in each run. */
enum {
	FIRST = 40,
	PAIR = FIRST, /* one end of our pair: see upgrade.h */
	STREAM_PAIR,  /* one end of a pair of another type */
	PIPE,
	TCP, /* connected to nothing, and not listening */
	UNIX_LISTENER,
	LISTENER, /* of TCP, and so are those behind it */
	LISTENER_2,
	LISTENER_3,
	NUMBERS,
	ORIGINAL = 80, /* and what they are copies of, and the pairs' other ends */
	OTHER_END = 160,
	KEPT = OTHER_END + NUMBERS,
};

static struct config config;
static uint16_t port[NUMBERS];

/* The pair's other end is ours, and heir_init() believes only its parent. */
pid_t __wrap_getppid(void)
{
	return getpid();
}

static void place(int fd, int number)
{
	REQUIRE(fd >= 0 && dup2(fd, ORIGINAL + number) >= 0);
	(void)close(fd);
}

static void make_listener(int number)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 1) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	port[number] = ntohs(a.sin_port);
	place(fd, number);
}

static void make_unix_listener(void)
{
	const sa_family_t family = AF_UNIX;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	REQUIRE(fd >= 0 &&
		bind(fd, (const struct sockaddr *)(const void *)&family, sizeof(family)) == 0);
	REQUIRE(listen(fd, 1) == 0);
	place(fd, UNIX_LISTENER);
}

/* One end stays open as long as the other. */
static void make_pair(int type, int number)
{
	int fd[2];

	REQUIRE(socketpair(AF_UNIX, type, 0, fd) == 0);
	place(fd[0], number);
	place(fd[1], OTHER_END - ORIGINAL + number);
}

static void renew(void)
{
	for (int number = FIRST; number < NUMBERS; number++) {
		REQUIRE(dup2(ORIGINAL + number, number) == number);
		REQUIRE(fcntl(number, F_SETFL, 0) == 0);
	}
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* As renew() left it. */
static bool is_untouched(int fd)
{
	return fcntl(fd, F_GETFD) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

/* What the copies are made of must last, though it could be taken as well. */
static bool is_kept(int fd)
{
	return fd >= ORIGINAL && fd < KEPT;
}

/* --- messages */

/* Nothing at all is no message; two bytes 0xff have an empty one between them. */
static int pair_with(const uint8_t *data, size_t size, int *ret_other)
{
	int fd[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd) == 0);
	while (size > 0) {
		const uint8_t *end = memchr(data, 0xff, size);
		const size_t len = end ? (size_t)(end - data) : size;

		if (send(fd[1], data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 || !end)
			break;
		data += len + 1;
		size -= len + 1;
	}
	*ret_other = fd[1];
	return fd[0];
}

/* Lines that a log can show. */
static void check_reason(const char why[UPGRADE_TEXT_BYTES])
{
	REQUIRE(memchr(why, '\0', UPGRADE_TEXT_BYTES) && why[0] != '\0');
	for (; *why; why++)
		REQUIRE((unsigned char)*why >= ' ' && *why != 0x7f);
}

static bool is_first(const uint8_t *data, size_t size, const char *word)
{
	const size_t len = strlen(word);

	return size >= len && memcmp(data, word, len) == 0 && (size == len || data[len] == 0xff);
}

/* The message at hand, by a reader of its own. */
static void check_progress(const uint8_t *data, size_t size, uint32_t done, uint32_t total)
{
	unsigned long long a = 0, b = 0;
	char text[512] = "";
	int end = 0;

	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	REQUIRE(sscanf(text, "progress %llu %llu%n", &a, &b, &end) == 2);
	REQUIRE((size_t)end == size || data[end] == 0xff);
	REQUIRE(a == done && b == total && done <= total);
}

static void check_old_master(const uint8_t *data, size_t size)
{
	char why[UPGRADE_TEXT_BYTES] = "";
	uint32_t done = 77, total = 78;
	enum upgrade_event event;
	int other;
	struct upgrade u = {.fd = pair_with(data, size, &other)};

	while ((event = upgrade_read(&u, &done, &total, why)) != UPGRADE_NOTHING) {
		if (event == UPGRADE_PROGRESS)
			check_progress(data, size, done, total);
		else
			REQUIRE(event != UPGRADE_READY || is_first(data, size, "ready"));
		if (event == UPGRADE_FAILED) {
			check_reason(why);
			break;
		}
		const uint8_t *next = memchr(data, 0xff, size);
		size -= next ? (size_t)(next - data) + 1 : size;
		data = next ? next + 1 : data;
	}
	(void)close(other);
	upgrade_end(&u, false);
	REQUIRE(u.fd == -1 && upgrade_read(&u, &done, &total, why) == UPGRADE_NOTHING);
}

/* What the new master says in any of these texts is understood over there. */
static void check_talk(const uint8_t *data, size_t size)
{
	char text[1024] = "", why[UPGRADE_TEXT_BYTES];
	uint32_t done = 0, total = 0;
	int fd[2];

	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd) == 0);
	struct heir h = {.fd = fd[0]};
	struct upgrade u = {.fd = fd[1]};
	heir_progress(&h, (uint32_t)size, UINT32_MAX);
	heir_failed(&h, text);
	REQUIRE(upgrade_read(&u, &done, &total, why) == UPGRADE_PROGRESS);
	REQUIRE(done == size && total == UINT32_MAX);
	REQUIRE(upgrade_read(&u, &done, &total, why) == UPGRADE_FAILED);
	check_reason(why);
	REQUIRE(upgrade_yield(&u) == 0 && heir_take_over(&h, 0) == 0);
	REQUIRE(upgrade_read(&u, &done, &total, why) == UPGRADE_READY);
	heir_done(&h);
	REQUIRE(upgrade_read(&u, &done, &total, why) == UPGRADE_FAILED);
	upgrade_end(&u, false);
}

static void check_new_master(const uint8_t *data, size_t size)
{
	int other;
	struct heir h = {.fd = pair_with(data, size, &other)};
	const int result = heir_take_over(&h, 0);

	REQUIRE((result == 0) == is_first(data, size, "yours"));
	REQUIRE(result <= 0);
	(void)close(other);
	heir_done(&h);
	check_talk(data, size);
}

/* --- descriptors */

static void check_heir(const char *text)
{
	struct heir h;
	char back[128];

	if (is_kept(atoi(text)))
		return;
	renew();
	REQUIRE(setenv(UPGRADE_VARIABLE, text, 1) == 0);
	REQUIRE(setenv(SOCKETS_VARIABLE, text, 1) == 0);
	const int result = heir_init(&h);
	REQUIRE(!getenv(UPGRADE_VARIABLE) && !getenv(SOCKETS_VARIABLE));
	REQUIRE(result == 0 ? h.fd == PAIR : result == -EINVAL && h.fd == -1);
	for (int number = FIRST; number < NUMBERS; number++)
		REQUIRE(number == h.fd || is_untouched(number));
	if (result == 0) {
		REQUIRE(fcntl(PAIR, F_GETFD) == FD_CLOEXEC);
		(void)snprintf(back, sizeof(back), "%d %llu %llu", h.fd,
			(unsigned long long)h.number, (unsigned long long)h.begun_us);
		REQUIRE(setenv(UPGRADE_VARIABLE, back, 1) == 0);
		REQUIRE(heir_init(&h) == 0 && h.fd == PAIR);
		heir_done(&h);
		REQUIRE(!is_open(PAIR));
	}
}

/* Whether a word of the text ends in "=number". */
static bool names(const char *text, int number)
{
	for (const char *at = strchr(text, '='); at; at = strchr(at + 1, '='))
		if (atoi(at + 1) == number)
			return true;
	return false;
}

/* Takes what was inherited, by its address. */
static void check_taking(struct sockets *s, const char *text)
{
	const bool has = names(text, LISTENER), has_admin = names(text, LISTENER_2);
	char address[32];

	config.workers_base_port = port[LISTENER];
	REQUIRE((sockets_open_slot(s, &config, 0) == 0) == has);
	REQUIRE(s->worker[0] == (has ? LISTENER : -1));
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", port[LISTENER_2]);
	free(config.admin_address);
	REQUIRE((config.admin_address = strdup(address)));
	REQUIRE((sockets_open_common(s, &config) == 0) == has_admin);
	REQUIRE(s->admin == (has_admin ? LISTENER_2 : -1));
	sockets_forget(s);
	REQUIRE(is_open(LISTENER) && is_open(LISTENER_2));
	REQUIRE(is_open(LISTENER_3) == !names(text, LISTENER_3));
}

/* And hands it on: the next one gets just that. */
static void check_handing_on(const struct sockets *s)
{
	const size_t held = (size_t)(s->worker[0] >= 0) + (size_t)(s->admin >= 0);
	struct buffer out;
	struct sockets next;

	buffer_init(&out);
	REQUIRE(sockets_bequeath(s, &out) == 0 && (out.len > 0) == (held > 0));
	REQUIRE(s->worker[0] < 0 || fcntl(s->worker[0], F_GETFD) == 0);
	REQUIRE(s->admin < 0 || fcntl(s->admin, F_GETFD) == 0);
	if (held > 0) {
		REQUIRE(sockets_init(&next, &config, buffer_cstring(&out)) == 0);
		REQUIRE(next.heirs == held);
		REQUIRE(next.heir[held - 1].fd == (s->admin >= 0 ? s->admin : s->worker[0]));
		REQUIRE(next.heir[0].fd == (s->worker[0] >= 0 ? s->worker[0] : s->admin));
		sockets_close(&next, -1);
	}
	buffer_done(&out);
}

static void check_sockets(const char *text)
{
	struct sockets s;

	for (int number = ORIGINAL; number < KEPT; number++)
		if (names(text, number))
			return;
	renew();
	const bool good = sockets_init(&s, &config, text) == 0;
	for (int number = FIRST; number < NUMBERS; number++) {
		const bool named = names(text, number);

		if (number < LISTENER || !named)
			REQUIRE(is_untouched(number));
		else if (good)
			REQUIRE(fcntl(number, F_GETFD) == FD_CLOEXEC);
	}
	for (size_t i = 0; good && i < s.heirs; i++)
		REQUIRE(s.heir[i].fd >= LISTENER && s.heir[i].fd < NUMBERS);
	if (good) {
		check_taking(&s, text);
		check_handing_on(&s);
	}
	sockets_close(&s, -1);
	REQUIRE(is_open(STDIN_FILENO) && is_open(STDOUT_FILENO) && is_open(STDERR_FILENO));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct buffer errors;
	(void)argc;
	(void)argv;

	buffer_init(&errors);
	REQUIRE(config_load(&config, NULL, NULL, NULL, 0, &errors, &errors) == 0);
	buffer_done(&errors);
	REQUIRE(log_open(LOG_LEVEL_ERROR, "/dev/null") == 0);
	make_pair(SOCK_SEQPACKET, PAIR);
	make_pair(SOCK_STREAM, STREAM_PAIR);
	int fd[2];
	REQUIRE(pipe(fd) == 0);
	place(fd[0], PIPE);
	place(fd[1], OTHER_END - ORIGINAL + PIPE);
	place(socket(AF_INET, SOCK_STREAM, 0), TCP);
	make_unix_listener();
	for (int number = LISTENER; number < NUMBERS; number++)
		make_listener(number);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	const uint8_t what = *data++;
	size--;
	if (what == 'm') {
		check_old_master(data, size);
	} else if (what == 'y') {
		check_new_master(data, size);
	} else if (what == 'h' || what == 's') {
		char *text = strndup((const char *)data, size);
		REQUIRE(text);
		if (what == 'h')
			check_heir(text);
		else
			check_sockets(text);
		free(text);
	} else {
		return -1;
	}
	return 0;
}
