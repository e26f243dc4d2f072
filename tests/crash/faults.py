"""The faults. Each works on a world while its clients run, and returns with them paused and everything running again.

`strike.wait(a, b)` lets the clients work for a while; the numbers come from the campaign's seed.
"""
import time

from disk import ERRORS
from s3_proxy import MODES
from worlds import harness


class Strike:
    """One injection: the world, its clients, and this crash's own random numbers."""

    def __init__(self, world, gate, chance, xet, tally):
        self.world, self.gate, self.chance, self.xet, self.tally = world, gate, chance, xet, tally
        self.detail = ""

    def wait(self, least, most):
        time.sleep(self.chance.uniform(least, most))

    def pause(self):
        """The Xet client would try again for minutes; it is ended if it does not come back by itself."""
        end = time.time() + 90
        self.gate.shut()
        while not self.gate.wait(0.3):
            if self.xet and self.xet.lock.locked():
                self.xet.give_up()
            if time.time() > end:
                raise RuntimeError("clients have waited 90 s for an answer")


def kill_hub(strike):
    world = strike.world
    victim = strike.chance.choice(world.servers)
    strike.wait(0.02, 0.3)
    world.kill(victim, with_children=strike.chance.random() < 0.5)
    if len(world.servers) > 1:
        before = strike.tally.commits
        harness.wait_for(lambda: strike.tally.commits > before, 60, "the other hub goes on")
    strike.pause()
    world.start()


def kill_hubs(strike):
    strike.wait(0.02, 0.3)
    strike.world.kill_all()
    strike.pause()
    strike.world.start()


def cut_power(strike):
    world = strike.world
    strike.wait(0.02, 0.3)
    world.disk.cut(strike.chance.getrandbits(48))
    strike.wait(0, 0.05)  # whatever is acknowledged now is a lie
    world.kill_machine()
    strike.pause()
    world.disk.reboot()
    world.boot()


def break_disk(strike):
    world = strike.world
    strike.wait(0.02, 0.2)
    world.disk.break_after(strike.chance.randint(0, 200))
    strike.wait(0.05, 0.3)
    world.kill_machine()
    strike.pause()
    world.disk.reboot()
    world.boot()


def fill_disk(strike):
    world = strike.world
    strike.wait(0.02, 0.2)
    world.disk.fill(strike.chance.choice([0, 4096, 50_000, 300_000]))
    strike.wait(0.1, 0.4)
    if strike.chance.random() < 0.3:
        world.kill_all()
    strike.pause()
    world.disk.empty()
    world.boot()


def fail_calls(strike):
    world, chance = strike.world, strike.chance
    kind = chance.choice(["write", "sync", "rename", "create"])
    error = chance.choice(["EIO", "ENOSPC", "short"] if kind == "write" else ["EIO", "ENOSPC"])
    strike.wait(0.02, 0.1)
    world.calls.arm(kind, chance.randint(0, 40), chance.choice([1, 1, 2, 10, 100]), ERRORS[error])
    strike.wait(0.1, 0.3)
    cut = chance.random() < 0.4
    if cut:
        world.disk.cut(chance.getrandbits(48))
        world.kill_machine()
    strike.pause()
    strike.detail = f"{kind} {error}: {world.calls.disarm()} calls failed"
    if cut:
        world.disk.reboot()
    world.boot()


def kill_postgres(strike):
    strike.wait(0.02, 0.3)
    strike.world.postgres.kill()
    strike.wait(0, 0.3)
    strike.world.start_postgres()
    strike.wait(0.05, 0.2)
    strike.pause()


def cut_connections(strike):
    postgres = strike.world.postgres
    strike.wait(0.02, 0.3)
    for _ in range(strike.chance.randint(1, 4)):
        postgres.query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        strike.wait(0.01, 0.1)
    strike.pause()


def break_s3(strike):
    mode = strike.detail = strike.chance.choice(MODES)
    strike.wait(0.02, 0.2)
    strike.world.proxy.set_mode(mode)
    strike.wait(0.1, 0.5)
    strike.pause()
    strike.world.proxy.set_mode(None)


# name -> fault, weight; in the order of the table that is printed.
ONE_HUB = {"kill -9 of the hub": (kill_hub, 40), "power cut": (cut_power, 30), "full disk": (fill_disk, 8), "I/O errors of the disk": (break_disk, 8), "failing calls": (fail_calls, 14)}
TWO_HUBS = {"kill -9 of one hub": (kill_hub, 25), "kill -9 of both hubs": (kill_hubs, 15), "power cut": (cut_power, 16), "full disk": (fill_disk, 6), "I/O errors of the disk": (break_disk, 5),
            "failing calls": (fail_calls, 8), "kill -9 of PostgreSQL": (kill_postgres, 8), "connections cut": (cut_connections, 9), "S3 fails": (break_s3, 8)}
BY_STORE = {"SQLite + disk": ONE_HUB, "PostgreSQL + S3": TWO_HUBS}
