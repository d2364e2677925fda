#include "bench/timeline/timeline.h"

#include "bench/timeline/svg.h"

#include <errno.h>

static int draw(const struct timeline_events *e, const struct timeline_wish *wish,
	struct buffer *svg, struct buffer *said)
{
	struct timeline_view v;
	const char *words = NULL;
	int error = timeline_view_make(&v, e, wish, said);

	if (!error) {
		buffer_printf(said, "%s: ", e->worker[v.worker].name);
		timeline_say(e, v.worst, &v.blame, said);
		words = buffer_cstring(said);
		error = words ? 0 : -ENOMEM;
	}
	if (!error)
		timeline_svg(&v, wish->title ? wish->title : "Who ran, who waited, and for whom",
			words, svg);
	timeline_view_done(&v);
	return error;
}

int timeline_draw(const char *json, size_t len, const struct timeline_wish *wish,
	struct buffer *svg, struct buffer *said)
{
	const size_t before = svg->len;
	struct timeline_events events;
	int error = timeline_events_read(&events, json, len, said);

	if (!error)
		error = draw(&events, wish, svg, said);
	timeline_events_done(&events);
	if (!error && (svg->failed || said->failed))
		error = -ENOMEM;
	if (error)
		svg->len = before;
	return error;
}
