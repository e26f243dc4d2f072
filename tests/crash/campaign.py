#!/usr/bin/env python3
"""The crash campaign: `./dev crash --minutes N --seed S`. README.md says what it injects and why the check is sound."""
import argparse
import collections
import contextlib
import json
import pathlib
import random
import signal
import sys
import tempfile
import time

import faults
from actors import Actor, Gate, Tally, XetClient
from disk import why_no_disk
from hub_http import Http, Unknown
from ledger import Ledger, Problems
from worlds import OneHub, TwoHubs, harness

CRASHES_IN_A_WORLD = {"SQLite + disk": 150, "PostgreSQL + S3": 60}
FULL_CHECK_EVERY = 40
DISK_USE_MAX = 0.6


class Round:
    """One world, its clients, and the crashes it goes through."""

    def __init__(self, campaign, world, seed):
        self.campaign, self.chance = campaign, random.Random(seed)
        self.tally, self.gate, self.problems = Tally(), Gate(), Problems()
        self.world = world
        self.crashes = 0
        self.xet = XetClient(sys.executable, self.world.driver_folder / "hf") if campaign.arguments.xet else None
        self.http = Http(self.world.url(), self.world.token, timeout=60)
        shared = self.world.add_ledger(Ledger("admin/shared"))
        self.http.post("/api/repos/create", {"name": "shared", "organization": "admin", "type": "model"})
        self.actors = [Actor(self.world, self.gate, self.tally, f"{seed}-{i}", f"c{i}", shared=None if i < 3 else shared, xet=self.xet) for i in range(5)]
        for actor in self.actors:
            actor.start()

    def crash(self):
        table = self.campaign.faults_of(self.world.store)
        name = self.chance.choices(list(table), [weight for _, weight in table.values()])[0]
        strike = faults.Strike(self.world, self.gate, random.Random(self.chance.getrandbits(64)), self.xet, self.tally)
        if self.xet:
            self.xet.active = self.chance.random() < 0.2
        self.gate.resume()
        began = time.time()
        table[name][0](strike)
        struck = time.time()
        self.crashes += 1
        self.campaign.count(self.world.store, name)
        for server in self.world.servers:
            if not self.world.runs(server):
                raise RuntimeError("a hub ended by itself: " + server.log_path.read_text()[-1500:])
        self.world.wait_until_idle()
        self.check(everything=self.crashes % FULL_CHECK_EVERY == 0)
        if self.problems or self.campaign.arguments.verbose:
            print(f"  {self.campaign.crashes:5} {self.world.store}: {name} {strike.detail} ({struck - began:.2f} s, check {time.time() - struck:.2f} s)", flush=True)

    def check(self, everything=False):
        for ledger in self.world.ledgers if everything else self.recent():
            self.patiently(lambda: ledger.check(self.http, self.problems, everything))
        self.problems.corrupt += self.tally.surprises
        self.tally.surprises = []

    def recent(self):
        """Ledgers in use, and one of the others."""
        used = {id(actor.ledger) for actor in self.actors}
        rest = [ledger for ledger in self.world.ledgers if id(ledger) not in used]
        return [ledger for ledger in self.world.ledgers if id(ledger) in used] + ([self.chance.choice(rest)] if rest else [])

    def patiently(self, action):
        """A hub that runs must answer within half a minute after the fault; until then it may say that it cannot."""
        end = time.time() + 30
        while True:
            self.http.close()
            self.http.url = self.world.url()
            try:
                return action()
            except Unknown as error:
                if time.time() > end:
                    raise RuntimeError(f"the hub does not go on after the fault: {error}") from None
                time.sleep(0.1)

    def finish(self):
        self.check(everything=True)
        self.end()
        self.world.kill_all()
        self.world.start()
        self.problems.corrupt += [f"left behind after a start: {path}" for path in self.world.leftovers()]
        self.world.age_shared_leftovers()
        self.patiently(lambda: self.http.post("/api/lyceum/gc", {"dry_run": False}))
        self.problems.corrupt += [f"left behind by a collection: {path}" for path in self.world.shared_leftovers()]
        self.problems.corrupt += self.world.fsck() + self.world.git_fsck()

    def end(self):
        self.gate.end()
        if self.xet:
            self.xet.give_up()
        for actor in self.actors:
            actor.join(60)


class Campaign:
    def __init__(self, arguments):
        self.arguments = arguments
        self.table = collections.Counter()
        self.totals, self.found = collections.Counter(), collections.Counter({"lost": 0, "half visible": 0, "corrupt": 0})
        self.lines, self.commits = [], 0
        self.started = time.time()

    @property
    def crashes(self):
        return sum(self.table.values())

    def faults_of(self, store):
        table, only = faults.BY_STORE[store], self.arguments.only
        return {name: fault for name, fault in table.items() if not only or name in only}

    def count(self, store, name):
        self.table[store, name] += 1

    def is_over(self):
        arguments = self.arguments
        return time.time() - self.started > arguments.minutes * 60 or (arguments.crashes and self.crashes >= arguments.crashes)

    def run(self):
        worlds = [world for world in (OneHub, TwoHubs) if self.arguments.store in ("both", world.__name__) and self.faults_of(world.store)]
        share = self.arguments.minutes * 60 / len(worlds) if self.arguments.minutes * 60 < 300 else 1e9
        number = 0
        while not self.is_over():
            if not self.run_round(worlds[number % len(worlds)], number, share):
                return False
            number += 1
        return True

    def run_round(self, make_world, number, seconds):
        began = time.time()
        with contextlib.closing(make_world()) as world:
            round_ = Round(self, world, f"{self.arguments.seed}-{number}")
            return self.strike_all(round_, number, began, seconds)

    def strike_all(self, round_, number, began, seconds):
        error = None
        try:
            while round_.crashes < CRASHES_IN_A_WORLD[round_.world.store] and not self.is_over() and time.time() - began < seconds and round_.world.disk.used() < DISK_USE_MAX:
                round_.crash()
                if round_.problems:
                    break
            if not round_.problems:
                round_.finish()
        except Exception as problem:  # whatever it is, it is a finding, with its evidence
            error = problem
            round_.problems.corrupt.append(f"{type(problem).__name__}: {problem}")
        self.add(round_)
        print(f"  round {number}, {round_.world.store}: {round_.crashes} crashes, {round_.tally.commits} commits, {round_.tally.others} other changes acknowledged, "
              f"{round_.tally.unsettled} unanswered, refused {round_.tally.statuses}, {time.time() - began:.0f} s", flush=True)
        if round_.problems:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="lyceum-crash-evidence-"))
            round_.world.save_evidence(folder)
            print(f"seed {self.arguments.seed}, round {number}; the evidence is in {folder}")
            for line in round_.problems.lines():
                print("  " + line)
        round_.end()
        if error and self.arguments.verbose:
            raise error
        return not round_.problems

    def add(self, round_):
        self.commits += round_.tally.commits
        self.totals.update(others=round_.tally.others, unsettled=round_.tally.unsettled, refused=round_.tally.refused)
        self.found.update(round_.problems.counts())
        self.lines += round_.problems.lines()

    def sentence(self):
        return f"{self.crashes} crashes injected over {self.commits} acknowledged commits, " + ", ".join(f"{count} {kind}" for kind, count in self.found.items())

    def report(self):
        if self.arguments.json:
            print(json.dumps({"sentence": self.sentence(), "seed": self.arguments.seed, "crashes": self.crashes, "commits": self.commits, **self.totals, **self.found,
                              "by_fault": [{"store": store, "fault": fault, "crashes": n} for (store, fault), n in sorted(self.table.items())], "problems": self.lines}))
            return
        print(f"| store | fault | crashes |\n|---|---|---:|")
        for store, table in faults.BY_STORE.items():
            for name in table:
                if self.table[store, name]:
                    print(f"| {store} | {name} | {self.table[store, name]} |")
        print(f"seed {self.arguments.seed}; {time.time() - self.started:.0f} s; besides commits {self.totals['others']} other changes were acknowledged; "
              f"{self.totals['unsettled']} requests had no answer and {self.totals['refused']} were refused")
        print(self.sentence())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None, help="default: the clock")
    parser.add_argument("--crashes", type=int, default=0, help="end after so many")
    parser.add_argument("--store", choices=["both", "OneHub", "TwoHubs"], default="both")
    names = sorted({name for table in faults.BY_STORE.values() for name in table})
    parser.add_argument("--only", action="append", choices=names, metavar="FAULT", help="inject this fault alone (may be repeated): " + "; ".join(names))
    parser.add_argument("--no-xet", dest="xet", action="store_false")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="a line for each crash")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = int(time.time())
    if why := why_no_disk():
        sys.exit(f"error: the crash campaign cannot run here: {why}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that disks and servers are taken down
    campaign = Campaign(arguments)
    held = campaign.run()
    campaign.report()
    return 0 if held and not any(campaign.found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
