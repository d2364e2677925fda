#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/screen.h"
#include "server/ctl/table.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_US 1000000u

/* What is shown: the last report there was, and what went wrong since. */
struct top {
	const char *address;
	struct report report;
	bool has_report;
	time_t at; /* of the report */
	char why[CTL_WHY_BYTES];
	bool failing;
};

static void refresh(struct top *t)
{
	struct report fresh;

	t->failing = ctl_report(t->address, &fresh, t->why) < 0;
	if (t->failing)
		return;
	report_done(&t->report);
	t->report = fresh;
	t->has_report = true;
	t->at = time(NULL);
}

static void write_footer(const struct top *t, const struct table_style *style, struct buffer *out)
{
	char text[CTL_WHY_BYTES + 64], at[16] = "";
	struct tm tm;

	if (t->has_report && localtime_r(&t->at, &tm))
		(void)strftime(at, sizeof(at), "%H:%M:%S", &tm);
	if (t->failing) {
		(void)snprintf(text, sizeof(text), "%s", t->why);
		if (strlen(text) > style->columns)
			text[style->columns] = '\0';
		table_tone(out, style, TONE_BAD, text);
		buffer_putc(out, '\n');
		(void)snprintf(text, sizeof(text), "trying again every second   %s%s   q quits",
			t->has_report ? "figures of " : "no figures yet", at);
	} else {
		(void)snprintf(text, sizeof(text), "%s   every second   q quits", at);
	}
	if (strlen(text) > style->columns)
		text[style->columns] = '\0';
	table_tone(out, style, TONE_DIM, text);
}

static int draw(const struct top *t)
{
	struct table_style style = screen_style(STDOUT_FILENO);
	size_t rows = style.rows, footer = t->failing ? 3 : 2;
	struct buffer out;
	int r;

	buffer_init(&out);
	/* The footer stays, however low the terminal is: it tells how to quit. */
	if (t->has_report && (rows == 0 || rows > footer)) {
		style.rows = rows ? rows - footer : 0;
		table_write(&t->report, &style, &out);
		buffer_putc(&out, '\n');
	}
	write_footer(t, &style, &out);
	r = screen_draw(&out, rows);
	buffer_done(&out);
	return r;
}

static int run(struct top *t)
{
	uint64_t next_us = clock_us();

	for (;;) {
		uint64_t now_us = clock_us();
		enum screen_event event;

		if (now_us >= next_us) {
			refresh(t);
			next_us += PERIOD_US;
			/* After a stop or a slow answer: from now on, not all that was missed. */
			if (next_us < now_us)
				next_us = now_us + PERIOD_US;
		}
		if (draw(t) < 0)
			return EXIT_FAILED;
		event = screen_wait(next_us);
		if (event == SCREEN_QUIT)
			return EXIT_DONE;
	}
}

int ctl_top(const char *address)
{
	struct top t = {.address = address};
	int r;

	if (!isatty(STDOUT_FILENO)) {
		(void)fprintf(stderr, "quernctl: top needs a terminal; status does not\n");
		return EXIT_USAGE;
	}
	if (screen_open() < 0) {
		(void)fprintf(stderr, "quernctl: cannot use the terminal\n");
		return EXIT_FAILED;
	}
	r = run(&t);
	screen_close();
	report_done(&t.report);
	if (r == EXIT_FAILED)
		(void)fprintf(stderr, "quernctl: cannot write to the terminal\n");
	/* Ctrl-C is how one leaves; whatever else wanted us dead gets its way. */
	if (screen_signal() && screen_signal() != SIGINT) {
		sigset_t all;

		(void)signal(screen_signal(), SIG_DFL);
		(void)sigemptyset(&all);
		(void)sigaddset(&all, screen_signal());
		(void)raise(screen_signal());
		(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	}
	return r;
}
