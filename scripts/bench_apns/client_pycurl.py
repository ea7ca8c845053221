"""
libcurl's multi interface through pycurl: one connection, HTTP/2 multiplexing, handles used again.

It is driven by sockets (``socket_action``), which costs less than ``perform``.
"""

from __future__ import annotations

import select
import time

import pycurl

from scripts.bench_apns.load import EXPIRATION, TOPIC, Job, Load, both_loads, read_job, tell

_EVENTS = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


class Client:
    """
    A multi handle, and the easy handles that wait for pushes.
    """

    def __init__(self, job: Job) -> None:
        self._url = f"https://localhost:{job.port}/3/device/"
        self._epoll = select.epoll()
        self._watched: set[int] = set()
        self._due: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, job.in_flight)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._idle = [_easy(job) for _ in range(job.in_flight)]

    def run(self, load: Load) -> None:
        """
        Send all of a load, and wait for the answers.
        """
        while True:
            while self._idle and (push := load.next()) is not None:
                easy = self._idle.pop()
                easy.setopt(pycurl.URL, self._url + push.token_hex)
                easy.setopt(pycurl.POSTFIELDS, f'{{"mdm":"{push.push_magic}"}}')
                easy.setopt(pycurl.HTTPHEADER, [*_FIELDS, f"apns-id: {push.apns_id}"])
                self._multi.add_handle(easy)
            if not load.out:
                return
            self._act()
            self._collect(load)

    def _act(self) -> None:
        wait = 1.0 if self._due is None else max(0.0, self._due - time.monotonic())
        events = self._epoll.poll(wait)
        for number, happened in events:
            flags = pycurl.CSELECT_IN if happened & ~select.EPOLLOUT else 0
            flags |= pycurl.CSELECT_OUT if happened & select.EPOLLOUT else 0
            self._multi.socket_action(number, flags)
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _collect(self, load: Load) -> None:
        left = 1
        while left:
            left, done, failed = self._multi.info_read(1000)
            for easy in done:
                load.answered(easy.getinfo(pycurl.RESPONSE_CODE))
            for _, code, reason in failed:
                load.answered(f"libcurl: {code} {reason}")
            for easy in [*done, *(one for one, *_ in failed)]:
                self._multi.remove_handle(easy)
                self._idle.append(easy)

    def _watch(self, what: int, number: int, multi: object, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(number)
            self._epoll.unregister(number)
        elif number in self._watched:
            self._epoll.modify(number, _EVENTS[what])
        else:
            self._watched.add(number)
            self._epoll.register(number, _EVENTS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


_FIELDS = [
    f"apns-topic: {TOPIC}",
    "apns-push-type: mdm",
    "apns-priority: 10",
    f"apns-expiration: {EXPIRATION}",
    "Accept:",
    "Content-Type:",
]


def _ignore(data: bytes) -> None:
    pass


def _easy(job: Job) -> pycurl.Curl:
    easy = pycurl.Curl()
    easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    easy.setopt(pycurl.PIPEWAIT, 1)
    easy.setopt(pycurl.NOSIGNAL, 1)
    easy.setopt(pycurl.POST, 1)
    easy.setopt(pycurl.CAINFO, job.roots)
    easy.setopt(pycurl.SSLCERT, job.certificate)
    easy.setopt(pycurl.WRITEFUNCTION, _ignore)
    return easy


def main() -> None:
    """
    Run it as a program.
    """
    job = read_job()
    client = Client(job)
    for load in both_loads(job):
        client.run(load)
    tell(load.measured())


if __name__ == "__main__":
    main()
