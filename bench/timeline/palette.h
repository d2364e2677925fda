/* Colours of the timeline: a route has the same in every picture. Those of Okabe and Ito, of which green is left for what
 * the backend does. */
#ifndef QUERN_BENCH_TIMELINE_PALETTE_H
#define QUERN_BENCH_TIMELINE_PALETTE_H

struct timeline_colour {
	const char *fill; /* "#d55e00" */
	const char *text; /* what can be read on it */
};

/* Routes that are not known are grey. */
struct timeline_colour timeline_colour_of(const char *route);

#define TIMELINE_GREEN "#009e73"

#endif
