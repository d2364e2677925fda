#include "bench/timeline/palette.h"

#include <stddef.h>
#include <string.h>

struct timeline_colour timeline_colour_of(const char *route)
{
	static const struct {
		const char *route;
		struct timeline_colour colour;
	} known[] = {
		{"/qr", {"#0072b2", "#ffffff"}},
		{"/lab/hash", {"#d55e00", "#ffffff"}},
		{"/lab/burn", {"#e69f00", "#1a1a1a"}},
		{"/lab/sleep", {"#8c5a2b", "#ffffff"}},
		{"/lab/history", {"#cc79a7", "#1a1a1a"}},
		{"/lab/lookup", {"#56b4e9", "#1a1a1a"}},
		{"/lab/latency", {"#f0e442", "#1a1a1a"}},
		{"/lab/constant", {"#7a6bb5", "#ffffff"}},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].route, route) == 0)
			return known[i].colour;
	return (struct timeline_colour){"#7d8287", "#ffffff"};
}
