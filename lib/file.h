/* Writing whole files. */
#ifndef QUERN_LIB_FILE_H
#define QUERN_LIB_FILE_H

#include <stddef.h>

/* All of it, whatever write() takes at a time. 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len) __attribute__((warn_unused_result));

/*
 * Readers see the old file or the new one, whole, whenever they look and whatever fails here: written
 * beside it, flushed to the disk, renamed. 0 or -errno.
 */
int file_replace(const char *path, const void *data, size_t len)
	__attribute__((warn_unused_result));

#endif
