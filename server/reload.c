#include "server/reload.h"

#include "config/live.h"
#include "config/option.h"

#include <errno.h>
#include <string.h>

/* "; BEFORE NAMES...", if there are any. */
static void tell_names(struct buffer *text, const char *before, const struct buffer *names)
{
	if (names->len > 0) {
		buffer_printf(text, "%s%s", text->len > 0 ? "; " : "", before);
		buffer_append(text, names->data, names->len);
	}
	text->failed |= names->failed;
}

/* The options of that class that differ. How many. */
static unsigned tell(struct buffer *text, const struct config *old, const struct config *new,
	enum config_takes takes, const char *before)
{
	struct buffer names;

	buffer_init(&names);
	unsigned n = config_differ(old, new, takes, &names);
	tell_names(text, before, &names);
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

static void compare(struct reload *r, const struct reload_source *from, const struct config *old,
	const struct buffer *kept, struct buffer *text)
{
	const struct config *new = &r->config;
	unsigned live = tell(text, old, new, TAKES_LIVE, "taken at once: ");
	unsigned roll = tell(text, old, new, TAKES_ROLL, "by new workers: ");
	unsigned balancer =
		tell(text, old, new, TAKES_BALANCER, "for HAProxy, to be rendered and reloaded: ");

	tell_names(text, "not taken, but by an upgrade or a restart: ", kept);
	if (text->len == 0)
		buffer_puts(text, "nothing has changed");
	tell_pinned(text, from);
	r->changed = live + roll + balancer > 0;
	r->rolls = roll > 0;
	/* Its log, where it sends figures, and what it shows of HAProxy's options. */
	static const enum config_id of_admin[] = {
		ID_log_destination, ID_metrics_statsd, ID_metrics_prefix};
	r->admin_too = balancer > 0;
	for (size_t i = 0; i < sizeof(of_admin) / sizeof(of_admin[0]); i++)
		if (!config_same(&config_options[of_admin[i]], old, new))
			r->admin_too = true;
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

static int read_again(struct reload *r, const struct reload_source *from, const struct config *old,
	struct buffer *kept, struct buffer *warnings, struct buffer *text)
{
	int error = config_load_beside(&r->config, old, kept, from->file, from->environment,
		from->set, from->settings, text, warnings);

	if (error) {
		/* The last line's end is the reader's to add. */
		if (text->len > 0 && text->data[text->len - 1] == '\n')
			text->len--;
		return error;
	}
	compare(r, from, old, kept, text);
	tell_warnings(text, warnings);
	if (!text->failed)
		return 0;
	config_done(&r->config);
	return -ENOMEM;
}

int reload_read(struct reload *ret, const struct reload_source *from, const struct config *old,
	struct buffer *text)
{
	struct buffer kept, warnings;
	struct reload r = {0};

	buffer_init(&kept);
	buffer_init(&warnings);
	int error = read_again(&r, from, old, &kept, &warnings, text);
	buffer_done(&kept);
	buffer_done(&warnings);
	if (error == 0)
		*ret = r;
	return error;
}
