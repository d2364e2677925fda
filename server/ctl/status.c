#include "server/ctl/ctl.h"
#include "server/ctl/fetch.h"
#include "server/ctl/screen.h"
#include "server/ctl/table.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

_Static_assert(CTL_WHY_BYTES >= FETCH_WHY_BYTES, "an explanation fits");

static int read_body(const char *address, const struct buffer *body, struct report *ret, char *why)
{
	int r = report_read(ret, body->data ? body->data : "", body->len);

	if (r == -ENOMEM)
		(void)snprintf(why, CTL_WHY_BYTES, "out of memory");
	else if (r < 0)
		(void)snprintf(why, CTL_WHY_BYTES,
			"what answers at %s is not quernd's admin process", address);
	return r;
}

int ctl_report(const char *address, struct report *ret, char why[CTL_WHY_BYTES])
{
	struct buffer body;
	int r;

	buffer_init(&body);
	r = fetch_get(address, "/status.json", CTL_DEADLINE_MS, &body, why);
	if (r == 0)
		r = read_body(address, &body, ret, why);
	buffer_done(&body);
	return r;
}

static int print(const struct buffer *text)
{
	if (!text->failed && fwrite(text->data, 1, text->len, stdout) == text->len &&
		fflush(stdout) == 0)
		return EXIT_DONE;
	(void)fprintf(stderr, "quernctl: cannot write the status\n");
	return EXIT_FAILED;
}

int ctl_status(const char *address, bool json)
{
	char why[CTL_WHY_BYTES];
	struct report report = {0};
	struct table_style style = screen_style(STDOUT_FILENO);
	struct buffer body, text;
	int r;

	buffer_init(&body);
	buffer_init(&text);
	r = fetch_get(address, "/status.json", CTL_DEADLINE_MS, &body, why);
	if (r == 0)
		r = read_body(address, &body, &report, why);
	if (r < 0) {
		(void)fprintf(stderr, "quernctl: %s\n", why);
		r = EXIT_FAILED;
	} else if (json) {
		r = print(&body);
	} else {
		style.rows = 0;
		table_write(&report, &style, &text);
		r = print(&text);
	}
	report_done(&report);
	buffer_done(&text);
	buffer_done(&body);
	return r;
}
