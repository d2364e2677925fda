#include "server/qr/symbol.h"

#include "server/qr/libqrencode.h"
#include "server/qr/segment.h"
#include "server/qr/tables.h"
#include "tests/unit/qr_helpers.h"

#include <errno.h>
#include <qrencode.h>

#define LONG_TEXT 60000

static const QRecLevel engine_level[] = {QR_ECLEVEL_L, QR_ECLEVEL_M, QR_ECLEVEL_Q, QR_ECLEVEL_H};
static const QRencodeMode engine_mode[] = {QR_MODE_NUM, QR_MODE_AN, QR_MODE_8};

/* ISO/IEC 18004:2015, table 7, version 40. */
static const size_t most_digits[] = {7089, 5596, 3993, 3057};
static const size_t most_alnum[] = {4296, 3391, 2420, 1852};
static const size_t most_bytes[] = {2953, 2331, 1663, 1273};
static const size_t held_bits[] = {23648, 18672, 13328, 10208};

static uint8_t text[LONG_TEXT];

/* Puts a string at the place, without its NUL, and returns its length. */
static size_t put_text(size_t at, const char *string)
{
	size_t len = strlen(string);

	for (size_t i = 0; i < len; i++)
		text[at + i] = (uint8_t)string[i];
	return len;
}

/* libqrencode's own idea of the symbol, starting from no version at all. */
static QRcode *encode_directly(const struct qr_fit *fit)
{
	QRinput *input = QRinput_new2(0, engine_level[fit->options.level]);
	QRcode *code;
	size_t end;

	assert_non_null(input);
	if (fit->with_eci)
		assert_int_equal(QRinput_appendECIheader(input, 26), 0);
	for (size_t start = 0; start < fit->len; start = end) {
		enum segment_mode mode = segment_at(&fit->split, start, fit->len, &end);

		assert_int_equal(QRinput_append(input, engine_mode[mode], (int)(end - start),
					 fit->text + start),
			0);
	}
	code = QRcode_encodeInput(input);
	QRinput_free(input);
	assert_non_null(code);
	return code;
}

static void assert_same_symbol(const struct qr_symbol *symbol, const QRcode *code)
{
	assert_int_equal(symbol->version, code->version);
	assert_int_equal(symbol->width, code->width);
	assert_int_equal(symbol->width, 17 + 4 * symbol->version);
	for (unsigned y = 0; y < symbol->width; y++) {
		for (unsigned x = 0; x < symbol->width; x++)
			assert_int_equal(qr_symbol_dark(symbol, x, y),
				code->data[y * symbol->width + x] & 1);
		for (unsigned x = symbol->width; x < QR_ROW_WORDS * 64; x++)
			assert_int_equal(qr_symbol_dark(symbol, x, y), 0);
	}
}

/* Data bits by the standard's table 9. */
static size_t bits_of_version(unsigned version, unsigned level)
{
	return qr_versions[version].level[level].data * (size_t)8;
}

/* libqrencode takes the next version where it sets aside more for an ECI header than there is left. */
static void assert_not_enough_for_libqrencode(const struct qr_fit *fit, const QRcode *code)
{
	assert_int_equal(code->version, fit->version + 1);
	assert_true(fit->with_eci);
	assert_true(fit->needed_bits + QR_LIBQRENCODE_ECI_SPARE_BITS >
		    bits_of_version(fit->version, fit->options.level));
}

/* Fitted, encoded, and compared with libqrencode. */
static void check_text(size_t len, unsigned level, bool eci)
{
	struct qr_symbol symbol;
	struct qr_fit fit;
	QRcode *code;

	assert_int_equal(fit_text(&fit, text, len, level, eci), 0);
	assert_true(fit.needed_bits <= bits_of_version(fit.version, level));
	assert_int_equal(fit.held_bits, held_bits[level]);
	assert_int_equal(encode_text(&symbol, text, len, level, eci), 0);
	assert_int_equal(symbol.version, fit.version);
	code = encode_directly(&fit);
	if ((unsigned)code->version == fit.version)
		assert_same_symbol(&symbol, code);
	else
		assert_not_enough_for_libqrencode(&fit, code);
	QRcode_free(code);
}

static void test_random_texts(void **state)
{
	uint64_t seed = 4;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		size_t len = 1 + random_below(&seed, i < 380 ? 120 : 1273);

		random_text(&seed, text, len);
		check_text(len, i % 4, i % 8 < 4);
	}
}

/* Never larger than libqrencode makes it of plain bytes, nor by its own choice of segments. */
static void test_never_larger_than_simpler_ways(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		size_t len = 1 + random_below(&seed, 200);
		struct qr_fit fit;
		QRcode *bytes, *own;

		random_text(&seed, text, len);
		for (size_t k = 0; k < len; k++)
			text[k] = text[k] & 0x7f ? text[k] & 0x7f : 'x';
		text[len] = '\0';
		assert_int_equal(fit_text(&fit, text, len, i % 4, false), 0);
		bytes = QRcode_encodeString8bit((const char *)text, 0, engine_level[i % 4]);
		own = QRcode_encodeString((const char *)text, 0, engine_level[i % 4], QR_MODE_8, 1);
		assert_true((int)fit.version <= bytes->version);
		assert_true((int)fit.version <= own->version);
		QRcode_free(bytes);
		QRcode_free(own);
	}
}

static void assert_fits_exactly(uint8_t fill, unsigned level, size_t most, size_t bits_over)
{
	struct qr_symbol symbol;
	struct qr_fit fit;

	memset(text, fill, most + 1);
	check_text(most, level, false);
	assert_int_equal(fit_text(&fit, text, most, level, false), 0);
	assert_int_equal(fit.version, 40);
	assert_int_equal(fit_text(&fit, text, most + 1, level, false), -E2BIG);
	assert_int_equal(fit.version, 0);
	assert_int_equal(fit.held_bits, held_bits[level]);
	assert_int_equal(fit.needed_bits, bits_over);
	assert_int_equal(encode_text(&symbol, text, most + 1, level, false), -E2BIG);
}

static void test_capacity_of_version_40(void **state)
{
	static const size_t digit_rest[] = {0, 4, 7};

	(void)state;
	for (unsigned level = 0; level < 4; level++) {
		size_t digits = most_digits[level] + 1, alnum = most_alnum[level] + 1;

		assert_fits_exactly(
			'8', level, digits - 1, 18 + digits / 3 * 10 + digit_rest[digits % 3]);
		assert_fits_exactly('Z', level, alnum - 1, 17 + alnum / 2 * 11 + alnum % 2 * 6);
		assert_fits_exactly(
			0xe9, level, most_bytes[level], 20 + (most_bytes[level] + 1) * 8);
		assert_fits_exactly(
			0x00, level, most_bytes[level], 20 + (most_bytes[level] + 1) * 8);
	}
}

/* The most bytes that qr_fit() puts into the version. */
static size_t capacity(unsigned version, const struct qr_options *options)
{
	size_t fits = 0, too_many = 3000;

	while (too_many - fits > 1) {
		size_t len = (fits + too_many) / 2;
		struct qr_fit fit;
		int error = qr_fit(&fit, text, len, options);

		if (error == 0 && fit.version <= version)
			fits = len;
		else
			too_many = len;
	}
	return fits;
}

static void assert_version_directly(size_t len, const struct qr_options *options, unsigned version)
{
	struct qr_fit fit;
	QRcode *code;

	assert_int_equal(qr_fit(&fit, text, len, options), 0);
	code = encode_directly(&fit);
	assert_int_equal(code->version, version);
	QRcode_free(code);
}

/* The whole table of the standard against libqrencode's: as many bytes fit, and one more needs the
 * next version. */
static void test_capacity_of_all_versions(void **state)
{
	(void)state;
	memset(text, 0xa5, 3000);
	for (unsigned version = 1; version <= 40; version++) {
		for (unsigned level = 0; level < 4; level++) {
			const struct qr_options options = {.level = level,
				.eci = (version + level) % 2,
				.engine = QR_ENGINE_LIBQRENCODE};
			size_t most = capacity(version, &options);

			assert_version_directly(most, &options, version);
			if (version < 40)
				assert_version_directly(most + 1, &options, version + 1);
		}
	}
}

/* Bytes that fill the version; ECI counts for eci_bits. */
static size_t bytes_to_fill(unsigned version, unsigned level, size_t eci_bits)
{
	const size_t header = 4 + (version < 10 ? 8 : 16);

	return (bits_of_version(version, level) - header - eci_bits) / 8;
}

static void check_edge(unsigned version, const struct qr_options *options, size_t eci_bits)
{
	const size_t most = bytes_to_fill(version, options->level, eci_bits);
	struct qr_symbol symbol;

	assert_int_equal(capacity(version, options), most);
	assert_int_equal(qr_encode(&symbol, text, most, options), 0);
	assert_int_equal(symbol.version, version);
}

/* Each version is filled to the last byte, with and without ECI, by both engines. */
static void test_edges(void **state)
{
	(void)state;
	memset(text, 0xa5, 3000);
	for (unsigned i = 0; i < 40 * 4; i++) {
		const unsigned version = 1 + i / 4;
		struct qr_options options = {.level = i % 4};

		check_edge(version, &options, 0);
		options.eci = true;
		check_edge(version, &options, 12);
		options.engine = QR_ENGINE_LIBQRENCODE;
		check_edge(version, &options, 28);
	}
}

static void test_eci_only_before_non_ascii(void **state)
{
	const struct qr_options libqrencode = {
		.level = QR_LEVEL_M, .eci = true, .engine = QR_ENGINE_LIBQRENCODE};
	struct qr_fit off, on;
	size_t len;

	(void)state;
	len = put_text(0, "plain ASCII, 0123456789");
	assert_int_equal(fit_text(&off, text, len, QR_LEVEL_M, false), 0);
	assert_int_equal(fit_text(&on, text, len, QR_LEVEL_M, true), 0);
	assert_int_equal(on.needed_bits, off.needed_bits);
	len = put_text(0, "caf\xc3\xa9");
	assert_int_equal(fit_text(&off, text, len, QR_LEVEL_M, false), 0);
	assert_int_equal(fit_text(&on, text, len, QR_LEVEL_M, true), 0);
	assert_int_equal(off.needed_bits, 4 + 8 + 5 * 8);
	assert_int_equal(on.needed_bits, off.needed_bits + 12);
	assert_int_equal(qr_fit(&on, text, len, &libqrencode), 0);
	assert_int_equal(on.needed_bits, off.needed_bits + 28);
}

static void test_nul_bytes(void **state)
{
	(void)state;
	memset(text, 0, 50);
	check_text(1, QR_LEVEL_L, false);
	check_text(50, QR_LEVEL_H, true);
	(void)put_text(20, "12345678901234567890");
	check_text(50, QR_LEVEL_Q, false);
}

static void test_far_too_long(void **state)
{
	struct qr_symbol symbol;
	struct qr_fit fit;

	(void)state;
	memset(text, '5', LONG_TEXT);
	assert_int_equal(fit_text(&fit, text, LONG_TEXT, QR_LEVEL_H, true), -E2BIG);
	assert_int_equal(fit.version, 0);
	assert_int_equal(fit.needed_bits, 18 + LONG_TEXT / 3 * 10);
	assert_int_equal(fit.held_bits, 10208);
	memset(text, 0x80, LONG_TEXT);
	assert_int_equal(fit_text(&fit, text, LONG_TEXT, QR_LEVEL_L, true), -E2BIG);
	assert_int_equal(fit.needed_bits, 12 + 20 + LONG_TEXT * 8);
	assert_int_equal(encode_text(&symbol, text, LONG_TEXT, QR_LEVEL_L, true), -E2BIG);
}

static void test_empty(void **state)
{
	struct qr_symbol symbol;
	struct qr_fit fit;

	(void)state;
	assert_int_equal(fit_text(&fit, "", 0, QR_LEVEL_M, true), -EINVAL);
	assert_int_equal(encode_text(&symbol, "", 0, QR_LEVEL_M, true), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_never_larger_than_simpler_ways),
		cmocka_unit_test(test_capacity_of_version_40),
		cmocka_unit_test(test_capacity_of_all_versions),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_eci_only_before_non_ascii),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_far_too_long),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
