#include "config/config.h"

#include "config/draft.h"
#include "config/live.h"
#include "config/option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void set_defaults(struct config_draft *d)
{
	for (int i = 0; i < CONFIG_IDS; i++) {
		const struct config_option *o = &config_options[i];
		draft_settle(
			d, o, ORIGIN_DEFAULT, config_value_default(o, &d->values), o->text, NULL);
	}
}

static void read_variable(struct config_draft *d, const char *assignment)
{
	const char *equals = strchr(assignment, '=');

	if (!equals ||
		strncmp(assignment, CONFIG_VARIABLE_PREFIX, strlen(CONFIG_VARIABLE_PREFIX)) != 0)
		return;
	const char *text = equals + 1;
	const size_t len = (size_t)(equals - assignment);
	const struct config_option *o = config_option_find_variable(assignment, len);
	if (o) {
		draft_settle(d, o, ORIGIN_ENVIRONMENT,
			config_value_from_text(o, &d->values, text, strlen(text)), text, NULL);
		return;
	}

	char name[CONFIG_NAME_BYTES];
	buffer_puts(d->warnings, "environment: there is no option for the variable ");
	config_put_quoted(d->warnings, assignment, len);
	o = config_option_nearest_variable(assignment, len);
	if (o)
		buffer_printf(d->warnings, "; did you mean %s?", config_option_variable(o, name));
	buffer_putc(d->warnings, '\n');
}

static void read_set(struct config_draft *d, const char *assignment)
{
	const char *equals = strchr(assignment, '=');

	if (!equals) {
		buffer_puts(d->errors, "--set: ");
		config_put_quoted(d->errors, assignment, strlen(assignment));
		buffer_puts(d->errors, " is not of the form section.key=value\n");
		return;
	}
	const char *text = equals + 1;
	const size_t len = (size_t)(equals - assignment);
	const struct config_option *o = config_option_find_name(assignment, len);
	if (o) {
		draft_settle(d, o, ORIGIN_SET,
			config_value_from_text(o, &d->values, text, strlen(text)), text, NULL);
		return;
	}

	char name[CONFIG_NAME_BYTES];
	buffer_puts(d->errors, "--set: there is no option ");
	config_put_quoted(d->errors, assignment, len);
	o = config_option_nearest_name(assignment, len);
	if (o)
		buffer_printf(d->errors, "; did you mean %s?", config_option_name(o, name));
	buffer_putc(d->errors, '\n');
}

static void read_all(
	struct config_draft *d, char *const *environment, const char *const *set, size_t n)
{
	set_defaults(d);
	if (d->file)
		draft_read_file(d);
	for (; environment && *environment; environment++)
		read_variable(d, *environment);
	for (size_t i = 0; i < n; i++)
		read_set(d, set[i]);
}

/* Without the file's values, what does not fit together says nothing about those that were meant. */
static void check(const struct config_draft *d)
{
	if (!d->file_wrong && !d->out_of_memory)
		draft_check(d);
}

static int finish(struct config_draft *d, struct config *ret, size_t errors_before)
{
	int result = 0;

	if (d->out_of_memory || d->errors->failed || d->warnings->failed)
		result = -ENOMEM;
	else if (d->errors->len > errors_before)
		result = -EINVAL;
	if (result < 0)
		config_done(&d->values);
	else
		*ret = d->values;
	return result;
}

int config_load(struct config *ret, const char *file, char *const *environment,
	const char *const *set, size_t n, struct buffer *errors, struct buffer *warnings)
{
	struct config_draft d = {
		.file = file, .waits = true, .errors = errors, .warnings = warnings};
	const size_t errors_before = errors->len;

	read_all(&d, environment, set, n);
	check(&d);
	return finish(&d, ret, errors_before);
}

/* How many options keep their running value against another one that was given. */
static unsigned keep(struct config_draft *d, const struct config *running, struct buffer *kept)
{
	const unsigned n = config_differ(running, &d->values, TAKES_UPGRADE, kept);

	for (int i = 0; i < CONFIG_IDS && n > 0; i++) {
		const struct config_option *o = &config_options[i];

		if (o->takes != TAKES_UPGRADE || config_same(o, running, &d->values))
			continue;
		if (config_copy_option(o, &d->values, running) == 0) {
			d->origin[i] = ORIGIN_RUNNING;
			continue;
		}
		d->out_of_memory = true;
		buffer_puts(d->errors, "out of memory\n");
		break;
	}
	return n;
}

int config_load_beside(struct config *ret, const struct config *running, struct buffer *kept,
	const char *file, char *const *environment, const char *const *set, size_t n,
	struct buffer *errors, struct buffer *warnings)
{
	struct config_draft d = {.file = file, .errors = errors, .warnings = warnings};
	const size_t errors_before = errors->len;

	read_all(&d, environment, set, n);
	const size_t warnings_before = warnings->len;
	check(&d);
	if (d.out_of_memory || errors->len > errors_before)
		return finish(&d, ret, errors_before);
	/* Each value is right, and they fit together, but not all of them will be in force. */
	if (keep(&d, running, kept) > 0) {
		warnings->len = warnings_before;
		check(&d);
	}
	return finish(&d, ret, errors_before);
}

void config_done(struct config *c)
{
	for (int i = 0; i < CONFIG_IDS; i++)
		config_value_done(&config_options[i], c);
}

int64_t config_worker_count(const struct config *c)
{
	const int64_t count =
		c->workers_count == CONFIG_AUTO ? config_usable_cpus() : c->workers_count;

	return count < c->workers_max ? count : c->workers_max;
}
