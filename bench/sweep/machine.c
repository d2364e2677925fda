#include "bench/sweep/machine.h"

#include "bench/fleet/process.h"
#include "bench/output.h"
#include "bench/revision.h"
#include "lib/clock.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define VERSION_MS 5000

static json_t *text_or_null(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

/* "model name : ..." of the first CPU. */
static json_t *cpu_model(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];
	json_t *model = NULL;

	while (file && !model && fgets(line, sizeof line, file)) {
		const char *colon = strchr(line, ':');

		line[strcspn(line, "\n")] = '\0';
		if (colon && strncmp(line, "model name", 10) == 0)
			model = text_or_null(colon + 1 + strspn(colon + 1, " "));
	}
	if (file)
		(void)fclose(file);
	return model ? model : json_null();
}

static json_t *kernel(void)
{
	struct utsname u;
	char text[sizeof u.sysname + sizeof u.release + sizeof u.machine + 3];

	if (uname(&u) != 0)
		return json_null();
	(void)snprintf(text, sizeof text, "%s %s %s", u.sysname, u.release, u.machine);
	return text_or_null(text);
}

static json_t *first_line(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	const char *read = file ? fgets(line, sizeof line, file) : NULL;

	if (file)
		(void)fclose(file);
	if (!read)
		return json_null();
	line[strcspn(line, "\n")] = '\0';
	return text_or_null(line);
}

/* What a program says when asked; null where there is none. */
static json_t *version_of(const char *dir, const char *name, const char *option)
{
	struct buffer program, log, ignored;
	json_t *version = NULL;
	char word[16];
	pid_t pid;

	buffer_init(&program);
	buffer_init(&log);
	buffer_init(&ignored);
	(void)snprintf(word, sizeof word, "%s", option);
	buffer_printf(&log, "%s/version.%ld", dir, (long)getpid());
	const char *path = buffer_cstring(&log);
	if (path && process_find(&program, name, &ignored) == 0) {
		char *const argv[] = {program.data, word, NULL};

		if (process_start(&pid, argv, path, NULL, &ignored) == 0) {
			(void)process_await(pid, VERSION_MS);
			(void)process_end(pid, 0);
			version = first_line(path);
		}
		/* Also what a program that could not be started has left. */
		(void)unlink(path);
	}
	buffer_done(&program);
	buffer_done(&log);
	buffer_done(&ignored);
	return version ? version : json_null();
}

static json_t *command_line(int argc, char *const *argv)
{
	struct buffer text;

	buffer_init(&text);
	buffer_puts(&text, "quern-bench");
	for (int i = 0; i < argc; i++)
		buffer_printf(&text, strpbrk(argv[i], " ()*?[]") ? " '%s'" : " %s", argv[i]);
	json_t *command = text_or_null(buffer_cstring(&text));
	buffer_done(&text);
	return command;
}

static unsigned usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int machine_write(const char *dir, int argc, char *const *argv, struct buffer *error)
{
	char time[CLOCK_UTC_BYTES];
	struct buffer path;
	const double memory =
		(double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30);
	json_t *object = json_pack("{s:s, s:o, s:i, s:i, s:f, s:o, s:{s:s, s:o, s:o, s:o}, s:o}",
		"time", clock_format_utc(time, sizeof time, clock_wall_us(), 3), "cpu", cpu_model(),
		"cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "usable_cpus", (int)usable_cpus(),
		"memory_gib", memory, "kernel", kernel(), "versions", "quern-bench", QUERN_VERSION,
		"revision", text_or_null(*QUERN_REVISION ? QUERN_REVISION : NULL), "quernd",
		version_of(dir, "quernd", "--version"), "haproxy", version_of(dir, "haproxy", "-v"),
		"command", command_line(argc, argv));

	buffer_init(&path);
	buffer_printf(&path, "%s/machine.json", dir);
	const char *name = buffer_cstring(&path);
	const int result = name && object ? output_json(name, object) : -ENOMEM;
	if (result < 0)
		buffer_printf(error, "%s/machine.json: %s", dir, strerror(-result));
	json_decref(object);
	buffer_done(&path);
	return result;
}
