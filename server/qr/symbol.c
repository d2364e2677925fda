#include "server/qr/symbol.h"

#include "server/qr/engine.h"
#include "server/qr/libqrencode.h"
#include "server/qr/tables.h"

#include <errno.h>
#include <string.h>

static size_t held_bits(unsigned version, enum qr_level level)
{
	return (size_t)qr_versions[version].level[level].data * 8;
}

static bool has_non_ascii(const uint8_t *text, size_t len)
{
	const uint64_t top = 0x8080808080808080;
	size_t i = 0;

	for (; len - i >= 8; i += 8) {
		uint64_t eight;

		memcpy(&eight, text + i, sizeof(eight));
		if (eight & top)
			return true;
	}
	for (; i < len; i++)
		if (text[i] >= 0x80)
			return true;
	return false;
}

static size_t eci_bits(const struct qr_fit *fit)
{
	if (!fit->with_eci)
		return 0;
	return SEGMENT_ECI_BITS +
	       (fit->options.engine == QR_ENGINE_LIBQRENCODE ? QR_LIBQRENCODE_ECI_SPARE_BITS : 0);
}

static bool fits_group(struct qr_fit *f, enum segment_group group)
{
	unsigned last = segment_last_version(group);

	/* No character takes fewer than 10/3 bits: most groups need no closer look. */
	if (group != SEGMENT_LARGE && f->len / 3 * 10 > held_bits(last, f->options.level))
		return false;
	f->needed_bits = f->len > SEGMENT_MAX_CHARS
				 ? segment_bits(f->text, f->len, group)
				 : segment_split(&f->split, f->text, f->len, group);
	f->needed_bits += eci_bits(f);
	for (unsigned version = segment_first_version(group); version <= last; version++) {
		if (f->needed_bits <= held_bits(version, f->options.level)) {
			f->version = version;
			return true;
		}
	}
	return false;
}

int qr_fit(struct qr_fit *ret, const void *text, size_t len, const struct qr_options *options)
{
	if (len == 0)
		return -EINVAL;
	ret->version = 0;
	ret->held_bits = held_bits(40, options->level);
	ret->options = *options;
	ret->text = text;
	ret->len = len;
	ret->with_eci = options->eci && has_non_ascii(text, len);
	for (int group = SEGMENT_SMALL; group <= SEGMENT_LARGE; group++)
		if (fits_group(ret, (enum segment_group)group))
			return 0;
	return -E2BIG;
}

int qr_make(struct qr_symbol *ret, const struct qr_fit *fit)
{
	if (fit->options.engine == QR_ENGINE_LIBQRENCODE)
		return qr_libqrencode_make(ret, fit);
	qr_engine_make(ret, fit);
	return 0;
}

int qr_encode(struct qr_symbol *ret, const void *text, size_t len, const struct qr_options *options)
{
	struct qr_fit fit;
	int error = qr_fit(&fit, text, len, options);

	return error ? error : qr_make(ret, &fit);
}
