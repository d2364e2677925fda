#include "server/reload.h"

#include "config/live.h"
#include "config/option.h"

#include <errno.h>
#include <string.h>

/* "; NAMES...", if any option of that class differs. How many. */
static unsigned tell(struct buffer *text, const struct config *old, const struct config *new,
	enum config_takes takes, const char *before, const char *after)
{
	struct buffer names;

	buffer_init(&names);
	unsigned n = config_differ(old, new, takes, &names);
	if (n > 0) {
		buffer_printf(text, "%s%s", text->len > 0 ? "; " : "", before);
		buffer_append(text, names.data, names.len);
		buffer_puts(text, after);
	}
	text->failed |= names.failed;
	buffer_done(&names);
	return n;
}

/* What --set gave stays, whatever the file says now: an operator who edits the file in vain should know. */
static void tell_pinned(struct buffer *text, const struct reload_source *from)
{
	for (size_t i = 0; i < from->settings; i++) {
		buffer_puts(text, i > 0		  ? ", "
				  : text->len > 0 ? "; pinned by --set: "
						  : "pinned by --set: ");
		buffer_append(text, from->set[i], strcspn(from->set[i], "="));
	}
}

/* Gives the new configuration the old values of what a running master cannot take. */
static int keep_old(struct config *new, const struct config *old)
{
	int error = 0;

	for (int i = 0; i < CONFIG_IDS && !error; i++)
		if (config_options[i].takes == TAKES_UPGRADE)
			error = config_copy_option(&config_options[i], new, old);
	return error;
}

static void compare(struct reload *r, const struct reload_source *from, const struct config *old,
	struct buffer *text)
{
	const struct config *new = &r->config;
	unsigned live = tell(text, old, new, TAKES_LIVE, "taken at once: ", "");
	unsigned roll = tell(text, old, new, TAKES_ROLL, "by new workers: ", "");
	unsigned balancer = tell(
		text, old, new, TAKES_BALANCER, "for HAProxy, to be rendered and reloaded: ", "");

	(void)tell(
		text, old, new, TAKES_UPGRADE, "not taken, but by an upgrade or a restart: ", "");
	if (text->len == 0)
		buffer_puts(text, "nothing has changed");
	tell_pinned(text, from);
	r->changed = live + roll + balancer > 0;
	r->rolls = roll > 0;
	/* Its log, and what it shows of HAProxy's options. */
	r->admin_too = balancer > 0 || !config_same(&config_options[ID_log_destination], old, new);
}

/* Each line of the warnings, behind the rest. */
static void tell_warnings(struct buffer *text, struct buffer *warnings)
{
	const char *line = buffer_cstring(warnings);

	text->failed |= !line;
	while (line && *line) {
		const size_t len = strcspn(line, "\n");

		buffer_puts(text, "; warning: ");
		buffer_append(text, line, len);
		line += len + (line[len] == '\n');
	}
}

int reload_read(struct reload *ret, const struct reload_source *from, const struct config *old,
	struct buffer *text)
{
	struct reload r = {0};
	struct buffer warnings;

	buffer_init(&warnings);
	int error = config_load(&r.config, from->file, from->environment, from->set, from->settings,
		text, &warnings);
	if (error) {
		/* The last line's end is the reader's to add. */
		if (text->len > 0 && text->data[text->len - 1] == '\n')
			text->len--;
		buffer_done(&warnings);
		return error;
	}
	compare(&r, from, old, text);
	tell_warnings(text, &warnings);
	buffer_done(&warnings);
	error = keep_old(&r.config, old);
	if (error || text->failed) {
		config_done(&r.config);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}
