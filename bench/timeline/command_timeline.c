/* quern-bench timeline. */
#include "bench/cli.h"
#include "bench/commands.h"
#include "bench/output.h"
#include "bench/timeline/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_TRACE ((size_t)256 << 20)

struct job {
	const struct cli *cli;
	const char *trace, *output;
	bool has_from, has_to, worst;
	struct timeline_wish wish;
};

static const struct cli_option options[] = {
	{"-o", "FILE", "the picture, SVG"},
	{"--worker", "N",
		"of the worker in that slot; else of the one whose request waited longest"},
	{"--worst", NULL,
		"the moment around the request that waited longest, and for whom (this is\n"
		"what is drawn without --from and --to)"},
	{"--from", "MS", "the moment from there on, in ms since the trace's first event"},
	{"--to", "MS", "up to there"},
	{"--title", "T", "the picture's title"},
	{NULL, NULL, NULL},
};

enum { OUTPUT, WORKER, WORST, FROM, TO, TITLE };

static int take_operand(struct job *j, const char *value)
{
	if (j->trace)
		return cli_wrong(j->cli, "unexpected argument: %s", value);
	j->trace = value;
	return BENCH_GO_ON;
}

static int take_worker(struct job *j, const char *value)
{
	uint64_t slot = 0;
	const int said = cli_count(j->cli, "--worker", value, 0, 100000, &slot);

	j->wish.worker = (int64_t)slot;
	return said;
}

static int take_option(void *own, int option, const char *value)
{
	struct job *j = own;

	switch (option) {
	case CLI_OPERAND:
		return take_operand(j, value);
	case OUTPUT:
		j->output = value;
		return BENCH_GO_ON;
	case WORKER:
		return take_worker(j, value);
	case WORST:
		j->worst = true;
		return BENCH_GO_ON;
	case FROM:
		j->has_from = true;
		return cli_real(j->cli, "--from", value, 0, 1e9, &j->wish.from_ms);
	case TO:
		j->has_to = true;
		return cli_real(j->cli, "--to", value, 0, 1e9, &j->wish.to_ms);
	default:
		j->wish.title = value;
		return BENCH_GO_ON;
	}
}

static int read_options(struct cli *c, struct job *j)
{
	const int said = cli_read(c, take_option, j);

	if (said != BENCH_GO_ON)
		return said;
	if (!j->trace)
		return cli_wrong(c, "TRACE.json is missing: what 'quernctl trace -o' wrote");
	if (!j->output)
		return cli_wrong(c, "-o FILE.svg is missing: where the picture goes");
	if (j->has_from != j->has_to)
		return cli_wrong(c, "--from and --to belong together");
	if (j->has_from && j->worst)
		return cli_wrong(c, "--worst excludes --from and --to");
	if (j->has_from && j->wish.from_ms >= j->wish.to_ms)
		return cli_wrong(c, "--from must be less than --to");
	j->wish.window = j->has_from;
	return BENCH_GO_ON;
}

/* The whole file, or standard input for "-". 0 or -errno; -EFBIG: it is no trace of quernd's. */
static int read_file(const char *path, struct buffer *text)
{
	const bool is_input = strcmp(path, "-") == 0;
	const int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : 0;

	while (!error) {
		char *to = buffer_reserve(text, 1 << 16);
		const ssize_t n = to ? read(fd, to, 1 << 16) : -1;

		if (!to)
			error = -ENOMEM;
		else if (n < 0 && errno != EINTR)
			error = -errno;
		else if (n > 0)
			text->len += (size_t)n;
		if (n == 0)
			break;
		if (text->len > LONGEST_TRACE)
			error = -EFBIG;
	}
	if (fd >= 0 && !is_input)
		(void)close(fd);
	return error;
}

/* What a file's names can hold: no control character reaches a terminal. */
static const char *printable(struct buffer *said)
{
	for (size_t i = 0; i < said->len; i++)
		if ((unsigned char)said->data[i] < ' ' || said->data[i] == 0x7f)
			said->data[i] = '?';
	return buffer_cstring(said);
}

static int make_picture(
	const struct job *j, const struct buffer *text, struct buffer *svg, struct buffer *said)
{
	int error = timeline_draw(text->data ? text->data : "", text->len, &j->wish, svg, said);
	const char *words = printable(said);

	if (error == -EINVAL && words)
		return cli_fail(j->cli, "%s: %s", j->trace, words);
	if (error || !words)
		return cli_fail(j->cli, "%s", strerror(ENOMEM));
	error = output_text(j->output, svg);
	if (error)
		return cli_fail(j->cli, "%s: %s", j->output, strerror(-error));
	/* Standard output holds the picture and nothing else. */
	if (strcmp(j->output, "-") != 0 && (puts(words) < 0 || fflush(stdout) != 0))
		return cli_fail(j->cli, "standard output: %s", strerror(errno));
	return BENCH_DONE;
}

int bench_timeline(int argc, char **argv)
{
	struct cli c = {.command = "timeline",
		.operands = "TRACE.json",
		.about = "Draws what an event loop did as SVG, from a trace ('quernctl trace -o "
			 "TRACE.json'): "
			 "a box for each\ncallback that ran, and a row for each request, white "
			 "while "
			 "it waits. Prints who waited longest, and for whom.",
		.options = options};
	struct job j = {.cli = &c, .wish = {.worker = TIMELINE_ANY}};
	struct buffer text, svg, said;

	buffer_init(&text);
	buffer_init(&svg);
	buffer_init(&said);
	cli_begin(&c, argc, argv);
	int code = read_options(&c, &j);
	if (code == BENCH_GO_ON) {
		const int error = read_file(j.trace, &text);
		code = error ? cli_fail(&c, "%s: %s", j.trace, strerror(-error))
			     : make_picture(&j, &text, &svg, &said);
	}
	buffer_done(&text);
	buffer_done(&svg);
	buffer_done(&said);
	return code;
}
