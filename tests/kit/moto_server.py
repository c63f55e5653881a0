#!/usr/bin/env python3
"""Runs moto's server, one call at a time. moto's state is not made for threads: if several launches came at once, one
sometimes failed with HTTP 500, and so did every later listing."""

import io
import threading

from moto import server


def one_call_at_a_time(app):
    lock = threading.Lock()

    def serve(environ, start_response):
        # Read before the lock is taken, so a slow client delays no other.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return list(app(environ, start_response))

    return serve


run_simple = server.run_simple
server.run_simple = lambda host, port, app, **options: run_simple(host, port, one_call_at_a_time(app), **options)
server.main()
