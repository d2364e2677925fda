#include "bench/chapter/service_ports.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* None at all is right, too. */
static bool are_names(json_t *ports)
{
	json_t *name;
	size_t i;

	if (ports && (!json_is_array(ports) || json_array_size(ports) > SERVICE_PORTS_MOST))
		return false;
	json_array_foreach(ports, i, name)
	{
		if (!json_is_string(name))
			return false;
	}
	return true;
}

int service_ports(const char *folder, json_t **ret, struct buffer *error)
{
	char path[PATH_MAX + 16];
	struct stat status;

	*ret = NULL;
	(void)snprintf(path, sizeof path, "%s/service.json", folder);
	if (stat(path, &status) != 0)
		return 0;
	json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	json_t *ports = json_object_get(object, "ports");
	const bool right = json_is_object(object) && are_names(ports);
	if (right)
		*ret = json_incref(ports);
	else
		buffer_printf(error,
			"%s: not allowed; allowed: {\"ports\": [\"NAME\", ...]}, at most %d", path,
			SERVICE_PORTS_MOST);
	json_decref(object);
	return right ? 0 : -EINVAL;
}
