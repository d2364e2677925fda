/*
 * Which characters the modes have (ISO/IEC 18004:2015, clause 7.4.1). The table is made at build
 * time by tools/qr_tables.c.
 */
#ifndef QUERN_SERVER_QR_CHARACTERS_H
#define QUERN_SERVER_QR_CHARACTERS_H

#include <stdint.h>

#define QR_DIGITS 10
#define QR_ALNUM_CHARACTERS 45

/*
 * Table 5: what a character is worth in alphanumeric mode; below QR_DIGITS for digits, which are
 * worth the same in numeric mode; QR_ALNUM_CHARACTERS if only byte mode has it.
 */
extern const uint8_t qr_character_value[256];

#endif
