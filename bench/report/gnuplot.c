#include "bench/report/gnuplot.h"

#include "bench/report/style_gp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/*
 * Everything happens in a directory of its own, by short names: no path of the user's ever stands
 * in a script.
 */
static const char *const files[] = {
	"style.gp", "body.gp", "main.gp", "plot.png", "light.svg", "dark.svg", "messages"};

static void put_variant(
	struct buffer *out, const char *terminal, const char *heading, const char *file, int dark)
{
	buffer_printf(out,
		"reset session\ndark = %d\nheading = '%s'\nload 'style.gp'\nset terminal %s "
		"background rgb paper\n"
		"set encoding utf8\nset output '%s'\nload 'body.gp'\nset output\n",
		dark, heading, terminal, file);
}

static void put_main(struct buffer *out, const struct picture *p)
{
	char png[160], svg[160];

	(void)snprintf(png, sizeof(png),
		"pngcairo noenhanced size %u,%u font 'sans,10' fontscale 2 linewidth 2 "
		"pointscale 2",
		2 * p->width, 2 * p->height);
	(void)snprintf(svg, sizeof(svg), "svg noenhanced size %u,%u font 'sans-serif,12'", p->width,
		p->height);
	put_variant(out, png, ",14", "plot.png", 0);
	put_variant(out, svg, ",16", "light.svg", 0);
	put_variant(out, svg, ",16", "dark.svg", 1);
}

static int write_file(int dir, const char *name, const char *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	while (len > 0 && r == 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int read_file(int dir, const char *name, struct buffer *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		char *to = buffer_reserve(out, 65536);
		ssize_t n = to ? read(fd, to, 65536) : -1;

		if (n > 0) {
			out->len += (size_t)n;
			continue;
		}
		if (n < 0 && to && errno == EINTR)
			continue;
		if (n < 0)
			r = to ? -errno : -ENOMEM;
		break;
	}
	(void)close(fd);
	return r;
}

static int write_scripts(int dir, const struct picture *p)
{
	struct buffer text;

	buffer_init(&text);
	put_main(&text, p);
	int r = text.failed || p->script.failed ? -ENOMEM : 0;
	if (r == 0)
		r = write_file(dir, "main.gp", text.data, text.len);
	if (r == 0)
		r = write_file(dir, "body.gp", p->script.data, p->script.len);
	if (r == 0)
		r = write_file(dir, "style.gp", style_gp, strlen(style_gp));
	buffer_done(&text);
	return r;
}

/* 0, a negative errno of the start, or gnuplot's wait status. */
static int run(const char *dir, int *ret_status)
{
	/* -d: the user's own gnuplot settings stay out of it. */
	char program[] = "gnuplot", plain[] = "-d", script[] = "main.gp";
	char *const argv[] = {program, plain, script, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	int r = posix_spawn_file_actions_addchdir_np(&actions, dir);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(
			&actions, 1, "messages", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, 1, 2);
	if (r == 0)
		r = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return -r;
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int tell_failure(int dir, const struct picture *p, int status, struct buffer *error)
{
	struct buffer words;

	buffer_init(&words);
	(void)read_file(dir, "messages", &words);
	buffer_printf(error, "gnuplot could not draw %s (%s %d)%s%.*s", p->name,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		words.len > 0 ? ": " : "", words.len > 2000 ? 2000 : (int)words.len,
		words.len > 0 ? words.data : "");
	buffer_done(&words);
	return -EPROTO;
}

static int draw_in(int dir, const char *path, struct gnuplot_images *to, const struct picture *p,
	struct buffer *error)
{
	int status = 0;
	int r = write_scripts(dir, p);
	if (r < 0)
		return r;
	r = run(path, &status);
	if (r == -ENOENT) {
		buffer_puts(error, "gnuplot is needed for the plots and is not in PATH (Debian: "
				   "apt-get install gnuplot-nox)");
		return r;
	}
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return tell_failure(dir, p, status, error);
	r = read_file(dir, "plot.png", &to->png);
	if (r == 0)
		r = read_file(dir, "light.svg", &to->light);
	if (r == 0)
		r = read_file(dir, "dark.svg", &to->dark);
	if (r == 0 && (to->png.len == 0 || to->light.len == 0 || to->dark.len == 0))
		return tell_failure(dir, p, status, error);
	return r;
}

static void remove_all(int dir)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlinkat(dir, files[i], 0);
}

int gnuplot_draw(struct gnuplot_images *ret, const struct picture *p, struct buffer *error)
{
	const char *temporary = getenv("TMPDIR");
	struct gnuplot_images images = {0};
	char path[PATH_MAX];

	int n = snprintf(path, sizeof(path), "%s/quern-plot.XXXXXX",
		temporary && *temporary ? temporary : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(path) || !mkdtemp(path)) {
		int r = n < 0 || (size_t)n >= sizeof(path) ? -ENAMETOOLONG : -errno;
		buffer_printf(error, "%s: %s", path, strerror(-r));
		return r;
	}
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : draw_in(dir, path, &images, p, error);
	if (r < 0 && error->len == 0)
		buffer_printf(error, "plot %s in %s: %s", p->name, path, strerror(-r));
	if (dir >= 0) {
		remove_all(dir);
		(void)close(dir);
	}
	(void)rmdir(path);
	if (r < 0) {
		gnuplot_images_done(&images);
		return r;
	}
	*ret = images;
	return 0;
}

void gnuplot_images_done(struct gnuplot_images *i)
{
	buffer_done(&i->png);
	buffer_done(&i->light);
	buffer_done(&i->dark);
}
