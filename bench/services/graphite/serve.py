"""carbon-cache and graphite-web in the foreground, both ended by SIGTERM; see `start`."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import wsgiref.simple_server

HOME = pathlib.Path(os.environ["SERVICE_BUILD"]).resolve()
START_SECONDS = 30
PR_SET_PDEATHSIG = 1

CARBON_CONF = """[cache]
STORAGE_DIR = {home}/data
LOCAL_DATA_DIR = {home}/data/whisper
CONF_DIR = {home}/conf
LOG_DIR = {home}/log
PID_DIR = {home}
USER =
DATABASE = whisper
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
MIN_TIMESTAMP_RESOLUTION = 1
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {carbon}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False
LOG_UPDATES = False
LOG_CREATES = False
LOG_CACHE_HITS = False
"""
SCHEMAS = "[all]\npattern = .*\nretentions = 1s:1h\n"


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

    def address_string(self):
        return self.client_address[0]


def port(name):
    return int(os.environ[name])


def clean_home():
    shutil.rmtree(HOME / "data", ignore_errors=True)
    for name in ("conf", "log", "data/whisper"):
        (HOME / name).mkdir(parents=True, exist_ok=True)
    (HOME / "conf/carbon.conf").write_text(CARBON_CONF.format(
        home=HOME, carbon=port("CARBON_PORT"), pickle=port("PICKLE_PORT"),
        query=port("QUERY_PORT")))
    (HOME / "conf/storage-schemas.conf").write_text(SCHEMAS)
    (HOME / "carbon.pid").unlink(missing_ok=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_carbon():
    with open(HOME / "log/carbon.log", "wb") as log:
        carbon = subprocess.Popen(
            ["/usr/bin/carbon-cache", "--nodaemon", f"--config={HOME}/conf/carbon.conf", f"--pidfile={HOME}/carbon.pid",
             "start"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent, cwd=HOME)
    until = time.monotonic() + START_SECONDS
    while True:
        if carbon.poll() is not None or time.monotonic() > until:
            sys.exit("carbon-cache did not start:\n" + (HOME / "log/carbon.log").read_text(errors="replace"))
        try:
            for name in ("CARBON_PORT", "QUERY_PORT"):
                socket.create_connection(("127.0.0.1", port(name)), 1).close()
            return carbon
        except OSError:
            time.sleep(0.05)


def application():
    """graphite-web, with its tables made."""
    sys.path.insert(0, str(HOME))
    os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"
    os.environ["GRAPHITE_SETTINGS_MODULE"] = "quern_graphite_settings"
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    made = get_wsgi_application()
    call_command("migrate", run_syncdb=True, verbosity=0)
    return made


def end(number, frame):
    raise SystemExit(0)


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    clean_home()
    carbon = start_carbon()
    try:
        server = wsgiref.simple_server.make_server("127.0.0.1", port("PORT"), application(), Server, Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.exit(f"carbon-cache ended with {carbon.wait()}")
    finally:
        carbon.kill()


main()
