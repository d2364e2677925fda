#include "bench/report/picture.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEADING_BYTES 256
#define HEADING_LETTER 10 /* px, about */
#define HEADING_LINE 20	  /* px */

/* Room around the panels, px: for the axes' numbers and labels, the titles and the legend. */
#define LEFT 84
#define RIGHT 22
#define RIGHT_SECOND_AXIS 76
#define BETWEEN_COLUMNS 82
#define BETWEEN_ROWS 94
#define TOP_OF_PANEL 26
#define BOTTOM 72
#define LEGEND_ROW 22
#define LEGEND_SAMPLE 64 /* px of an entry besides its text, and of a letter */
#define LEGEND_LETTER 8

static void put_name(char *to, size_t n, const char *from)
{
	size_t len = 0;

	for (; *from && len + 1 < n; from++) {
		bool plain = isalnum((unsigned char)*from) || *from == '.' || *from == '_';

		if (plain && !(len == 0 && *from == '.'))
			to[len++] = *from;
		else if (len > 0 && to[len - 1] != '-')
			to[len++] = '-';
	}
	while (len > 0 && to[len - 1] == '-')
		len--;
	to[len] = '\0';
}

void picture_init(struct picture *p, const char *name, unsigned width, unsigned height,
	unsigned columns, unsigned rows)
{
	*p = (struct picture){
		.width = width, .height = height, .columns = columns, .rows = rows, .top = 40};
	put_name(p->name, sizeof(p->name), name);
	buffer_init(&p->title);
	buffer_init(&p->script);
	buffer_init(&p->elements_text);
	buffer_init(&p->legend);
	buffer_puts(&p->script, "set multiplot\n");
}

void picture_done(struct picture *p)
{
	buffer_done(&p->title);
	buffer_done(&p->script);
	buffer_done(&p->elements_text);
	buffer_done(&p->legend);
}

void picture_quote(struct buffer *out, const char *text)
{
	buffer_putc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buffer_puts(out, "''");
		else
			buffer_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
	}
	buffer_putc(out, '\'');
}

static void put_heading_line(struct picture *p, unsigned line, const char *text, size_t len)
{
	char copy[HEADING_BYTES];

	(void)snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	buffer_printf(&p->script, "set label %u ", 1000 + line);
	picture_quote(&p->script, copy);
	buffer_printf(&p->script,
		" at screen %.4f, screen %.4f left noenhanced font heading textcolor rgb ink\n",
		12.0 / p->width, 1 - (20.0 + line * HEADING_LINE) / p->height);
}

/* What is too long for one line goes on in a second one behind its colon. */
void picture_heading(struct picture *p, const char *heading)
{
	const char *colon = strstr(heading, ": ");

	buffer_puts(&p->title, heading);
	if (!colon || strlen(heading) * HEADING_LETTER + 24 <= p->width) {
		put_heading_line(p, 0, heading, strlen(heading));
		return;
	}
	put_heading_line(p, 0, heading, (size_t)(colon - heading));
	put_heading_line(p, 1, colon + 2, strlen(colon + 2));
	p->top += HEADING_LINE;
}

/*
 * 1, 2 and 5 of each decade; over many decades only the 1. gnuplot's own choice is often a single
 * number.
 */
static void put_log_tics(struct buffer *out, const char *name, double low, double high)
{
	static const double step[] = {1, 2, 5};
	const unsigned steps = high / low > 3000 ? 1 : 3;
	unsigned n = 0;

	buffer_printf(out, "set %stics (", name);
	for (int decade = (int)floor(log10(low)); decade <= (int)floor(log10(high)); decade++)
		for (unsigned i = 0; i < steps; i++) {
			double at = step[i] * pow(10, decade);

			if (at >= low * 0.999 && at <= high * 1.001)
				buffer_printf(out, "%s'%.6g' %.6g", n++ > 0 ? ", " : "", at, at);
		}
	buffer_puts(out, ")\n");
}

static void put_axis(struct buffer *out, const char *name, const struct picture_axis *a)
{
	buffer_printf(out, "set %slabel ", name);
	picture_quote(out, a->label ? a->label : "");
	buffer_puts(out, " noenhanced\n");
	buffer_printf(out, a->log ? "set logscale %s\n" : "unset logscale %s\n", name);
	buffer_printf(out, "set %srange [", name);
	if (!isnan(a->low))
		buffer_printf(out, "%.10g", a->low);
	buffer_putc(out, ':');
	if (!isnan(a->high))
		buffer_printf(out, "%.10g", a->high);
	buffer_printf(out, "]\nset format %s '%s'\n", name, a->format ? a->format : "%g");
	if (a->log && a->low > 0 && a->high > a->low)
		put_log_tics(out, name, a->low, a->high);
	else
		buffer_printf(out, "set %stics autofreq\n", name);
}

static unsigned legend_columns(const struct picture *p)
{
	unsigned entry = LEGEND_SAMPLE + LEGEND_LETTER * p->legend_letters;
	unsigned columns = entry < p->width ? p->width / entry : 1;

	return columns < p->legends ? columns : p->legends;
}

static unsigned legend_rows(const struct picture *p)
{
	unsigned columns = legend_columns(p);

	return columns > 0 ? (p->legends + columns - 1) / columns : 0;
}

void picture_panel(struct picture *p, unsigned column, unsigned row, const char *title,
	const struct picture_axis *x, const struct picture_axis *y)
{
	double right = p->second_axis ? RIGHT_SECOND_AXIS : RIGHT;
	double bottom = BOTTOM + LEGEND_ROW * (double)legend_rows(p);
	double wide =
		(p->width - LEFT - right - (p->columns - 1) * (double)BETWEEN_COLUMNS) / p->columns;
	double high = (p->height - p->top - TOP_OF_PANEL - bottom -
			      (p->rows - 1) * (double)BETWEEN_ROWS) /
		      p->rows;
	double left = LEFT + column * (wide + BETWEEN_COLUMNS);
	double above = p->top + TOP_OF_PANEL + row * (high + BETWEEN_ROWS);

	buffer_printf(&p->script,
		"set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
		"set tmargin at screen %.5f\nset bmargin at screen %.5f\nset title ",
		left / p->width, (left + wide) / p->width, 1 - above / p->height,
		1 - (above + high) / p->height);
	picture_quote(&p->script, title);
	buffer_puts(&p->script, " noenhanced offset 0,-0.4\n");
	put_axis(&p->script, "x", x);
	put_axis(&p->script, "y", y);
	p->elements = 0;
	buffer_reset(&p->elements_text);
}

void picture_second_axis(struct picture *p, const struct picture_axis *y2)
{
	buffer_puts(&p->script, "set border 11\n"
				"set y2tics nomirror out scale 0.6 textcolor rgb ink\n");
	put_axis(&p->script, "y2", y2);
}

void picture_panel_end(struct picture *p)
{
	if (p->elements == 0)
		buffer_puts(&p->script, "plot NaN\n");
	else {
		buffer_puts(&p->script, "plot ");
		buffer_append(&p->script, p->elements_text.data, p->elements_text.len);
		buffer_putc(&p->script, '\n');
	}
	p->script.failed = p->script.failed || p->elements_text.failed;
	/* Texts and arrows belong to one panel; the heading is drawn with the first one. */
	buffer_puts(&p->script, "unset label\nunset arrow\n");
}

void picture_data(struct picture *p)
{
	buffer_printf(&p->script, "$d%u << EOD\n", ++p->block);
}

void picture_row(struct picture *p, const double *value, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buffer_putc(&p->script, ' ');
		if (isfinite(value[i]))
			buffer_printf(&p->script, "%.10g", value[i]);
		else
			buffer_puts(&p->script, "NaN");
	}
	buffer_putc(&p->script, '\n');
}

void picture_draw(struct picture *p, const char *how)
{
	buffer_puts(&p->script, "EOD\n");
	buffer_printf(
		&p->elements_text, "%s$d%u %s", p->elements++ > 0 ? ", \\\n\t" : "", p->block, how);
}

void picture_draw_coloured(struct picture *p, const char *how, unsigned colour, const char *more)
{
	picture_draw(p, how);
	buffer_printf(&p->elements_text, " linetype %u %s", colour, more);
}

void picture_text(struct picture *p, const char *text, double x, double y, const char *how)
{
	buffer_puts(&p->script, "set label ");
	picture_quote(&p->script, text);
	buffer_printf(&p->script, " at %.10g, %.10g noenhanced front %s\n", x, y, how);
}

void picture_arrow(struct picture *p, double x0, double y0, double x1, double y1, const char *how)
{
	buffer_printf(&p->script, "set arrow from %.10g, %.10g to %.10g, %.10g nohead %s\n", x0, y0,
		x1, y1, how);
}

void picture_raw(struct picture *p, const char *command)
{
	buffer_printf(&p->script, "%s\n", command);
}

void picture_legend(struct picture *p, const char *how, const char *text)
{
	buffer_printf(
		&p->legend, "%skeyentry with %s title ", p->legend.len > 0 ? ", \\\n\t" : "", how);
	picture_quote(&p->legend, text);
	buffer_puts(&p->legend, " noenhanced");
	p->legends++;
	if (strlen(text) > p->legend_letters)
		p->legend_letters = (unsigned)strlen(text);
}

void picture_end(struct picture *p)
{
	if (p->legend.len > 0) {
		/* An empty plot over the whole picture, only for its key. */
		buffer_puts(&p->script,
			"set lmargin at screen 0\nset rmargin at screen 1\n"
			"set tmargin at screen 1\nset bmargin at screen 0\n"
			"unset border\nunset tics\nunset title\nunset xlabel\nunset ylabel\n"
			"unset y2label\nunset logscale\nunset grid\n"
			"set xrange [0:1]\nset yrange [0:1]\n");
		buffer_printf(&p->script,
			"set key at screen 0.5, screen %.4f center bottom horizontal Left reverse "
			"samplen 2.2 maxcols %u\n"
			"plot NaN notitle, ",
			6.0 / p->height, legend_columns(p));
		buffer_append(&p->script, p->legend.data, p->legend.len);
		buffer_putc(&p->script, '\n');
	}
	buffer_puts(&p->script, "unset multiplot\n");
	p->script.failed = p->script.failed || p->legend.failed || p->title.failed;
}
