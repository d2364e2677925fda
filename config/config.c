#include "config/config.h"

#include "config/draft.h"
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

int config_load(struct config *ret, const char *file, char *const *environment,
	const char *const *set, size_t n, struct buffer *errors, struct buffer *warnings)
{
	struct config_draft d = {.file = file, .errors = errors, .warnings = warnings};
	const size_t errors_before = errors->len;

	set_defaults(&d);
	if (file)
		draft_read_file(&d);
	for (; environment && *environment; environment++)
		read_variable(&d, *environment);
	for (size_t i = 0; i < n; i++)
		read_set(&d, set[i]);
	/* Without the file's values, what does not fit together says nothing about those that were
	 * meant. */
	if (!d.file_wrong && !d.out_of_memory)
		draft_check(&d);

	int result = 0;
	if (d.out_of_memory || errors->failed || warnings->failed)
		result = -ENOMEM;
	else if (errors->len > errors_before)
		result = -EINVAL;
	if (result < 0)
		config_done(&d.values);
	else
		*ret = d.values;
	return result;
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
