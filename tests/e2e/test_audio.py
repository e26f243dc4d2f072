"""Whisper against transformers: frames, logits, tokens of long recordings; and OpenAI's audio API through the hub with its own client."""
import http.client
import json
import pathlib
import shutil
import struct
import subprocess
import time
import urllib.error
import urllib.request

import harness
import numpy
import pytest

TOOL = harness.BIN.parents[1] / "engine/listen_tool"
RATE = 16000
LANGUAGES = ["en", "de", "fr", "haw"]
TEXTS = ["The quick brown fox jumps over the lazy dog.", "Ein Häuschen über dem Fluß", "日本語のテキスト 🙂", "transcribe these words, please"]


def sound(seconds, seed=0, rate=RATE):
    """Tones that come and go over noise, so that frames differ."""
    random = numpy.random.default_rng(seed)
    at = numpy.arange(int(seconds * rate)) / rate
    out = 0.01 * random.standard_normal(len(at))
    for _ in range(12):
        begin, hertz = random.uniform(0, max(seconds - 0.4, 0.1)), random.uniform(100, 4000)
        out += 0.3 * numpy.sin(2 * numpy.pi * hertz * at) * ((at > begin) & (at < begin + 0.4))
    return numpy.clip(out, -0.99, 0.99).astype(numpy.float32)


def wav(samples, rate=RATE):
    """Float samples as a file that holds them exactly."""
    data = samples.astype("<f4").tobytes()
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, rate, rate * 4, 4, 32) + b"data" + struct.pack("<I", len(data)) + data


def make(folder, bins=80, window_seconds=2, multilingual=True, seed=0):
    """A tiny Whisper with random weights that writes timestamps, and the tokenizer and settings that go with it."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    positions = window_seconds * 50
    names = ["<|endoftext|>", "<|startoftranscript|>"] + [f"<|{one}|>" for one in LANGUAGES] + ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    names += [f"<|{i * 0.02:.2f}|>" for i in range(positions + 1)]
    tokenizer.add_special_tokens(names)
    ids = {name: tokenizer.token_to_id(name) for name in names}
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = transformers.WhisperConfig(vocab_size=tokenizer.get_vocab_size(), num_mel_bins=bins, d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=3, decoder_attention_heads=4,
                                        encoder_ffn_dim=96, decoder_ffn_dim=80, max_source_positions=positions, max_target_positions=64, init_std=0.25, pad_token_id=ids["<|endoftext|>"], bos_token_id=ids["<|endoftext|>"],
                                        eos_token_id=ids["<|endoftext|>"], decoder_start_token_id=ids["<|startoftranscript|>"], suppress_tokens=None, begin_suppress_tokens=None)
    model = transformers.WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():   # timestamps and the end come up often enough that windows have segments
        words = model.model.decoder.embed_tokens.weight
        words[ids["<|0.00|>"]:] *= 1.6
        words[ids["<|endoftext|>"]] = words[ids["<|0.00|>"] + 7:].mean(0) * 3
    settings = dict(is_multilingual=multilingual, no_timestamps_token_id=ids["<|notimestamps|>"], prev_sot_token_id=ids["<|startofprev|>"], max_initial_timestamp_index=20, max_length=64,
                    suppress_tokens=[1, 2, ids["<|startofprev|>"], ids["<|startoflm|>"], ids["<|nospeech|>"], ids["<|transcribe|>"], ids["<|translate|>"], ids["<|startoftranscript|>"]],
                    begin_suppress_tokens=[220, ids["<|endoftext|>"]], decoder_start_token_id=ids["<|startoftranscript|>"], eos_token_id=ids["<|endoftext|>"], pad_token_id=ids["<|endoftext|>"],
                    bos_token_id=ids["<|endoftext|>"])
    if multilingual:
        settings |= dict(lang_to_id={f"<|{one}|>": ids[f"<|{one}|>"] for one in LANGUAGES}, task_to_id={one: ids[f"<|{one}|>"] for one in ("transcribe", "translate")})
    model.generation_config = transformers.GenerationConfig(**settings)
    model.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=bins, chunk_length=window_seconds)
    extractor.save_pretrained(folder)
    return model, extractor, ids


def frames(extractor, samples):
    """As the processor gives them for a recording of any length."""
    short = len(samples) < extractor.n_samples
    return extractor(samples, sampling_rate=RATE, return_tensors="pt", truncation=False, padding="max_length" if short else "longest").input_features


def look_inside(folder, file, ids, scratch):
    request = dict(model=str(folder), sound=str(file), ids=ids, mel=str(scratch / "mel"), logits=str(scratch / "logits"))
    subprocess.run([TOOL], input=json.dumps(request) + "\n", text=True, check=True, capture_output=True)
    return [numpy.fromfile(scratch / name, numpy.float32) for name in ("mel", "logits")]


@pytest.mark.parametrize("bins,seconds", [(80, 2), (128, 1.3)])
def test_frames_and_logits_as_transformers(bins, seconds, tmp_path):
    import torch
    model, extractor, ids = make(tmp_path / "model", bins=bins)
    samples = sound(seconds, seed=bins)
    (tmp_path / "sound.wav").write_bytes(wav(samples))
    tokens = [ids["<|startoftranscript|>"], ids["<|de|>"], ids["<|transcribe|>"], ids["<|0.00|>"], 40, 90, 7, 200]
    mel, logits = look_inside(tmp_path / "model", tmp_path / "sound.wav", tokens, tmp_path)
    wanted = frames(extractor, samples)
    exact = extractor._np_extract_fbank_features(numpy.pad(samples, (0, extractor.n_samples - len(samples)))[None], "cpu")[0]   # its transform in double
    assert numpy.abs(mel.reshape(-1, bins).T - exact).max() < 1e-6
    assert numpy.abs(mel.reshape(-1, bins).T - wanted[0].numpy()).max() < 1e-4   # its transform in float32, which is off by up to 4e-5 where a tone is near silence
    with torch.no_grad():
        reference = model(input_features=wanted, decoder_input_ids=torch.tensor([tokens])).logits[0].numpy()
    assert numpy.abs(logits.reshape(reference.shape) - reference).max() / numpy.sqrt((reference ** 2).mean()) < 1e-4


def form(url, path, token="", **fields):
    boundary = "lyceumtest"
    body = b""
    for name, value in fields.items():
        extra = '; filename="sound"' if isinstance(value, bytes) else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + (value if isinstance(value, bytes) else str(value).encode()) + b"\r\n"
    request = urllib.request.Request(url + path, data=body + f"--{boundary}--\r\n".encode(), headers={"Content-Type": f"multipart/form-data; boundary={boundary}", "Authorization": "Bearer " + token})
    try:
        return json.loads(urllib.request.urlopen(request, timeout=120).read())
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.loads(error.read())}


def reference_segments(model, features, ids, **options):
    out = model.generate(features, return_timestamps=True, return_segments=True, temperature=(0.0,), **options)
    return [[round(float(one["start"]), 2), round(float(one["end"]), 2), one["tokens"].tolist()] for one in out["segments"][0] if any(token < ids["<|endoftext|>"] for token in one["tokens"].tolist())]


@pytest.mark.parametrize("multilingual", [True, False])
def test_long_recordings_token_for_token(multilingual, tmp_path):
    """Windows, segments and times of greedy decoding with detection of the language, with a prompt, and as a translation."""
    import random_model
    import torch
    torch.set_num_threads(1)
    model, extractor, ids = make(tmp_path / "model", multilingual=multilingual, seed=3)
    samples = sound(9.7, seed=5)
    features = frames(extractor, samples)
    prompt = " the lazy dog"
    from tokenizers import Tokenizer
    prompt_ids = torch.tensor([ids["<|startofprev|>"], *Tokenizer.from_file(str(tmp_path / "model/tokenizer.json")).encode(prompt).ids])
    with random_model.Engine(tmp_path / "model", "--threads", "2") as engine:
        def found(**fields):
            answer = form(engine.url, "/v1/audio/" + fields.pop("door", "transcriptions"), file=wav(samples), model="model", response_format="verbose_json", temperature_inc=0, **fields)
            return answer, [[round(one["start"], 2), round(one["end"], 2), one["tokens"]] for one in answer["segments"]]
        answer, segments = found()
        wanted = reference_segments(model, features, ids, **({"task": "transcribe"} if multilingual else {}))
        assert segments == wanted and len({one["seek"] for one in answer["segments"]}) > 3
        assert abs(answer["duration"] - 9.7) < 1e-3 and answer["text"].strip() == "".join(one["text"] for one in answer["segments"]).strip()
        if multilingual:
            code = next(one for one in LANGUAGES if ids[f"<|{one}|>"] == model.detect_language(features[:, :, :200])[0].item())
            assert answer["language"] == {"en": "english", "de": "german", "fr": "french", "haw": "hawaiian"}[code]
            assert found(language="fr", prompt=prompt)[1] == reference_segments(model, features, ids, language="fr", task="transcribe", prompt_ids=prompt_ids)
            assert found(language="German", door="translations")[1] == reference_segments(model, features, ids, language="de", task="translate")
        else:
            assert answer["language"] == "english"
            assert "English alone" in form(engine.url, "/v1/audio/transcriptions", file=wav(samples), model="model", language="de")["error"]["message"]
            assert "does not translate" in form(engine.url, "/v1/audio/translations", file=wav(samples), model="model")["error"]["message"]


def test_the_openai_client_through_the_hub(hub, api, env, tmp_path):
    from openai import BadRequestError, NotFoundError, OpenAI, UnprocessableEntityError
    model, _, _ = make(tmp_path / "model", seed=3)
    api.create_repo("admin/listener")
    api.upload_folder(repo_id="admin/listener", folder_path=tmp_path / "model")
    judged = json.loads(harness.run([harness.BIN, "inspect", "admin/listener", "--json", "--quick"], env={**env, "LYCEUM_TOKEN": hub.token, "LYCEUM_ENDPOINT": hub.url}).stdout)
    assert judged["models"][0]["runs"] and judged["models"][0]["fits"] and judged["architecture"] == "WhisperForConditionalGeneration"
    assert judged["parameters"] == sum(one.numel() for one in model.parameters())
    client = OpenAI(base_url=hub.url + "/v1", api_key=hub.token, max_retries=0)
    recording = ("speech.wav", wav(sound(5, seed=8)))
    plain = client.audio.transcriptions.create(model="admin/listener", file=recording, language="en")
    assert plain.text and plain.usage.seconds == 5
    assert client.audio.transcriptions.create(model="admin/listener", file=recording, language="en").text == plain.text
    verbose = client.audio.transcriptions.create(model="admin/listener", file=recording, language="en", response_format="verbose_json", timestamp_granularities=["segment"])
    assert verbose.language == "english" and verbose.text == plain.text and all(0 <= one.start <= one.end <= 7 for one in verbose.segments)
    assert "-->" in client.audio.transcriptions.create(model="admin/listener", file=recording, language="en", response_format="srt")
    assert client.audio.transcriptions.create(model="admin/listener", file=recording, language="en", response_format="vtt").startswith("WEBVTT\n\n00:")
    assert client.audio.transcriptions.create(model="admin/listener", file=recording, language="en", response_format="text").strip() == plain.text
    events = list(client.audio.transcriptions.create(model="admin/listener", file=recording, language="en", stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text == plain.text
    assert "".join(one.delta for one in events[:-1]).strip() == plain.text and len(events) > 2
    assert client.audio.translations.create(model="admin/listener", file=recording).text
    with pytest.raises(BadRequestError, match="single words"):
        client.audio.transcriptions.create(model="admin/listener", file=recording, response_format="verbose_json", timestamp_granularities=["word"])
    with pytest.raises(BadRequestError, match="ISO 639"):
        client.audio.transcriptions.create(model="admin/listener", file=recording, language="xx")
    with pytest.raises(UnprocessableEntityError, match="none of WAV"):
        client.audio.transcriptions.create(model="admin/listener", file=("a.wav", b"no sound at all"))
    with pytest.raises(UnprocessableEntityError, match="M4A"):
        client.audio.transcriptions.create(model="admin/listener", file=("a.m4a", b"\0\0\0\x18ftypM4A " + bytes(40)))
    with pytest.raises(NotFoundError):
        client.audio.transcriptions.create(model="admin/nobody", file=recording)
    with pytest.raises(UnprocessableEntityError, match="writes down speech"):
        client.chat.completions.create(model="admin/listener", messages=[{"role": "user", "content": "hello"}])


@pytest.mark.parametrize("kind", ["flac", "ogg", "mp3"])
def test_kinds_of_files(kind, tmp_path):
    """What sox writes is read: the frames are near those of the WAV file, resampled from 44.1 kHz."""
    assert shutil.which("sox"), "tools/apt-packages-test.txt is not installed"
    model, extractor, ids = make(tmp_path / "model")
    (tmp_path / "sound.wav").write_bytes(wav(sound(2, seed=1)))
    subprocess.run(["sox", tmp_path / "sound.wav", "-r", "44100", "-c", "2", tmp_path / f"sound.{kind}"], check=True)
    tokens = [ids["<|startoftranscript|>"]]
    wanted, _ = look_inside(tmp_path / "model", tmp_path / "sound.wav", tokens, tmp_path)
    mel, _ = look_inside(tmp_path / "model", tmp_path / f"sound.{kind}", tokens, tmp_path)
    assert abs(len(mel) - len(wanted)) <= 80 * 12
    same = min(len(mel), len(wanted)) - 80 * 12
    near = max(numpy.corrcoef(mel[80 * late:80 * late + same], wanted[:same])[0, 1] for late in range(12))   # an MP3 encoder puts silence before
    assert near > (0.99 if kind == "flac" else 0.9), near


def test_a_client_that_goes_ends_its_work(tmp_path):
    """Twelve minutes of sound, of which nobody waits for the text: the engine is idle again at once, and answers the next."""
    import random_model
    make(tmp_path / "model", seed=3)
    with random_model.Engine(tmp_path / "model", "--threads", "2") as engine:
        def spent():
            return sum(int(one) for one in pathlib.Path(f"/proc/{engine.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])

        def idle():
            before = spent()
            time.sleep(1)
            return spent() - before <= 5   # hundredths of a second
        body = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + wav(sound(720, seed=2)) + b"\r\n--x--\r\n"
        connection = http.client.HTTPConnection("127.0.0.1", engine.port)
        connection.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data; boundary=x"})
        time.sleep(1)
        assert not idle(), "the recording is too short to show anything"
        connection.close()
        harness.wait_for(idle, 15, "the end of the work")
        assert form(engine.url, "/v1/audio/transcriptions", file=wav(sound(1)), temperature_inc=0)["text"]
