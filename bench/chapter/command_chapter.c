#include "bench/chapter/chapter_report.h"
#include "bench/chapter/judgement.h"
#include "bench/chapter/run.h"
#include "bench/chapter/table.h"
#include "bench/cli.h"
#include "bench/commands.h"
#include "bench/progress.h"
#include "bench/sweep/machine.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPEAT_MOST 50

struct session {
	struct cli cli;
	const char *name, *output, *build_given, *index;
	uint64_t repeat; /* 0: as the chapter says */
	bool full, strict;

	char file[PATH_MAX], directory[PATH_MAX], build[PATH_MAX], services[PATH_MAX],
		peers[PATH_MAX];
	struct chapter chapter;
	struct run run;
	struct judgement *judgement; /* as many as the chapter has claims; owned */
	struct buffer message;
};

static const struct cli_option chapter_options[] = {
	{"-o", "DIR", "where results go (default: results/chapter-NAME)"},
	{"--full", NULL, "longer loads, and all stages"},
	{"--repeat", "N", "how many times all stages are run (default: as the chapter says)"},
	{"--build", "DIR", "where services and peers are built (default: where this program is)"},
	{"--strict", NULL,
		"a claim that does not hold, or could not be judged, is a failure (exit code 1)"},
	{"--index", "DIR", "only a page, DIR/index.html, over the chapters that are in DIR"},
	{NULL, NULL, NULL},
};

enum chapter_option { OUTPUT, FULL, REPEAT, BUILD, STRICT, INDEX };

static int take(void *own, int option, const char *value)
{
	struct session *s = own;

	switch (option) {
	case OUTPUT:
		s->output = value;
		break;
	case FULL:
		s->full = true;
		break;
	case REPEAT:
		return cli_count(&s->cli, "--repeat", value, 1, REPEAT_MOST, &s->repeat);
	case BUILD:
		s->build_given = value;
		break;
	case STRICT:
		s->strict = true;
		break;
	case INDEX:
		s->index = value;
		break;
	default:
		if (s->name)
			return cli_wrong(&s->cli, "unexpected argument: %s", value);
		s->name = value;
	}
	return BENCH_GO_ON;
}

static int read_options(struct session *s, int argc, char **argv)
{
	s->cli = (struct cli){.command = "chapter",
		.operands = "NAME|FILE",
		.about = "Runs the stages of a chapter (bench/experiments/chapters/NAME.json), "
			 "judges its claims, and makes a page.",
		.options = chapter_options};
	cli_begin(&s->cli, argc, argv);
	const int said = cli_read(&s->cli, take, s);
	if (said != BENCH_GO_ON)
		return said;
	if (s->index &&
		(s->name || s->output || s->full || s->strict || s->repeat || s->build_given))
		return cli_wrong(&s->cli, "--index goes with nothing else");
	if (!s->index && !s->name)
		return cli_wrong(&s->cli, "a chapter is missing: its name, or its file");
	return BENCH_GO_ON;
}

/* The sentence in s->message, without its last newline. */
static const char *said(struct session *s)
{
	while (s->message.len > 0 && s->message.data[s->message.len - 1] == '\n')
		s->message.len--;
	const char *text = buffer_cstring(&s->message);
	return text && *text ? text : "no memory is left";
}

/* --- places ---------------------------------------------------------------------------------------------------- */

static bool is_there(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

/* Where this program is. */
static void own_directory(char *to, size_t n)
{
	const ssize_t len = readlink("/proc/self/exe", to, n - 1);

	to[len > 0 ? len : 0] = '\0';
	char *slash = strrchr(to, '/');
	if (slash)
		*slash = '\0';
}

static bool names_a_file(const struct session *s)
{
	return strchr(s->name, '/') || strstr(s->name, ".json");
}

static void find_file(struct session *s)
{
	char own[PATH_MAX];

	if (names_a_file(s)) {
		(void)snprintf(s->file, sizeof s->file, "%s", s->name);
		return;
	}
	own_directory(own, sizeof own);
	(void)snprintf(s->file, sizeof s->file, "bench/experiments/chapters/%.200s.json", s->name);
	if (is_there(s->file))
		return;
	/* build/quern-bench of a tree that is not the current directory. */
	if (snprintf(s->file, sizeof s->file, "%s/../bench/experiments/chapters/%s.json", own,
		    s->name) >= PATH_MAX ||
		!is_there(s->file))
		(void)snprintf(
			s->file, sizeof s->file, "bench/experiments/chapters/%.200s.json", s->name);
}

/* bench/NAME of the tree that the chapter is in; else of the current directory. Absolute where it is there. */
static void find_folder(const struct session *s, const char *name, char to[PATH_MAX])
{
	char path[2 * PATH_MAX];
	const char *slash = strrchr(s->file, '/');

	(void)snprintf(path, sizeof path, "%.*s../../%s", slash ? (int)(slash - s->file) + 1 : 0,
		s->file, name);
	if (realpath(path, to))
		return;
	(void)snprintf(path, sizeof path, "bench/%s", name);
	if (!realpath(path, to))
		(void)snprintf(to, PATH_MAX, "bench/%s", name);
}

static int find_build(struct session *s)
{
	char own[PATH_MAX];

	own_directory(own, sizeof own);
	if (realpath(s->build_given ? s->build_given : own, s->build))
		return BENCH_GO_ON;
	return cli_fail(&s->cli, "%s: %s", s->build_given ? s->build_given : own, strerror(errno));
}

static int make_output(struct session *s)
{
	char path[PATH_MAX];
	int len = s->output ? snprintf(path, sizeof path, "%s", s->output)
			    : snprintf(path, sizeof path, "results/chapter-%s", s->chapter.name);

	if (len >= PATH_MAX - 100)
		return cli_fail(&s->cli, "%s: %s", s->output, strerror(ENAMETOOLONG));
	for (char *at = path + 1;; at++) {
		const char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			return cli_fail(&s->cli, "%s: %s", path, strerror(errno));
		*at = c;
		if (c == '\0')
			break;
	}
	if (!realpath(path, s->directory))
		return cli_fail(&s->cli, "%s: %s", path, strerror(errno));
	return BENCH_GO_ON;
}

static int begin(struct session *s)
{
	find_file(s);
	const int result = chapter_read(&s->chapter, s->file, s->full, &s->message);
	if (result == -EINVAL) {
		(void)fprintf(stderr, "%s\n", said(s));
		return cli_wrong(&s->cli, "%s is no chapter that could be run", s->file);
	}
	if (result == -ENOENT)
		return cli_wrong(&s->cli, "%s%s", said(s),
			names_a_file(s) ? ""
					: "; chapters by name are those of Quern's source, here or "
					  "above this program");
	if (result < 0)
		return cli_fail(&s->cli, "%s", said(s));
	find_folder(s, "services", s->services);
	find_folder(s, "peers", s->peers);
	int code = find_build(s);
	if (code == BENCH_GO_ON)
		code = make_output(s);
	if (code == BENCH_GO_ON &&
		machine_write(s->directory, s->cli.argc, s->cli.argv, &s->message) != 0)
		code = cli_fail(&s->cli, "%s", said(s));
	return code;
}

/* --- after ----------------------------------------------------------------------------------------------------- */

static void print_lines(const struct buffer *lines)
{
	const char *at = lines->data, *end = at ? at + lines->len : at;

	while (at < end) {
		const size_t len = strcspn(at, "\n");

		(void)printf("    %.*s\n", (int)len, at);
		at += len + 1;
	}
}

static void print_judgements(const struct session *s)
{
	for (size_t i = 0; i < s->chapter.claim_count; i++) {
		struct judgement *j = &s->judgement[i];
		const char *reason = buffer_cstring(&j->reason);

		(void)printf(
			"\n%s: %s. %s\n", j->say, judgement_words[j->kind], reason ? reason : "");
		if (buffer_cstring(&j->figures))
			print_lines(&j->figures);
	}
}

static int judge(struct session *s)
{
	struct buffer table;

	s->judgement = calloc(s->chapter.claim_count + 1, sizeof *s->judgement);
	if (!s->judgement)
		return cli_fail(&s->cli, "no memory is left");
	for (size_t i = 0; i < s->chapter.claim_count; i++)
		judgement_make(&s->judgement[i], &s->chapter, &s->chapter.claims[i], s->run.lines);
	buffer_init(&table);
	table_text(&s->chapter, s->run.lines, &table);
	(void)printf("\n%.*s", (int)table.len, table.len ? table.data : "");
	buffer_done(&table);
	print_judgements(s);
	return BENCH_GO_ON;
}

static int report(struct session *s)
{
	const struct chapter_report r = {.chapter = &s->chapter,
		.lines = s->run.lines,
		.judgement = s->judgement,
		.directory = s->directory,
		.full = s->full,
		.repeat = s->run.o->repeat};

	if (chapter_report_write(&r, &s->message) < 0)
		return cli_fail(&s->cli, "%s", said(s));
	(void)printf("\nresults and page are in %s\n", s->directory);
	return fflush(stdout) == 0
		       ? BENCH_GO_ON
		       : cli_fail(&s->cli, "cannot write to standard output: %s", strerror(errno));
}

static int conclude(struct session *s)
{
	bool all_hold = true;

	for (size_t i = 0; i < s->chapter.claim_count; i++)
		all_hold = all_hold && s->judgement[i].kind == JUDGEMENT_HOLDS;
	if (s->strict && !all_hold)
		return cli_fail(&s->cli, "not every claim holds (--strict)");
	if (s->run.voids > 0)
		(void)printf("%zu of %zu loads are void\n", s->run.voids, s->run.loads);
	return s->run.voids > 0 ? BENCH_VOID : BENCH_DONE;
}

static int run(struct session *s)
{
	const struct run_options o = {.chapter = &s->chapter,
		.directory = s->directory,
		.build = s->build,
		.services = s->services,
		.peers = s->peers,
		.repeat = s->repeat ? (unsigned)s->repeat : s->chapter.repeat,
		.full = s->full,
		.stop = progress_stop()};

	(void)printf("%s: %s\n", s->chapter.name, s->chapter.title);
	(void)fflush(stdout);
	const int result = run_stages(&s->run, &o, &s->message);
	if (result == -EINTR)
		return cli_fail(&s->cli,
			"interrupted: what was measured before is in %s/results.jsonl",
			s->directory);
	if (result < 0)
		return cli_fail(&s->cli, "%s", said(s));
	int code = judge(s);
	if (code == BENCH_GO_ON)
		code = report(s);
	return code == BENCH_GO_ON ? conclude(s) : code;
}

static int write_index(struct session *s)
{
	if (chapter_report_index(s->index, &s->message) < 0)
		return cli_fail(&s->cli, "%s", said(s));
	(void)printf("page: %s/index.html\n", s->index);
	return fflush(stdout) == 0 ? BENCH_DONE : BENCH_FAILED;
}

int bench_chapter(int argc, char **argv)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s) {
		(void)fputs("quern-bench chapter: no memory is left\n", stderr);
		return BENCH_FAILED;
	}
	(void)progress_stop();
	int code = read_options(s, argc, argv);
	if (code == BENCH_GO_ON && s->index)
		code = write_index(s);
	else if (code == BENCH_GO_ON)
		code = begin(s);
	if (code == BENCH_GO_ON)
		code = run(s);
	for (size_t i = 0; s->judgement && i < s->chapter.claim_count; i++)
		judgement_done(&s->judgement[i]);
	free(s->judgement);
	run_done(&s->run);
	chapter_done(&s->chapter);
	buffer_done(&s->message);
	free(s);
	return code;
}
