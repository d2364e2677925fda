/*
 * Draws pictures by gnuplot: once as PNG at twice the resolution of a screen, and as SVG for light
 * and for dark paper.
 */
#ifndef QUERN_BENCH_REPORT_GNUPLOT_H
#define QUERN_BENCH_REPORT_GNUPLOT_H

#include "bench/report/picture.h"
#include "lib/buffer.h"

struct gnuplot_images {
	struct buffer png, light, dark;
};

/*
 * p must be ended. 0; -ENOENT with a sentence in error where there is no gnuplot, -EPROTO with its
 * own words where it failed, or -errno. gnuplot_images_done() frees.
 */
int gnuplot_draw(struct gnuplot_images *ret, const struct picture *p, struct buffer *error)
	__attribute__((warn_unused_result));
void gnuplot_images_done(struct gnuplot_images *i);

#endif
