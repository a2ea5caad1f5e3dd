"""The application for a WSGI server of one's own: ``gunicorn app.web.wsgi:server``."""

from app.settings import settings
from app.web.server import create_app

server = create_app(settings()).server
