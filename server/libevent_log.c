#include "server/libevent_log.h"

#include "lib/log.h"

#include <event2/event.h>

static void on_message(int severity, const char *message)
{
	enum log_level level = LOG_LEVEL_ERROR;

	if (severity == EVENT_LOG_DEBUG)
		level = LOG_LEVEL_DEBUG;
	else if (severity == EVENT_LOG_MSG)
		level = LOG_LEVEL_INFO;
	else if (severity == EVENT_LOG_WARN)
		level = LOG_LEVEL_WARN;
	log_line(level, "libevent: %s", message);
}

void libevent_log_install(void)
{
	event_set_log_callback(on_message);
}
