/*
 * A Node addon as one writes it for speed: text to PNG by libqrencode and libpng (the picture is that of node-addon-thread), on
 * the loop's own thread.
 */
#include "bench/peers/node-addon-thread/picture.h"

#include <errno.h>
#include <node_api.h>
#include <stdlib.h>

#define MAX_TEXT 7089 /* bytes: the digits that fill the largest symbol */

static napi_value fail(napi_env env, const char *message)
{
	napi_throw_error(env, NULL, message);
	return NULL;
}

/* png(text): a Buffer. Throws where the text does not fit. */
static napi_value png(napi_env env, napi_callback_info call)
{
	char text[MAX_TEXT + 6]; /* room to see that it is longer, if only by one character */
	size_t count = 1, length;
	napi_value argument, buffer;
	struct peer_picture picture;

	if (napi_get_cb_info(env, call, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
		napi_get_value_string_utf8(env, argument, text, sizeof text, &length) != napi_ok)
		return fail(env, "png() wants a string");
	const int error = length > MAX_TEXT ? -ERANGE : peer_picture_make(&picture, text);
	if (error)
		return fail(env, error == -ERANGE ? "the text is too long" : "no picture");
	const napi_status copied =
		napi_create_buffer_copy(env, picture.length, picture.bytes, NULL, &buffer);
	free(picture.bytes);
	return copied == napi_ok ? buffer : fail(env, "out of memory");
}

NAPI_MODULE_INIT()
{
	napi_value function;

	if (napi_create_function(env, "png", NAPI_AUTO_LENGTH, png, NULL, &function) != napi_ok ||
		napi_set_named_property(env, exports, "png", function) != napi_ok)
		return fail(env, "the addon could not be set up");
	return exports;
}
