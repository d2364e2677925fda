"""graphite-web's settings: everything below $SERVICE_BUILD."""

import os
import secrets

_HOME = os.environ["SERVICE_BUILD"]

SECRET_KEY = secrets.token_hex(32)
ALLOWED_HOSTS = ["127.0.0.1"]
TIME_ZONE = "UTC"
GRAPHITE_ROOT = "/usr/share/graphite-web"
CONF_DIR = os.path.join(_HOME, "conf")
STORAGE_DIR = os.path.join(_HOME, "data")
LOG_DIR = os.path.join(_HOME, "log")
INDEX_FILE = os.path.join(_HOME, "data", "index")
WHISPER_DIR = os.path.join(_HOME, "data", "whisper")
STANDARD_DIRS = [WHISPER_DIR]
DATABASES = {"default": {"NAME": os.path.join(_HOME, "data", "graphite.db"), "ENGINE": "django.db.backends.sqlite3"}}
CARBONLINK_HOSTS = ["127.0.0.1:" + os.environ["QUERY_PORT"]]
# What was just written shall be seen at once.
CARBONLINK_TIMEOUT = 2.0
DEFAULT_CACHE_DURATION = 0
FIND_CACHE_DURATION = 0
MEMCACHE_HOSTS = []
LOG_ROTATION = False
