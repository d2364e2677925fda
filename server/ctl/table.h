/*
 * What `quernctl status` and `top` show: a summary of the fleet, and a table of its workers. Pure:
 * report to text.
 */
#ifndef QUERN_SERVER_CTL_TABLE_H
#define QUERN_SERVER_CTL_TABLE_H

#include "lib/buffer.h"
#include "server/ctl/report.h"

#include <stdbool.h>
#include <stddef.h>

struct table_style {
	/* Width in characters; columns that do not fit are left out, least needed first. */
	size_t columns;
	/* Lines at most, 0: no limit. Workers that do not fit are counted in one line. */
	size_t rows;
	bool colour; /* SGR sequences */
	bool utf8;   /* lines drawn with box characters */
};

/* Appends lines that each end in a newline and have no blanks at their end. */
void table_write(const struct report *r, const struct table_style *style, struct buffer *out);

/*
 * Whether the worker's loop is more than a second late at this moment: it is blocked or stopped,
 * although its slot may be ready. The table marks it.
 */
bool table_is_late(const struct report_row *row);

/* Appends text in a tone, when style->colour is set; otherwise just text. */
enum tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM, TONE_BOLD };
void table_tone(
	struct buffer *out, const struct table_style *style, enum tone tone, const char *text);

/* The tone of a worker's or the fleet's state. */
enum tone table_tone_of_state(const char *state);

/* The lines above the table. Appends them and returns how many they are. */
size_t summary_write(const struct report *r, const struct table_style *style, struct buffer *out);

#endif
