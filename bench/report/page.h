/*
 * The report as one HTML file: verdicts, pictures, tables of all cells, machine and versions.
 * Nothing in it refers to another file.
 */
#ifndef QUERN_BENCH_REPORT_PAGE_H
#define QUERN_BENCH_REPORT_PAGE_H

#include "bench/report/cells.h"
#include "bench/report/gnuplot.h"
#include "bench/report/plots.h"
#include "bench/report/verdicts.h"
#include "lib/buffer.h"

struct page {
	const char *dir; /* as it was given */
	const struct cells *cells;
	const struct verdicts *verdicts;
	const struct plots *plots;
	const struct gnuplot_images *images; /* one for each plot */
	const char *complaints;		     /* lines that could not be read; "" if none */
};

/* Out of memory shows as out->failed; 0 or -ENOMEM otherwise. */
int page_write(const struct page *p, struct buffer *out) __attribute__((warn_unused_result));

/* The tables of one experiment's cells, one for each curve. */
int page_tables(const struct cells *cells, const char *experiment, struct buffer *out)
	__attribute__((warn_unused_result));

#endif
