"""A disk that a test may cut off or break (faultdisk.c), with ext4 on it, and the library that makes the hub's calls fail (fail_calls.c)."""
import errno
import hashlib
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("LYCEUM_CACHE", pathlib.Path.home() / ".cache/lyceum")) / "crash"
DISK_BYTES = 1536 << 20
CALLS = {"write": 1, "sync": 2, "rename": 4, "create": 8}


def run(*command, check=True):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result


def compiled(name, *flags):
    """The C file of that name, compiled once for each content."""
    source = HERE / (name + ".c")
    out = CACHE / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not out.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = f"{out}.{os.getpid()}"
        run("cc", "-O2", "-Wall", "-Wextra", "-Werror", source, *flags, "-o", fresh)
        os.rename(fresh, out)
    return out


def why_no_disk():
    """Why this machine cannot have such a disk; None if it can."""
    if os.geteuid() != 0:
        return "mounting a disk needs root"
    for need in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(need):
            return need + " is missing"
    return None


class Disk:
    """ext4 on a loop device over faultdisk. `folder` is where it is mounted."""

    def __init__(self, size=DISK_BYTES):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="lyceum-disk-"))
        in_memory = pathlib.Path("/dev/shm")
        self.image = (in_memory if in_memory.is_dir() else self.home) / (self.home.name + ".img")
        with open(self.image, "wb") as file:
            file.truncate(size)
        self.raw, self.folder, self.loop = self.home / "raw", self.home / "disk", None
        self.home.chmod(0o711)  # PostgreSQL runs as another user
        self.raw.mkdir()
        self.folder.mkdir()
        program = compiled("faultdisk", *run("pkg-config", "--cflags", "--libs", "fuse3").stdout.split())
        self.daemon = subprocess.Popen([program, "-s", "-f", "-o", f"backing={self.image}", self.raw], start_new_session=True,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 10
        while not (self.raw / "control").exists():
            if time.time() > end or self.daemon.poll() is not None:
                raise RuntimeError("faultdisk did not start")
            time.sleep(0.01)
        self._attach()
        run("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0", "-J", "size=16", self.loop)
        self.mount()

    def _attach(self):
        self.loop = run("losetup", "-f", "--show", "--direct-io=on", self.raw / "disk").stdout.strip()

    def tell(self, order):
        with open(self.raw / "control", "w") as control:
            control.write(order)

    def mount(self):
        # errors=remount-ro is what Debian's installer sets: a disk that fails is not written any more.
        run("mount", "-o", "errors=remount-ro", self.loop, self.folder)

    def reboot(self):
        """What the file system had not yet written is gone, and the disk is whole again. Nothing may be using it."""
        end = time.time() + 20
        while run("umount", self.folder, check=False).returncode != 0:
            if time.time() > end:
                raise RuntimeError(f"{self.folder} is still in use: " + run("fuser", "-vm", self.folder, check=False).stderr)
            time.sleep(0.02)
        run("losetup", "-d", self.loop)
        self.tell("heal")
        self._attach()
        self.mount()

    def cut(self, seed):
        self.tell(f"cut {seed}")

    def break_after(self, writes):
        self.tell(f"break {writes}")

    def fill(self, leave):
        """Takes all space but about `leave` bytes."""
        free = os.statvfs(self.folder)
        with open(self.folder / "ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(4096, free.f_bavail * free.f_frsize - leave))

    def empty(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def used(self):
        """Share of the space in use."""
        free = os.statvfs(self.folder)
        return 1 - free.f_bavail / free.f_blocks

    def close(self):
        run("umount", "-l", self.folder, check=False)
        if self.loop:
            run("losetup", "-d", self.loop, check=False)
        run("umount", "-l", self.raw, check=False)
        self.daemon.terminate()
        self.daemon.wait()
        self.image.unlink(missing_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)


class Calls:
    """Makes the hub's calls fail: start it with `environment`, then arm()."""

    def __init__(self, folder):
        path = pathlib.Path(folder) / "fail-calls"
        path.write_bytes(bytes(20))
        self.file = open(path, "r+b")
        self.orders = mmap.mmap(self.file.fileno(), 20)
        self.environment = {"LD_PRELOAD": str(compiled("fail_calls", "-shared", "-fPIC")), "FAIL_CALLS": str(path)}

    def arm(self, kind, after, length, error):
        """`length` calls of the kind fail with that error number, after `after` others; error 0 cuts writes short."""
        self.orders[4:20] = struct.pack("4i", after, length, error, 0)
        self.orders[0:4] = struct.pack("i", CALLS[kind])

    def disarm(self):
        self.orders[0:4] = struct.pack("i", 0)
        return struct.unpack("i", self.orders[16:20])[0]

    def close(self):
        self.orders.close()
        self.file.close()


ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "short": 0}
