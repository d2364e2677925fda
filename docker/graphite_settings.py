"""graphite-web's settings in the image `graphite`: Debian's, with a key of its own and its log to the container's."""

import secrets

from local_settings import *  # noqa: F403 (that is how settings are handed on)

SECRET_KEY = secrets.token_hex(32)
# Only what is published reaches it, under names that are not known here.
ALLOWED_HOSTS = ["*"]
TIME_ZONE = "UTC"
STORAGE_DIR = "/var/lib/graphite"
LOG_DIR = "/tmp"
LOG_INFO_PERFORMANCE = False
LOG_FILE_INFO = LOG_FILE_EXCEPTION = LOG_FILE_CACHE = LOG_FILE_RENDERING = "-"
CARBONLINK_HOSTS = ["127.0.0.1:7002"]
# The last points are asked for again and again; they must not be those of a minute ago.
DEFAULT_CACHE_DURATION = 0
