"""The service as it is written in Python: a WSGI application on segno."""

import json
from urllib.parse import parse_qs

import segno


def application(environ, start_response):
    text = parse_qs(environ["QUERY_STRING"]).get("text", ["QR TEST"])[0]
    status = "200 OK"
    try:
        # Without these two, segno may pick a Micro QR code and raises the level where there is room.
        code = segno.make(text, error="m", micro=False, boost_error=False)
        body = {"result": code.png_data_uri(scale=4, border=4)}
    except segno.DataOverflowError as error:
        status, body = "400 Bad Request", {"error": str(error)}
    data = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
