#!/usr/bin/env python3
"""Writes a synthetic catalogue: one JSON object a line, in the shape of the Hub's listings (docs/catalogue-import.md).

Proportions follow what is public of the real one: downloads and likes with a heavy tail, a few families from which most models derive, most
models from authors with few, many with no card at all. Same seed, same file.

    python3 bench/catalogue_generate.py --models 2000000 --out /tmp/models.jsonl
"""
import argparse
import json
import random
import sys

FAMILIES = ["llama", "qwen", "mistral", "gemma", "phi", "bert", "roberta", "distilbert", "t5", "whisper", "wav2vec2", "stable-diffusion", "sdxl", "flux", "deepseek", "smollm", "olmo",
            "falcon", "gpt2", "opt", "bloom", "vit", "clip", "yolo", "dinov2", "mixtral", "granite", "command", "starcoder", "codellama", "internlm", "glm", "bge", "e5", "minilm", "xlm"]
SIZES = ["0.5B", "1B", "1.5B", "3B", "7B", "8B", "13B", "14B", "32B", "70B", "base", "small", "large", "tiny"]
COUNTS = {"0.5B": 5e8, "1B": 1.2e9, "1.5B": 1.5e9, "3B": 3.2e9, "7B": 7.2e9, "8B": 8e9, "13B": 1.3e10, "14B": 1.4e10, "32B": 3.2e10, "70B": 7e10, "base": 1.1e8, "small": 6e7, "large": 3.3e8, "tiny": 2e7}
KINDS = ["instruct", "chat", "finetuned", "lora", "gguf", "awq", "gptq", "sft", "dpo", "grpo", "merged", "v1", "v2", "v3", "test", "experiment", "checkpoint", "ner", "sentiment", "squad",
         "summarizer", "classifier", "embedding", "code", "math", "medical", "legal", "finance", "roleplay", "story", "vision", "asr", "tts", "translation"]
TASKS = [("text-generation", 38), ("text-classification", 9), ("text-to-image", 10), ("automatic-speech-recognition", 4), ("reinforcement-learning", 5), ("image-classification", 4),
         ("token-classification", 3), ("sentence-similarity", 3), ("fill-mask", 2), ("question-answering", 2), ("translation", 2), ("summarization", 1), ("feature-extraction", 3),
         ("object-detection", 1), ("image-text-to-text", 2), ("robotics", 2), (None, 29)]
LIBRARIES = [("transformers", 52), ("diffusers", 9), ("peft", 12), ("sentence-transformers", 3), ("stable-baselines3", 3), ("timm", 1), ("gguf", 6), ("mlx", 1), (None, 13)]
LICENSES = [("apache-2.0", 30), ("mit", 14), ("llama3.1", 4), ("gemma", 3), ("cc-by-nc-4.0", 4), ("openrail", 6), ("creativeml-openrail-m", 3), ("other", 5), (None, 31)]
LANGUAGES = [("en", 60), ("zh", 9), ("ja", 4), ("fr", 4), ("de", 4), ("es", 4), ("ko", 3), ("ru", 3), ("multilingual", 2), ("ar", 2), ("pt", 2), ("it", 2), ("hi", 1)]
SYLLABLES = ["ka", "to", "mi", "ra", "ven", "sol", "lum", "dor", "zen", "qui", "nar", "bel", "tor", "fy", "gan", "hel", "ix", "jo", "kri", "lop", "mar", "nov", "ost", "pra", "ryn", "sta", "tul", "urs", "vex", "wyn"]
TOPICS = ["open", "language", "model", "trained", "instructions", "reasoning", "dialogue", "customer", "support", "medical", "records", "legal", "contracts", "code", "python", "speech", "noisy",
          "images", "portraits", "landscapes", "anime", "robot", "arm", "grasping", "atari", "games", "translation", "european", "asian", "news", "summaries", "sentiment", "reviews", "search",
          "retrieval", "embeddings", "quantized", "consumer", "hardware", "merge", "adapter", "experiment", "checkpoint", "course", "homework", "benchmark", "research", "paper"]


def weighted(random_source, table):
    names, weights = zip(*table)
    return lambda: random_source.choices(names, weights)[0]


def make_word(r):
    return "".join(r.choices(SYLLABLES, k=r.choice((2, 2, 3, 3, 4))))


class Generator:
    def __init__(self, seed, total):
        self.r = r = random.Random(seed)
        self.task, self.library = weighted(r, TASKS), weighted(r, LIBRARIES)
        self.license, self.language = weighted(r, LICENSES), weighted(r, LANGUAGES)
        authors = max(50, total // 6)
        self.authors = [make_word(r) + r.choice(("", "ai", "-labs", "-org", str(r.randrange(100)), str(r.randrange(10000)))) for _ in range(authors)]
        self.rare = [make_word(r) + make_word(r) for _ in range(max(100, total // 20))]
        self.bases = []

    def author(self):
        # Few write much, most write one: the index into the list falls off as a power.
        return self.authors[int(len(self.authors) * self.r.random() ** 2.2)]

    def make(self, number):
        r = self.r
        family, size, kind = r.choice(FAMILIES), r.choice(SIZES), r.choice(KINDS)
        parts = [family, size, kind] if r.random() < 0.6 else [family, kind] if r.random() < 0.5 else [r.choice(self.rare), kind]
        if r.random() < 0.4:
            parts.append(r.choice(self.rare))
        owner, name = self.author(), "-".join(parts) + "-" + format(number, "x")
        created = 1646000000 + int(140_000_000 * r.random() ** 0.6)
        modified = min(1790000000, created + int(r.expovariate(1 / 3e6)))
        downloads = int(r.paretovariate(0.55) - 1) if r.random() < 0.75 else 0
        downloads = min(downloads, 200_000_000)
        likes = int((r.paretovariate(1.1) - 1)) if r.random() < 0.2 else 0
        task, library, license_name = self.task(), self.library(), self.license()
        tags = []
        if library:
            tags.append(library)
        if task:
            tags.append(task)
        if library in ("transformers", "peft", "diffusers") and r.random() < 0.8:
            tags.append("safetensors")
        if library == "gguf":
            tags.append("gguf")
        if library == "transformers":
            tags += [family, "endpoints_compatible"]
        if license_name:
            tags.append("license:" + license_name)
        tags += {self.language() for _ in range(r.choice((0, 1, 1, 1, 2)))}
        if r.random() < 0.15:
            tags.append("dataset:" + self.author() + "/" + r.choice(self.rare))
        if r.random() < 0.1:
            tags.append("arxiv:%02d%02d.%05d" % (r.randrange(18, 27), r.randrange(1, 13), r.randrange(20000)))
        if self.bases and r.random() < 0.35:
            base = self.bases[int(len(self.bases) * r.random() ** 3)]
            relation = "adapter" if library == "peft" else "quantized" if library == "gguf" else r.choice(("finetune", "finetune", "finetune", "merge"))
            tags += ["base_model:" + base, f"base_model:{relation}:{base}"]
        tags += ["region:us"]
        row = {"id": f"{owner}/{name}", "createdAt": created * 1000, "lastModified": modified * 1000, "downloads": downloads, "downloadsAllTime": downloads * r.randrange(1, 20), "likes": likes,
               "trendingScore": likes // 30 + (1 if r.random() < 0.01 else 0), "tags": tags}
        if task:
            row["pipeline_tag"] = task
        if library:
            row["library_name"] = library
        if r.random() < 0.02:
            row["gated"] = r.choice(("auto", "manual"))
        if size in COUNTS and r.random() < 0.45:
            total = int(COUNTS[size] * r.uniform(0.9, 1.1))
            row["safetensors"] = {"parameters": {"BF16": total}, "total": total}
            row["usedStorage"] = total * 2
        if license_name:
            row["cardData"] = {"license": license_name}
        if r.random() < 0.45:
            row["description"] = " ".join(r.choices(TOPICS, k=r.randrange(5, 14)) + [r.choice(self.rare)])
        if len(self.bases) < 20_000 and r.random() < 0.05:
            self.bases.append(row["id"])
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="-")
    args = parser.parse_args()
    generator = Generator(args.seed, args.models)
    out = sys.stdout if args.out == "-" else open(args.out, "w", buffering=1 << 20)
    for number in range(args.models):
        out.write(json.dumps(generator.make(number), separators=(",", ":")) + "\n")
        if number % 200_000 == 0 and number:
            print(f"{number} of {args.models}", file=sys.stderr)
    out.close()


if __name__ == "__main__":
    main()
