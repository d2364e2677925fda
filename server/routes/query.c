#include "server/routes/query.h"

#include "lib/number.h"

#include <assert.h>
#include <string.h>

static bool refuse(const struct query_field *f, struct http_refusal *refusal)
{
	const char *once = f->required ? "once" : "at most once";

	if (f->text)
		return http_refuse(refusal, 400, "bad_parameter", f->name,
			"%s must be given %s, a text of 1 to %lld bytes", f->name, once,
			(long long)f->max);
	return http_refuse(refusal, 400, "bad_parameter", f->name,
		"%s must be given %s, a whole number%s%s from %lld to %lld", f->name, once,
		f->unit ? " of " : "", f->unit ? f->unit : "", (long long)f->min,
		(long long)f->max);
}

static bool take(const struct query_field *f, const struct form_text *value)
{
	if (!f->text)
		return number_parse_int(f->number, value->at, value->len, f->min, f->max) == 0;
	*f->text = *value;
	return value->len > 0 && value->len <= (size_t)f->max;
}

static const struct query_field *find(
	const struct query_field *fields, size_t n, const struct form_text *name)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(fields[i].name) == name->len &&
			memcmp(fields[i].name, name->at, name->len) == 0)
			return &fields[i];
	return NULL;
}

static bool read_pairs(struct exchange *x, const struct query_field *fields, size_t n,
	unsigned *seen, struct http_refusal *refusal)
{
	const char *rest = x->data + x->request->query.at;
	size_t left = x->request->query.len;
	struct form_text name, value;
	int result;

	buffer_reset(x->scratch);
	/* A pair is never longer than it was, so what was kept of the ones before leaves it enough room. */
	char *store = buffer_reserve(x->scratch, left + 1);
	if (!store)
		return http_refuse_memory(refusal);
	while ((result = form_next(&rest, &left, store, &name, &value)) > 0) {
		const struct query_field *f = find(fields, n, &name);
		if (!f)
			continue;
		if ((*seen & 1u << (f - fields)) || !take(f, &value))
			return refuse(f, refusal);
		*seen |= 1u << (f - fields);
		store += name.len + value.len;
	}
	return result == 0 || http_refuse(refusal, 400, "bad_parameter", "query",
				      "broken percent-encoding in the query");
}

bool query_read(struct exchange *x, const struct query_field *fields, size_t n,
	struct http_refusal *refusal)
{
	unsigned seen = 0;

	assert(n <= 32);
	if (!read_pairs(x, fields, n, &seen, refusal))
		return false;
	for (size_t i = 0; i < n; i++)
		if (fields[i].required && !(seen & 1u << i))
			return refuse(&fields[i], refusal);
	return true;
}
