#include "server/work.h"

#include "lib/clock.h"

bool work_must_pause(const struct work_slice *slice)
{
	if (slice->abandoned && atomic_load_explicit(slice->abandoned, memory_order_relaxed))
		return true;
	return slice->until_us != UINT64_MAX && clock_us() >= slice->until_us;
}
