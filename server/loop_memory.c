#include "server/loop_memory.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN 16u
#define CLASSES (LOOP_MEMORY_MOST / GRAIN)
/* The range has a part for each size: where a piece lies tells how large it is. Room for 262,144 descriptors. */
#define PART_BYTES ((size_t)8 << 20)
#define RANGE_BYTES (CLASSES * PART_BYTES)

struct piece {
	struct piece *next;
};

static struct {
	char *range; /* NULL: there is none */
	struct part {
		struct piece *free;
		size_t used; /* bytes from the part's beginning on that were ever given out */
	} part[CLASSES];
} pool;

bool loop_memory_has(const void *memory)
{
	const char *at = memory;

	return pool.range && at >= pool.range && at < pool.range + RANGE_BYTES;
}

static size_t piece_bytes(size_t class)
{
	return (class + 1) * GRAIN;
}

static size_t class_of(const void *memory)
{
	return (size_t)((const char *)memory - pool.range) / PART_BYTES;
}

/* NULL: the part is full. */
static void *take(size_t class)
{
	struct part *p = &pool.part[class];
	struct piece *piece = p->free;

	if (piece) {
		p->free = piece->next;
		return piece;
	}
	if (p->used + piece_bytes(class) > PART_BYTES)
		return NULL;
	char *at = pool.range + class * PART_BYTES + p->used;
	p->used += piece_bytes(class);
	return at;
}

void *loop_memory_new(size_t bytes)
{
	void *memory = NULL;

	if (bytes == 0)
		bytes = 1;
	if (pool.range && bytes <= LOOP_MEMORY_MOST)
		memory = take((bytes - 1) / GRAIN);
	return memory ? memory : malloc(bytes);
}

void loop_memory_free(void *memory)
{
	struct piece *piece = memory;

	if (!loop_memory_has(memory)) {
		free(memory);
		return;
	}
	struct part *p = &pool.part[class_of(memory)];
	piece->next = p->free;
	p->free = piece;
}

void *loop_memory_resize(void *memory, size_t bytes)
{
	if (!memory)
		return loop_memory_new(bytes);
	if (!loop_memory_has(memory))
		return realloc(memory, bytes);
	const size_t had = piece_bytes(class_of(memory));
	if (bytes <= had)
		return memory;
	void *larger = loop_memory_new(bytes);
	if (!larger)
		return NULL;
	memcpy(larger, memory, had);
	loop_memory_free(memory);
	return larger;
}

int loop_memory_install(void)
{
	char *range = mmap(NULL, RANGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (range == MAP_FAILED)
		return -errno;
	/* A few bytes must not become a page of megabytes; kernels without such pages refuse the advice. */
	(void)madvise(range, RANGE_BYTES, MADV_NOHUGEPAGE);
	pool.range = range;
	event_set_mem_functions(loop_memory_new, loop_memory_resize, loop_memory_free);
	return 0;
}
