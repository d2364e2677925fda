/* "samples" of a stage. */
#include "bench/chapter/chapter_parts.h"

#include <string.h>

#define PER_SECOND_MOST 1000
#define AFTER_MOST 600

static void read_probe(struct chapter_reader *r, struct chapter_samples *s)
{
	static const char *const known[] = {"line", "per_s", "fields", NULL};
	const json_t *outer = r->r.object, *probe = experiment_value(&r->r, "probe");

	if (!probe)
		return;
	const size_t before = experiment_enter(&r->r, "probe");
	r->r.object = probe;
	if (json_is_object(probe)) {
		experiment_check_keys(&r->r, known);
		s->probe_per_s = 20;
		experiment_number(&r->r, "per_s", 0.01, PER_SECOND_MOST, &s->probe_per_s);
		s->fields = chapter_object(r, "fields", false);
		if (json_object_size(s->fields) == 0)
			experiment_complain(&r->r, "fields",
				"is missing; allowed: an object, {\"name\": \"path\"}");
		const char *line = chapter_needed_text(r, "line");
		s->probe = *line ? chapter_line(r, "line", line) : NULL;
	} else {
		experiment_complain(&r->r, NULL, "is not allowed; allowed: an object");
	}
	r->r.object = outer;
	experiment_leave(&r->r, before);
}

static void read_page(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	static const char *const known[] = {"name", "url", "after", "picture", "caption", NULL};
	struct chapter_samples *s = own;
	struct chapter_page *page = &s->page[i];

	*page = (struct chapter_page){.name = "", .url = "", .caption = ""};
	if (!json_is_object(value)) {
		experiment_complain(&r->r, NULL, "is not allowed; allowed: an object");
		return;
	}
	experiment_check_keys(&r->r, known);
	page->name = chapter_needed_text(r, "name");
	page->url = chapter_needed_text(r, "url");
	page->caption = chapter_text(r, "caption", "");
	page->picture = chapter_flag(r, "picture", false);
	chapter_seconds(r, "after", 0, AFTER_MOST, &page->after_s);
	if (*page->name && !chapter_is_name(page->name))
		experiment_complain(&r->r, "name", "\"%s\" is not allowed; allowed: a-z, 0-9 and -",
			page->name);
	if (*page->url && strncmp(page->url, "http://", 7) != 0)
		experiment_complain(&r->r, "url",
			"\"%s\" is not allowed; allowed: http://HOST:PORT/PATH", page->url);
	for (size_t j = 0; j < i; j++)
		if (strcmp(s->page[j].name, page->name) == 0)
			experiment_complain(&r->r, "name", "\"%s\" is there twice", page->name);
}

void chapter_read_samples(struct chapter_reader *r, struct chapter_stage *stage)
{
	static const char *const known[] = {"status", "loop", "probe", "pages", "trace", NULL};
	struct chapter_samples *s = &stage->samples;
	const size_t pages = chapter_list(r, "pages");

	experiment_check_keys(&r->r, known);
	s->status = chapter_flag(r, "status", false);
	s->trace = chapter_flag(r, "trace", false);
	s->loop = chapter_text(r, "loop", NULL);
	if (s->loop && s->loop[0] != '/')
		experiment_complain(&r->r, "loop",
			"\"%s\" is not allowed; allowed: a path, \"/loop\"", s->loop);
	read_probe(r, s);
	if (pages == 0)
		return;
	s->page = chapter_room(r, pages, sizeof *s->page);
	if (!s->page)
		return;
	s->pages = pages;
	chapter_each(r, "pages", read_page, s);
}
