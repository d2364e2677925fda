/*
 * When bytes reached this host, by the kernel (SO_TIMESTAMPING), as a CLOCK_MONOTONIC time. The kernel tells CLOCK_REALTIME;
 * the difference of both clocks converts it, and a step of the wall clock in between makes it unknown. For server/backend/
 * only.
 */
#ifndef QUERN_SERVER_BACKEND_CAME_H
#define QUERN_SERVER_BACKEND_CAME_H

#include <stdint.h>

#define CAME_NO_OFFSET INT64_MIN
#define CAME_BYTES 16384

/* From now on the kernel notes it for this socket. Where it cannot, times stay unknown. */
void came_ask(int fd);

/* CLOCK_REALTIME - CLOCK_MONOTONIC, ns; CAME_NO_OFFSET where the clocks could not be read close enough to each other. */
int64_t came_offset_ns(void);

/*
 * Looks at what can be read from the socket, at most CAME_BYTES of it, and leaves it there. Returns how many bytes there are,
 * 0 for the end, or -errno. *ret_ns is when the last of them came by CLOCK_REALTIME, or 0: the kernel does not tell.
 */
int64_t came_peek(int fd, int64_t *ret_ns) __attribute__((warn_unused_result));

/*
 * A stamp as CLOCK_MONOTONIC, us. before_ns and after_ns are came_offset_ns() at sent_us and at seen_us. 0: not known, because
 * there is no stamp, the clock was stepped, or the stamp lies outside of sent_us..seen_us by more than clocks can be misread.
 */
uint64_t came_us(
	int64_t stamp_ns, int64_t before_ns, int64_t after_ns, uint64_t sent_us, uint64_t seen_us);

#endif
