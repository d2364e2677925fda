/*
 * Text to PNG by libqrencode and libpng: level M, margin 4, scale 4, 1 bit a pixel; libpng at level 1 and without filters,
 * which is the fastest it can do. Safe to be called by several threads at once.
 */
#ifndef PEER_PICTURE_H
#define PEER_PICTURE_H

#include <stddef.h>

struct peer_picture {
	unsigned char *bytes; /* to be freed */
	size_t length;
};

/* 0; -ERANGE: the text does not fit into any symbol; another -errno. *ret is untouched on failure. */
int peer_picture_make(struct peer_picture *ret, const char *text)
	__attribute__((warn_unused_result));

#endif
