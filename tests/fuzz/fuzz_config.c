/*
 * The configuration. Input: pieces that end in a NUL byte. The first byte of each says what it is: 's' a --set, 'e' a
 * string of the environment, 'f' the file, which goes on to the end of the input. What is accepted must lie within its
 * range, print to a file that means the same, and cross to other processes unharmed; what is refused must be said in
 * lines that a terminal can show.
 */
#include "config/live.h"
#include "config/option.h"
#include "tests/fuzz/require.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PIECES 64
#define MAX_LINE_BYTES 1024
#define UNTOUCHED 0x5a

struct pieces {
	char *set[MAX_PIECES], *variable[MAX_PIECES + 1];
	size_t sets, variables;
	const uint8_t *file;
	size_t file_bytes;
};

/* A file that config_load() can open, with these bytes. */
static const char *write_file(const void *data, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("config", 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	REQUIRE(fd >= 0 && ftruncate(fd, 0) == 0);
	REQUIRE(pwrite(fd, data, len, 0) == (ssize_t)len);
	return path;
}

static void split(struct pieces *p, const uint8_t *data, size_t size)
{
	while (size > 0) {
		if (data[0] == 'f') {
			p->file = data + 1;
			p->file_bytes = size - 1;
			return;
		}
		const uint8_t *end = memchr(data, '\0', size);
		const size_t len = end ? (size_t)(end - data) : size;
		if (len > 0 && data[0] == 's' && p->sets < MAX_PIECES)
			REQUIRE(p->set[p->sets++] = strndup((const char *)data + 1, len - 1));
		if (len > 0 && data[0] == 'e' && p->variables < MAX_PIECES)
			REQUIRE(p->variable[p->variables++] =
					strndup((const char *)data + 1, len - 1));
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
}

static void free_pieces(struct pieces *p)
{
	while (p->sets > 0)
		free(p->set[--p->sets]);
	while (p->variables > 0)
		free(p->variable[--p->variables]);
}

/* Whole lines of printable ASCII, none of them long. */
static void check_lines(const struct buffer *lines)
{
	size_t column = 0;

	REQUIRE(!lines->failed);
	for (size_t i = 0; i < lines->len; i++) {
		const char c = lines->data[i];

		REQUIRE(c == '\n' || (c >= ' ' && c <= '~'));
		REQUIRE(c != '\n' || column > 0);
		column = c == '\n' ? 0 : column + 1;
		REQUIRE(column <= MAX_LINE_BYTES);
	}
	REQUIRE(column == 0);
}

static void check_number(const struct config_option *o, int64_t value)
{
	const bool automatic = o->type == TYPE_COUNT && value == CONFIG_AUTO;

	REQUIRE(automatic || (value >= o->low && value <= o->high));
}

static void check_text(const char *text)
{
	REQUIRE(text && strlen(text) <= CONFIG_STRING_BYTES);
	for (; *text; text++)
		REQUIRE((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_option(const struct config_option *o, const struct config *c)
{
	const void *field = (const char *)c + o->offset;
	size_t len;

	switch (o->type) {
	case TYPE_COUNT:
	case TYPE_INT:
		check_number(o, *(const int64_t *)field);
		break;
	case TYPE_BOOL:
		REQUIRE(*(const unsigned char *)field <= 1);
		break;
	case TYPE_ENUM:
		REQUIRE(*(const int *)field >= 0 && config_choice(o, *(const int *)field, &len));
		break;
	default:
		check_text(*(char *const *)field);
	}
}

static bool same(const struct config *a, const struct config *b)
{
	for (int i = 0; i < CONFIG_IDS; i++)
		if (!config_same(&config_options[i], a, b))
			return false;
	return true;
}

static void load_printed(struct config *ret, const struct buffer *text)
{
	struct buffer errors, warnings;

	buffer_init(&errors);
	buffer_init(&warnings);
	REQUIRE(!text->failed);
	REQUIRE(config_load(ret, write_file(text->data, text->len), NULL, NULL, 0, &errors,
			&warnings) == 0);
	buffer_done(&errors);
	buffer_done(&warnings);
}

/* --print-config is a fixed point. */
static void check_printing(const struct config *c)
{
	struct buffer first, second;
	struct config back;

	buffer_init(&first);
	buffer_init(&second);
	config_print_json(c, &first);
	load_printed(&back, &first);
	REQUIRE(same(c, &back));
	config_print_json(&back, &second);
	REQUIRE(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	config_done(&back);
	buffer_done(&first);
	buffer_done(&second);
}

/* How many options differ, counted by hand and by class, with one name for each. */
static void check_difference(const struct config *a, const struct config *b)
{
	unsigned by_hand = 0, by_class = 0, names = 0;

	for (int i = 0; i < CONFIG_IDS; i++)
		by_hand += !config_same(&config_options[i], a, b);
	for (int takes = TAKES_LIVE; takes <= TAKES_BALANCER; takes++) {
		struct buffer list;

		buffer_init(&list);
		const unsigned n = config_differ(a, b, (enum config_takes)takes, &list);
		REQUIRE(!list.failed && (n > 0) == (list.len > 0));
		names += n > 0;
		for (size_t i = 0; i < list.len; i++)
			names += list.data[i] == ',';
		by_class += n;
		REQUIRE(config_differ(b, a, (enum config_takes)takes, NULL) == n);
		buffer_done(&list);
	}
	REQUIRE(by_hand == by_class && by_class == names);
}

/* From one process to another: the live options arrive, and no others. */
static void check_crossing(const struct config *c, const struct config *defaults)
{
	_Atomic int64_t value[CONFIG_IDS] = {0};
	struct config taken, copy;

	REQUIRE(config_copy(&copy, c) == 0 && same(&copy, c));
	REQUIRE(config_copy(&taken, defaults) == 0);
	config_live_put(c, value);
	config_live_take(&taken, value);
	REQUIRE(config_differ(&taken, c, TAKES_LIVE, NULL) == 0);
	for (int takes = TAKES_ROLL; takes <= TAKES_BALANCER; takes++)
		REQUIRE(config_differ(&taken, defaults, (enum config_takes)takes, NULL) == 0);
	for (int i = 0; i < CONFIG_IDS; i++)
		REQUIRE(config_copy_option(&config_options[i], &taken, &copy) == 0);
	REQUIRE(same(&taken, c));
	config_done(&copy);
	config_done(&taken);
}

static void check_accepted(const struct config *c, const struct buffer *errors)
{
	struct buffer none;
	struct config defaults;

	REQUIRE(errors->len == 0);
	buffer_init(&none);
	REQUIRE(config_load(&defaults, NULL, NULL, NULL, 0, &none, &none) == 0);
	for (int i = 0; i < CONFIG_IDS; i++)
		check_option(&config_options[i], c);
	const int64_t count = config_worker_count(c);
	REQUIRE(count >= 1 && count <= c->workers_max);
	check_printing(c);
	check_difference(c, &defaults);
	check_crossing(c, &defaults);
	config_done(&defaults);
	buffer_done(&none);
}

static void check_untouched(const struct config *c)
{
	const unsigned char *bytes = (const unsigned char *)c;

	for (size_t i = 0; i < sizeof(*c); i++)
		REQUIRE(bytes[i] == UNTOUCHED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pieces p = {0};
	struct buffer errors, warnings;
	struct config c;

	split(&p, data, size);
	buffer_init(&errors);
	buffer_init(&warnings);
	memset(&c, UNTOUCHED, sizeof(c));
	const char *file = p.file ? write_file(p.file, p.file_bytes) : NULL;
	const int result = config_load(
		&c, file, p.variable, (const char *const *)p.set, p.sets, &errors, &warnings);
	if (result == 0) {
		check_accepted(&c, &errors);
		config_done(&c);
	} else {
		REQUIRE(result == -EINVAL && errors.len > 0);
		check_untouched(&c);
	}
	check_lines(&errors);
	check_lines(&warnings);
	buffer_done(&errors);
	buffer_done(&warnings);
	free_pieces(&p);
	return 0;
}
