#include "server/stats/change.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *change_kind_name(enum change_kind kind)
{
	static const char *const names[CHANGE_KINDS] = {
		[CHANGE_RELOAD] = "reload", [CHANGE_SCALE] = "scale", [CHANGE_UPGRADE] = "upgrade"};

	return names[kind];
}

const char *change_state_name(enum change_state state)
{
	static const char *const names[CHANGE_STATES] = {
		[CHANGE_RUNNING] = "running",
		[CHANGE_DONE] = "done",
		[CHANGE_FAILED] = "failed",
		[CHANGE_SUPERSEDED] = "superseded",
	};

	return names[state];
}

static void publish(struct stats_changes *all, const struct change *c)
{
	struct stats_change *at = &all->ring[c->number % STATS_CHANGES];
	uint32_t sequence = atomic_load_explicit(&at->sequence, memory_order_relaxed);

	/* The place is a newer one's by now. */
	if (at->change.number > c->number)
		return;
	atomic_store_explicit(&at->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	at->change = *c;
	atomic_store_explicit(&at->sequence, sequence + 2, memory_order_release);
}

void change_begin(struct stats_changes *all, struct change *c, enum change_kind kind,
	uint64_t now_us, const char *format, ...)
{
	uint64_t count = atomic_load_explicit(&all->count, memory_order_relaxed);
	va_list arguments;

	*c = (struct change){.number = count + 1, .begun_us = now_us, .kind = kind};
	va_start(arguments, format);
	(void)vsnprintf(c->text, sizeof(c->text), format, arguments);
	va_end(arguments);
	publish(all, c);
	atomic_store_explicit(&all->count, c->number, memory_order_release);
}

void change_progress(struct stats_changes *all, struct change *c, uint32_t done, uint32_t total)
{
	if (c->done == done && c->total == total)
		return;
	c->done = done;
	c->total = total;
	publish(all, c);
}

void change_tell(struct stats_changes *all, struct change *c, const char *text)
{
	(void)snprintf(c->text, sizeof(c->text), "%s", text);
	publish(all, c);
}

void change_end(struct stats_changes *all, struct change *c, enum change_state state,
	uint64_t now_us, const char *format, ...)
{
	va_list arguments;

	c->state = state;
	c->ended_us = now_us;
	va_start(arguments, format);
	(void)vsnprintf(c->text, sizeof(c->text), format, arguments);
	va_end(arguments);
	publish(all, c);
}

uint64_t change_count(const struct stats_changes *all)
{
	return atomic_load_explicit(&all->count, memory_order_acquire);
}

bool change_read(const struct stats_changes *all, uint64_t number, struct change *ret)
{
	const struct stats_change *at = &all->ring[number % STATS_CHANGES];
	struct change copy;

	if (number == 0)
		return false;
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t before = atomic_load_explicit(&at->sequence, memory_order_acquire);

		copy = at->change;
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 &&
			atomic_load_explicit(&at->sequence, memory_order_relaxed) == before) {
			if (copy.number != number)
				return false;
			copy.text[sizeof(copy.text) - 1] = '\0';
			*ret = copy;
			return true;
		}
	}
	return false;
}
