"""
nginx as a reverse proxy on loopback, in the foreground, with a configuration of its own.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import RunningProgram, free_port, program

_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    client_max_body_size 256k;
    client_body_buffer_size 256k;
    upstream ca {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://ca;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


class Nginx:
    """
    nginx in front of one CA.

    :param upstream: the CA's port.
    """

    def __init__(self, folder: Path, upstream: int) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        path = folder / "nginx.conf"
        path.write_text(_CONFIGURATION.format(folder=folder, upstream=upstream, port=self.port))
        argv = [
            program("nginx"),
            "-e",
            str(folder / "error.log"),
            "-p",
            str(folder),
            "-c",
            str(path),
        ]
        self._running = RunningProgram(argv, folder)

    @property
    def pid(self) -> int:
        """
        Of its master process, whose child the worker is.
        """
        return self._running.process.pid

    def stop(self) -> None:
        """
        End it.
        """
        self._running.stop()
