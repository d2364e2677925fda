"""graphite-web and the files of its page, in one WSGI application."""

from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise

application = WhiteNoise(get_wsgi_application(), root="/usr/share/graphite-web/static", prefix="static/")
