"""A relay before the S3 server that answers wrongly, breaks off, or refuses when told so. It works on connections, not on S3."""
import socket
import struct
import threading

ERROR = (b"HTTP/1.1 %d Broken\r\nContent-Type: application/xml\r\nContent-Length: 93\r\nConnection: close\r\n\r\n"
         b"<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>made by a test</Message></Error>")
ERROR = ERROR.replace(b"93", str(len(ERROR.split(b"\r\n\r\n", 1)[1])).encode())
MODES = ("refuse", "reset", "truncate", "500", "503")


class S3Proxy:
    def __init__(self, port):
        self.target, self.mode, self.struck = port, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.connections, self.lock = set(), threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def set_mode(self, mode):
        """One of MODES, or None: pass everything. Connections that are open feel it too."""
        self.mode = mode
        if mode in ("reset", "500", "503"):
            with self.lock:
                for connection in self.connections:
                    self._reset(connection)

    @staticmethod
    def _reset(connection):
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        mode = self.mode
        with client:
            if mode in ("refuse", "reset"):
                self.struck += 1
                self._reset(client)
                return
            if mode in ("500", "503"):
                self.struck += 1
                try:
                    client.recv(65536)
                    client.sendall(ERROR % int(mode))
                except OSError:
                    pass
                return
            with self.lock:
                self.connections.add(client)
            try:
                with socket.create_connection(("127.0.0.1", self.target)) as server:
                    upward = threading.Thread(target=self._copy, args=(client, server, False), daemon=True)
                    upward.start()
                    self._copy(server, client, True)
                    self._reset(client)
                    self._reset(server)
                    upward.join()
            except OSError:
                pass
            finally:
                with self.lock:
                    self.connections.discard(client)

    def _copy(self, source, target, answers):
        try:
            while data := source.recv(65536):
                if answers and self.mode == "truncate":
                    self.struck += 1
                    target.sendall(data[: len(data) // 2])
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        self.set_mode("reset")
