#include "server/qr/libqrencode.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#define ECI_UTF8 26

static const QRecLevel library_level[] = {
	[QR_LEVEL_L] = QR_ECLEVEL_L,
	[QR_LEVEL_M] = QR_ECLEVEL_M,
	[QR_LEVEL_Q] = QR_ECLEVEL_Q,
	[QR_LEVEL_H] = QR_ECLEVEL_H,
};

static const QRencodeMode library_mode[] = {
	[SEGMENT_NUMERIC] = QR_MODE_NUM,
	[SEGMENT_ALNUM] = QR_MODE_AN,
	[SEGMENT_BYTE] = QR_MODE_8,
};

static int append_segments(QRinput *input, const struct qr_fit *fit)
{
	size_t end;

	if (fit->with_eci && QRinput_appendECIheader(input, ECI_UTF8) < 0)
		return -ENOMEM;
	for (size_t start = 0; start < fit->len; start = end) {
		enum segment_mode mode = segment_at(&fit->split, start, fit->len, &end);

		if (QRinput_append(
			    input, library_mode[mode], (int)(end - start), fit->text + start) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* libqrencode has one byte a module, whose lowest bit is set in dark ones. */
static void copy_modules(struct qr_symbol *ret, const QRcode *code)
{
	const unsigned char *module = code->data;

	ret->version = (unsigned)code->version;
	ret->width = (unsigned)code->width;
	memset(ret->row, 0, sizeof(ret->row));
	for (unsigned y = 0; y < ret->width; y++)
		for (unsigned x = 0; x < ret->width; x++)
			ret->row[y][x / 64] |= (uint64_t)(*module++ & 1) << (x % 64);
}

static int encode_input(struct qr_symbol *ret, QRinput *input, unsigned version)
{
	QRcode *code = QRcode_encodeInput(input);
	int error = 0;

	if (!code)
		return -ENOMEM;
	if (code->version < 1 || (unsigned)code->version != version)
		error = -EINVAL; /* the two disagree on what fits: never with libqrencode 4.1 */
	else
		copy_modules(ret, code);
	QRcode_free(code);
	return error;
}

int qr_libqrencode_make(struct qr_symbol *ret, const struct qr_fit *fit)
{
	QRinput *input = QRinput_new2((int)fit->version, library_level[fit->options.level]);

	if (!input)
		return -ENOMEM;
	int error = append_segments(input, fit);
	if (!error)
		error = encode_input(ret, input, fit->version);
	QRinput_free(input);
	return error;
}
