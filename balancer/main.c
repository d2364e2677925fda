/* quern-balancer: Quern's configuration as one for HAProxy. */
#include "balancer/render.h"
#include "config/config.h"
#include "lib/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, WRONG_USAGE = 2 };

struct arguments {
	const char *config, *output;
	const char **set;
	size_t set_count;
};

static const char usage[] =
	"usage: quern-balancer render -c FILE [--set SECTION.KEY=VALUE]... [-o FILE]\n"
	"       quern-balancer --help | --version\n";

static const char help[] = "\n"
			   "Prints HAProxy's configuration for the workers of quernd, made from "
			   "the same configuration.\n"
			   "\n"
			   "  -c FILE               Quern's configuration\n"
			   "  --set SECTION.KEY=VALUE\n"
			   "                        overrides file and environment\n"
			   "  -o FILE               write to FILE, which is replaced in one step; "
			   "otherwise to standard output\n"
			   "\n"
			   "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n";

static int wrong_usage(const char *why)
{
	fprintf(stderr, "quern-balancer: %s\n%s", why, usage);
	return WRONG_USAGE;
}

/* A message that names the file, the reason, and nothing else. */
static int failed(const char *file, int error)
{
	fprintf(stderr, "quern-balancer: %s: %s\n", file, strerror(error));
	return FAILED;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Readers see the old file or the new one, whole, whenever they look and whatever fails here. */
static int replace_file(const char *file, const struct buffer *content)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", file);
	if (n < 0 || (size_t)n >= sizeof temporary)
		return -ENAMETOOLONG;
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;

	mode_t mask = umask(0);
	(void)umask(mask);
	int r = fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
	if (r == 0)
		r = write_all(fd, content->data, content->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, file) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

static int print(const struct arguments *arguments, const struct buffer *content)
{
	const char *name = arguments->output ? arguments->output : "standard output";
	int r = arguments->output ? replace_file(arguments->output, content)
				  : write_all(STDOUT_FILENO, content->data, content->len);

	return r < 0 ? failed(name, -r) : DONE;
}

static int render(const struct arguments *arguments, const struct config *config)
{
	if (config->balancer_kind == BALANCER_NONE) {
		fputs("quern-balancer: balancer.kind is none: the workers listen on "
		      "balancer.listen themselves\n",
			stderr);
		return WRONG_USAGE;
	}
	struct buffer content;
	buffer_init(&content);
	int r = render_haproxy(config, &content);
	int code = r < 0 ? failed("haproxy.cfg", -r) : print(arguments, &content);
	buffer_done(&content);
	return code;
}

static int load_and_render(const struct arguments *arguments)
{
	struct config config;
	struct buffer errors, warnings;
	buffer_init(&errors);
	buffer_init(&warnings);
	int r = config_load(&config, arguments->config, environ, arguments->set,
		arguments->set_count, &errors, &warnings);
	if (warnings.len)
		(void)fwrite(warnings.data, 1, warnings.len, stderr);
	if (errors.len)
		(void)fwrite(errors.data, 1, errors.len, stderr);
	buffer_done(&errors);
	buffer_done(&warnings);
	if (r < 0)
		return r == -ENOMEM ? FAILED : WRONG_USAGE;

	int code = render(arguments, &config);
	config_done(&config);
	return code;
}

/* DONE when there is something to render; -1 when --help or --version has been answered. */
static int parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'},
		{"set", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:o:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->config = optarg;
			break;
		case 'o':
			ret->output = optarg;
			break;
		case 's':
			ret->set[ret->set_count++] = optarg;
			break;
		case 'h':
			printf("%s%s", usage, help);
			return -1;
		case 'v':
			puts("quern-balancer " QUERN_VERSION);
			return -1;
		default:
			fputs(usage, stderr);
			return WRONG_USAGE;
		}
	}
	if (optind + 1 != argc || strcmp(argv[optind], "render") != 0)
		return wrong_usage("the command is missing, or is not \"render\"");
	if (!ret->config)
		return wrong_usage("-c FILE is missing");
	return DONE;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	arguments.set = calloc((size_t)argc + 1, sizeof *arguments.set);
	if (!arguments.set)
		return failed("arguments", ENOMEM);
	int code = parse(argc, argv, &arguments);
	if (code == DONE)
		code = load_and_render(&arguments);
	free(arguments.set);
	return code < 0 ? DONE : code;
}
