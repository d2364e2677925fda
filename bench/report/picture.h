/*
 * A picture as a gnuplot script: heading, legend, panels in a grid above the legend, end. Texts are
 * quoted here and nowhere else, so that no name from a file can be more than text.
 */
#ifndef QUERN_BENCH_REPORT_PICTURE_H
#define QUERN_BENCH_REPORT_PICTURE_H

#include "lib/buffer.h"

#include <stdbool.h>

#define PICTURE_NAME_BYTES 96

/* Linetypes of style.gp. */
enum picture_colour {
	PICTURE_BLUE = 1,
	PICTURE_ORANGE,
	PICTURE_GREEN,
	PICTURE_VERMILLION,
	PICTURE_PURPLE,
	PICTURE_SKY,
	PICTURE_INK,
	PICTURE_FAINT,
	PICTURE_RULE
};

struct picture {
	char name[PICTURE_NAME_BYTES]; /* a file's, without its ending */
	struct buffer title;	       /* what the page says below it, and reads aloud */
	unsigned width, height;
	unsigned columns, rows;
	unsigned block;			  /* data blocks so far */
	unsigned elements;		  /* of the panel under way */
	unsigned top;			  /* px above the panels */
	unsigned legends, legend_letters; /* entries, and the longest one's length */
	bool second_axis;
	struct buffer script, elements_text, legend;
};

/*
 * `name` may hold anything: what does not suit a file's name becomes "-". Size in px of a screen.
 */
void picture_init(struct picture *p, const char *name, unsigned width, unsigned height,
	unsigned columns, unsigned rows);
void picture_done(struct picture *p);

/* The heading, once, before the panels. */
void picture_heading(struct picture *p, const char *heading);

struct picture_axis {
	const char *label; /* NULL: none */
	double low, high;  /* NAN: gnuplot chooses */
	bool log;
	const char *format; /* of the numbers; NULL: "%g" */
};

/* Begins the panel in this column and row (from the top). */
void picture_panel(struct picture *p, unsigned column, unsigned row, const char *title,
	const struct picture_axis *x, const struct picture_axis *y);

/* A second, logarithmic y axis for the panel that was just begun. */
void picture_second_axis(struct picture *p, const struct picture_axis *y2);

/* Draws the panel. */
void picture_panel_end(struct picture *p);

/* Begins data; rows of numbers are appended with picture_row(); then one of picture_draw. */
void picture_data(struct picture *p);
void picture_row(struct picture *p, const double *value, unsigned n);

/* "lines" and the like, exactly as gnuplot wants it, with the data before. */
void picture_draw(struct picture *p, const char *how) __attribute__((nonnull));
/* As "using" and "with", with a colour: "with lines linetype 3". */
void picture_draw_coloured(struct picture *p, const char *how, unsigned colour, const char *more);

/*
 * A line of text at a place in the panel (in its axes), gone after picture_panel_end(). `how`:
 * gnuplot's words.
 */
void picture_text(struct picture *p, const char *text, double x, double y, const char *how);

/* From one place of the panel to another. */
void picture_arrow(struct picture *p, double x0, double y0, double x1, double y1, const char *how);

/* Anything else, as it is: never with a text from outside. */
void picture_raw(struct picture *p, const char *command);

/*
 * An entry of the legend: "lines linetype 1". All of them before the first panel, which leaves room
 * for them.
 */
void picture_legend(struct picture *p, const char *how, const char *text);

/* Draws the legend. After this the script is whole. */
void picture_end(struct picture *p);

/* 'text' in gnuplot's single quotes, in which only the quote itself means something. */
void picture_quote(struct buffer *out, const char *text);

#endif
