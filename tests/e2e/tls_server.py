"""A certificate authority made for a test, and the real program serving HTTPS with it."""
import os

import harness


def make_ca(folder):
    harness.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Test CA",
                 "-addext", "keyUsage=critical,keyCertSign", "-keyout", folder / "ca.key", "-out", folder / "ca.pem"])


def issue(folder, name):
    """A certificate for 127.0.0.1, moved into place as renewal tools do."""
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    harness.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", folder / "new.key", "-out", folder / "csr"])
    harness.run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "10",
                 "-extfile", folder / "ext", "-out", folder / "new.pem"])
    os.replace(folder / "new.key", folder / "tls.key")
    os.replace(folder / "new.pem", folder / "tls.pem")


class TlsServer(harness.Server):
    def start(self):
        super().start()
        self.url = self.url.replace("http://", "https://")
        return self
