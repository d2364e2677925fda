"""Stand-ins for quernd's workers, for what those would never do on purpose; and HAProxy in front of them."""

import contextlib
import re
import socket
import threading

from fleet import Fleet


class Worker:
    """Answers on a port of its own; `answer(request)` returns the bytes, or None to hang up."""

    def __init__(self, port, answer, host="127.0.0.1"):
        self.seen = []
        self.answer = answer
        self.listener = socket.create_server((host, port), backlog=128)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock, sock.makefile("rb") as stream, contextlib.suppress(ConnectionError):  # HAProxy may give up
            while head := b"".join(iter(stream.readline, b"\r\n") if stream.peek(1) else []):
                body = self._body(stream, head)
                if head.startswith(b"GET /healthz"):
                    sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
                    return
                self.seen.append((head, body))
                reply = self.answer((head, body))
                if reply is None:
                    return
                sock.sendall(reply)

    @staticmethod
    def _body(stream, head):
        if length := re.search(rb"(?i)\r\ncontent-length: *(\d+)", head):
            return stream.read(int(length[1]))
        body = b""
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        return body

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def ok(body=b"ok"):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Front(Fleet):
    """HAProxy alone, with stand-ins for workers."""

    def __init__(self, answers, options=None):
        super().__init__({"workers.count": len(answers), **(options or {})}, balancer=True)
        self.answers = answers
        self.workers = []

    def _spawn(self, command, log):
        if log == "quernd.log":
            self.workers = [Worker(self.worker(i)[1], answer) for i, answer in enumerate(self.answers)]
            command = ["sleep", "infinity"]
        return super()._spawn(command, log)

    def stop(self, check=True, timeout=30.0):
        super().stop(check=False)

    def _clean(self):
        super()._clean()
        for worker in self.workers:
            worker.close()
        self.workers = []
