"""Resident memory, open files and threads of the processes that must not grow: the hub and the engine that is never unloaded."""
import pathlib
import statistics

RSS_SHARE, RSS_MIB = 1.05, 24     # resident memory after the warm-up may grow by this share and this much
FILES, THREADS = 24, 8            # open files and threads, counted while nothing runs


def measure(pid):
    folder = pathlib.Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    return {"rss": int(status["VmRSS"].split()[0]) / 1024, "threads": int(status["Threads"]), "files": len(list((folder / "fd").iterdir()))}


class Watch:
    """Two quiet moments, after the warm-up and at the end, are compared; what lies between shows where growth began."""

    def __init__(self, processes):
        self.processes = processes          # name -> pid
        self.path = {name: [] for name in processes}
        self.quiet = {name: [] for name in processes}

    def sample(self):
        for name, pid in self.processes.items():
            self.path[name].append(measure(pid)["rss"])

    def sample_quiet(self, samples):
        """samples: a list of measure() results of one quiet moment for each process."""
        for name, found in samples.items():
            self.quiet[name].append({key: statistics.median(one[key] for one in found) for key in found[0]})

    def leaks(self):
        found = []
        for name, (before, after) in self.quiet.items():
            if after["rss"] > before["rss"] * RSS_SHARE + RSS_MIB:
                found.append(f"{name}: resident memory grew from {before['rss']:.0f} to {after['rss']:.0f} MiB: {[round(one) for one in self.path[name][::max(1, len(self.path[name]) // 20)]]}")
            if after["files"] > before["files"] + FILES:
                found.append(f"{name}: open files grew from {before['files']:.0f} to {after['files']:.0f}")
            if after["threads"] > before["threads"] + THREADS:
                found.append(f"{name}: threads grew from {before['threads']:.0f} to {after['threads']:.0f}")
        return found

    def told(self):
        def one(name):
            before, after = self.quiet[name]
            return f"{name} from {before['rss']:.0f} to {after['rss']:.0f} MiB ({before['files']:.0f} to {after['files']:.0f} files, {before['threads']:.0f} to {after['threads']:.0f} threads)"
        return "RSS of " + ", of ".join(one(name) for name in self.quiet)
