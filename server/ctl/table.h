/* What `quernctl status` and `top` show: a summary of the fleet, and a table of its workers. Pure:
 * report to text. */
#ifndef QUERN_SERVER_CTL_TABLE_H
#define QUERN_SERVER_CTL_TABLE_H

#include "lib/buffer.h"
#include "server/ctl/report.h"

#include <stdbool.h>
#include <stddef.h>

struct table_style {
	size_t columns; /* width in characters; columns of the table that do not fit are left out,
			   least needed first */
	size_t rows; /* lines at most, 0: no limit; workers that do not fit are counted in one line
		      */
	bool colour; /* SGR sequences */
	bool utf8;   /* lines drawn with box characters */
};

/* Appends lines that each end in a newline and have no blanks at their end. */
void table_write(const struct report *r, const struct table_style *style, struct buffer *out);

/* Appends text in a tone, when style->colour is set; otherwise just text. */
enum tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM, TONE_BOLD };
void table_tone(
	struct buffer *out, const struct table_style *style, enum tone tone, const char *text);

/* The tone of a worker's or the fleet's state. */
enum tone table_tone_of_state(const char *state);

/* The lines above the table. Appends them and returns how many they are. */
size_t summary_write(const struct report *r, const struct table_style *style, struct buffer *out);

#endif
