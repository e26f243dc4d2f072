#!/usr/bin/env python3
"""The soak: `./dev soak --minutes N --seed S`. README.md says what it does and why the check is sound."""
import argparse
import collections
import http.client
import json
import random
import shutil
import signal
import sys
import threading
import time
import traceback

import doors
import world
from watch import Watch, measure

from world import harness

PHASE_S, IDLE_S, ENGINES_MAX, KV_MIB = 20, 6, 3, 24
CATALOGUE_MIN, CATALOGUE_MAX = 60, 400
WRONG_MAX = 20   # told, then only counted


def engine_of(model):
    if model.startswith("admin/lora-q8"):
        return world.QUANTISED
    return world.CODER if model.startswith("admin/lora-") else model


class Connection:
    """One client's connection, kept between requests unless it broke off."""

    def __init__(self, server):
        self.host, self.token = server.url.split("//")[1], server.token
        self.http = None

    def send(self, path, body):
        if self.http is None:
            self.http = http.client.HTTPConnection(self.host, timeout=180)
        self.http.request("POST", path, body, {"Content-Type": "application/json", "Authorization": "Bearer " + self.token, "x-api-key": self.token})

    def answer(self):
        response = self.http.getresponse()
        return response.status, response.read()

    def ask(self, path, body):
        self.send(path, body)
        return self.answer()

    def close(self):
        if self.http is not None:
            self.http.close()
            self.http = None


class Catalogue:
    """Requests with the answer each got alone, from a server with one thread that answers one request at a time. It is renewed all the time."""

    def __init__(self, reference, wishes):
        self.connection, self.wishes = Connection(reference), wishes
        self.lock, self.entries = threading.Lock(), []
        self.made = 0

    def add(self):
        wish = self.wishes.draw()
        expected = None
        if not wish.refused:
            status, raw = self.connection.ask(wish.door.path, wish.bytes(False))
            if status != 200:
                raise RuntimeError(f"the reference refuses {wish.told()}: {status} {raw[:500]}")
            expected = wish.read(raw, False)
        with self.lock:
            self.made += 1
            self.entries.append((wish, expected))
            if len(self.entries) > CATALOGUE_MAX:
                del self.entries[0]

    def pick(self, chance, engines):
        with self.lock:
            for _ in range(100):
                wish, expected = chance.choice(self.entries)
                if engine_of(wish.model) in engines:
                    return wish, expected
        return wish, expected


class Tally:
    def __init__(self):
        self.lock, self.counts, self.wrong = threading.Lock(), collections.Counter(), []

    def count(self, *names):
        with self.lock:
            self.counts.update(names)

    def tell(self, text):
        with self.lock:
            self.counts["wrong"] += 1
            if len(self.wrong) < WRONG_MAX:
                self.wrong.append(text)
                print("WRONG: " + text, flush=True)


class Stream(threading.Thread):
    """One of the clients: asks without pause, and now and then goes away."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.chance = soak, random.Random(f"{soak.arguments.seed}-{number}")
        self.connection = Connection(soak.server)

    def run(self):
        while not self.soak.over.is_set():
            if self.soak.pause.is_set():
                self.connection.close()
                self.soak.resting.wait(0.2)
                continue
            self.soak.busy(1)
            try:
                self.one()
            except Exception as error:   # a client's own broken connection included: the server must not cause it
                self.soak.tally.tell(f"{type(error).__name__}: {error}\n{traceback.format_exc()[-800:]}")
                self.connection.close()
            finally:
                self.soak.busy(-1)

    def one(self):
        wish, expected = self.soak.catalogue.pick(self.chance, self.soak.engines)
        self.soak.tally.count("requests", wish.door.path)
        stream = wish.streams and self.chance.random() < 0.5
        if not wish.refused:
            way = self.chance.random()
            if stream and way < 0.15:
                return self.leave_in_the_middle(wish)
            if way < 0.07:
                return self.leave_before_the_answer(wish, stream)
            if way > 0.98:
                return self.send_half(wish, stream)
        status, raw = self.connection.ask(wish.door.path, wish.bytes(stream))
        if self.chance.random() < 0.1:
            self.connection.close()
        self.check(wish, expected, stream, status, raw)

    def check(self, wish, expected, stream, status, raw):
        tally = self.soak.tally
        if status == 503 and b"engine places" in raw and b"stayed in use" in raw:
            return tally.count("no place")
        if wish.refused:
            clear = doors.is_clear_refusal(status, raw, wish.refused)
            return tally.count("refused") if clear else tally.tell(f"no clear refusal: {status} {raw[:300]}")
        if status != 200:
            return tally.tell(f"{status} {raw[:500]} to {wish.told()}")
        found = wish.read(raw, stream)
        tally.count("compared")
        if found != expected:
            tally.tell(f"{'stream' if stream else 'whole'} differs: {str(found)[:700]}\n  alone: {str(expected)[:700]}\n  {wish.told()}")

    def leave_in_the_middle(self, wish):
        self.connection.send(wish.door.path, wish.bytes(True))
        response = self.connection.http.getresponse()
        for _ in range(self.chance.randint(1, 20)):
            if not response.readline():
                break
        self.connection.close()
        self.soak.tally.count("left")

    def leave_before_the_answer(self, wish, stream):
        self.connection.send(wish.door.path, wish.bytes(stream))
        time.sleep(self.chance.random() ** 2 * 0.5)
        self.connection.close()
        self.soak.tally.count("left")

    def send_half(self, wish, stream):
        self.connection.close()
        body = wish.bytes(stream)
        self.connection.http = http.client.HTTPConnection(self.connection.host, timeout=60)
        self.connection.http.putrequest("POST", wish.door.path)
        self.connection.http.putheader("Content-Length", str(len(body)))
        self.connection.http.putheader("Authorization", "Bearer " + self.connection.token)
        self.connection.http.endheaders(body[:len(body) // 2])
        self.connection.close()
        self.soak.tally.count("left")


class Soak:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.chance, self.tally = random.Random(arguments.seed), Tally()
        self.over, self.pause, self.resting = threading.Event(), threading.Event(), threading.Event()
        self.running, self.running_lock = 0, threading.Lock()
        self.engines, self.seen_engines, self.crashes = set(world.MODELS), set(), []
        world.make_files(folder / "files")
        self.server = world.start(folder, "loaded", "--engine-kv-mib", str(KV_MIB), "--engine-idle-seconds", str(IDLE_S), "--engines-max", str(ENGINES_MAX))
        self.reference = world.start(folder, "reference", "--engine-threads", "1", "--engine-prompt-lookup", "false", "--engines-max", "8", "--engine-idle-seconds", "0")
        self.catalogue = Catalogue(self.reference, doors.Wishes(random.Random(arguments.seed)))
        self.watch = Watch({"the hub": self.server.process.pid, "the deployed engine": self.find_engines()[world.CODER]})

    def busy(self, by):
        with self.running_lock:
            self.running += by

    def find_engines(self):
        rows = harness.ask(self.server.url, "GET", "/api/lyceum/engines", token=self.server.token).json()
        return {row["model"].split("@")[0]: row["pid"] for row in rows}

    def renew(self):
        while not self.over.is_set():
            try:
                if self.pause.is_set():
                    time.sleep(0.2)
                else:
                    self.catalogue.add()
            except Exception as error:
                if not self.over.is_set():
                    self.tally.tell(f"reference: {error}")

    def rest(self):
        """Lets everything end, and measures."""
        self.pause.set()
        harness.wait_for(lambda: self.running == 0, 180, "the end of all requests")
        time.sleep(3)
        samples = {name: [] for name in self.watch.processes}
        for _ in range(5):
            for name, pid in self.watch.processes.items():
                samples[name].append(measure(pid))
            time.sleep(0.2)
        self.watch.sample_quiet(samples)
        self.pause.clear()

    def change_phase(self):
        """Other models are in use now; those that no longer are leave the memory a few seconds later, or make room."""
        others = [name for name in world.MODELS if name != world.CODER]
        self.engines = {world.CODER, *self.chance.sample(others, self.chance.randint(0, 2))}
        running = self.find_engines()
        self.seen_engines.update(running.values())
        if running.get(world.CODER) != self.watch.processes["the deployed engine"]:
            raise RuntimeError("the deployed engine is another process now")

    def storm(self, seconds):
        end = time.time() + seconds
        phase_ends = 0
        while time.time() < end:
            if time.time() > phase_ends:
                self.change_phase()
                phase_ends = time.time() + PHASE_S
            self.watch.sample()
            time.sleep(1)

    def run(self):
        print(f"seed {self.arguments.seed}; {CATALOGUE_MIN} requests alone, then {self.arguments.streams} streams for {self.arguments.minutes} minutes", flush=True)
        for _ in range(CATALOGUE_MIN):
            self.catalogue.add()
        streams = [Stream(self, number) for number in range(self.arguments.streams)]
        for thread in [*streams, threading.Thread(target=self.renew, daemon=True)]:
            thread.start()
        seconds = self.arguments.minutes * 60
        self.storm(0.25 * seconds)
        self.rest()
        self.storm(0.75 * seconds)
        self.rest()
        self.over.set()
        for thread in streams:
            thread.join(60)

    def find_crashes(self):
        log = self.server.log_path.read_text(errors="replace")
        found = [line for line in log.splitlines() if "died (" in line or "signal" in line or "Check failed" in line or "terminate called" in line]
        if self.server.process.poll() is not None:
            found.append(f"the hub ended: {self.server.process.poll()}")
        return found

    def report(self):
        counts, crashes, leaks = self.tally.counts, self.find_crashes(), self.watch.leaks() if len(self.watch.quiet["the hub"]) == 2 else ["the run did not come to its end"]
        print(json.dumps({"seed": self.arguments.seed, "distinct": self.catalogue.made, "engines": len(self.seen_engines), **counts}))
        for line in [*crashes, *leaks]:
            print(line)
        compared, wrong = counts["compared"], counts["wrong"]
        bad = wrong + len(crashes) + len(leaks)
        tail = self.watch.told() if len(self.watch.quiet["the hub"]) == 2 else "not measured"
        print(f"{counts['requests']} requests ({self.catalogue.made} distinct, {counts['left']} left early, {counts['refused']} refused as too long), {compared} compared, {wrong} wrong, "
              f"{len(crashes)} crashed, {len(leaks)} leaks, {tail}", flush=True)
        return 1 if bad or compared == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--streams", type=int, default=16)
    arguments = parser.parse_args()
    folder = harness.temporary_folder()
    soak = Soak(arguments, folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    status = 1
    try:
        soak.run()
    except Exception as error:
        soak.tally.tell(f"the soak itself: {error}\n{traceback.format_exc()[-1500:]}")
    finally:
        soak.over.set()
        status = soak.report()
        soak.server.stop()
        soak.reference.stop()
        if status == 0:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"seed {arguments.seed}; logs are in {folder}")
    return status


if __name__ == "__main__":
    sys.exit(main())
