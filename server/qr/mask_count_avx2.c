/* mask_count() with vectors of 32 bytes; the Makefile says whether it is built, and how. */
#if defined(__AVX2__)

#define MASK_COUNT mask_count_avx2
#define MASK_LANES 4
#include "server/qr/mask_count.c"

#endif
