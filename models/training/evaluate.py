# SPDX-License-Identifier: LGPL-2.1-or-later
"""Word error rate of the exported model on freshly synthesised speech of voices
that it never heard, false words where nobody speaks, and errors of the times.

Needs numpy only: the forward pass, with a key/value cache, and greedy decoding
with Whisper's rules for timestamps are written out here, independent of the C
code. Speech comes from the synthesiser program (voices.py).
"""
import argparse
import json
import os
import random
import struct

import numpy as np

import features
import language
import make_test_set
import voices
import windows

HERE = os.path.dirname(os.path.abspath(__file__))
NO_SPEECH_THRESHOLD = 0.6


def load_safetensors(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(size)), f.read()
    kinds = {"F16": "<f2", "F32": "<f4"}
    return {name: np.frombuffer(data[slice(*h["data_offsets"])], kinds[h["dtype"]]).reshape(h["shape"]).astype(np.float32)
            for name, h in header.items() if name != "__metadata__"}


def erf(x):
    """Abramowitz and Stegun 7.1.26, error below 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    y = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - y * np.exp(-x * x))


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.float32(np.sqrt(2))))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Whisper:
    def __init__(self, folder):
        self.config = json.load(open(os.path.join(folder, "config.json")))
        self.weights = load_safetensors(os.path.join(folder, "model.safetensors"))
        self.heads = self.config["encoder_attention_heads"]

    def linear(self, name, x):
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if name + ".bias" in self.weights else y

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def split(self, x):
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

    def attend(self, name, q, k, v):
        """q, k, v [heads, length, 64]; no mask: the cache holds the past only."""
        attention = softmax(q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1])))
        y = (attention @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)
        return self.linear(name + ".out_proj", y), attention

    def feed_forward(self, name, x):
        y = gelu(self.linear(name + ".fc1", self.norm(name + ".final_layer_norm", x)))
        return x + self.linear(name + ".fc2", y)

    def convolve(self, name, x, stride):
        w = self.weights[name + ".weight"]
        x = np.pad(x, ((1, 1), (0, 0)))
        columns = np.lib.stride_tricks.sliding_window_view(x, 3, axis=0)[::stride]
        return gelu(columns.reshape(len(columns), -1) @ w.reshape(len(w), -1).T + self.weights[name + ".bias"])

    def encode(self, mel):
        x = self.convolve("model.encoder.conv2", self.convolve("model.encoder.conv1", mel, 1), 2)
        x = x + self.weights["model.encoder.embed_positions.weight"][:len(x)]
        for i in range(self.config["encoder_layers"]):
            name = f"model.encoder.layers.{i}"
            y = self.norm(name + ".self_attn_layer_norm", x)
            q, k, v = (self.split(self.linear(f"{name}.self_attn.{p}_proj", y)) for p in "qkv")
            x = x + self.attend(name + ".self_attn", q, k, v)[0]
            x = self.feed_forward(name, x)
        return self.norm("model.encoder.layer_norm", x)

    def begin(self, states):
        """The decoder's memory of one window."""
        cross = [[self.split(self.linear(f"model.decoder.layers.{i}.encoder_attn.{p}_proj", states)) for p in "kv"]
                 for i in range(self.config["decoder_layers"])]
        return {"cross": cross, "own": [None] * len(cross), "at": 0, "maps": []}

    def step(self, memory, token):
        """Logits after one more token."""
        embedding = self.weights["model.decoder.embed_tokens.weight"]
        x = (embedding[token] + self.weights["model.decoder.embed_positions.weight"][memory["at"]])[None]
        memory["at"] += 1
        maps = []
        for i, (k_cross, v_cross) in enumerate(memory["cross"]):
            name = f"model.decoder.layers.{i}"
            y = self.norm(name + ".self_attn_layer_norm", x)
            q, k, v = (self.split(self.linear(f"{name}.self_attn.{p}_proj", y)) for p in "qkv")
            if memory["own"][i] is not None:
                k = np.concatenate([memory["own"][i][0], k], 1)
                v = np.concatenate([memory["own"][i][1], v], 1)
            memory["own"][i] = (k, v)
            x = x + self.attend(name + ".self_attn", q, k, v)[0]
            q = self.split(self.linear(name + ".encoder_attn.q_proj", self.norm(name + ".encoder_attn_layer_norm", x)))
            y, attention = self.attend(name + ".encoder_attn", q, k_cross, v_cross)
            maps.append(attention[:, 0])
            x = self.feed_forward(name, x + y)
        memory["maps"].append(maps)
        return (self.norm("model.decoder.layer_norm", x) @ embedding.T)[0]


def allowed(logits, tokens):
    """Whisper's rules: suppressed tokens, times in pairs, never going back."""
    end, first_time = language.END, language.FIRST_TIME
    out = logits.copy()
    out[end + 1:first_time] = -np.inf
    if not tokens:
        out[:first_time] = -np.inf                        # a transcript begins with a time
        return out
    timed = [t for t in tokens if t >= first_time]
    last = tokens[-1] >= first_time
    before = len(tokens) < 2 or tokens[-2] >= first_time
    if last:
        if before:
            out[first_time:] = -np.inf
        else:
            out[:end] = -np.inf
    if timed:
        newest = timed[-1] if last and not before else timed[-1] + 1
        out[first_time:newest] = -np.inf
    shifted = np.exp(out - out.max())
    if shifted[first_time:].sum() > shifted[:first_time].max():
        out[:first_time] = -np.inf
    return out


def decode(model, mel):
    """(tokens, probability of no speech, mean log probability, attention maps)."""
    memory = model.begin(model.encode(mel))
    logits = model.step(memory, language.START)
    no_speech = float(softmax(logits)[language.NO_SPEECH])
    tokens, total = [], 0.0
    while len(tokens) < model.config["max_target_positions"] - 2:
        rules = allowed(logits, tokens)
        token = int(rules.argmax())
        total += float(np.log(softmax(rules)[token]))
        if token == language.END:
            break
        tokens.append(token)
        logits = model.step(memory, token)
    return tokens, no_speech, total / (len(tokens) + 1), memory["maps"]


def segments_of(tokens):
    """Complete segments [(start, end, words)], and the words after the last time."""
    out, words, start = [], [], None
    for token in tokens:
        if token >= language.FIRST_TIME:
            at = (token - language.FIRST_TIME) * language.TIME_STEP
            if words:
                out.append((start, at, words))
                words, start = [], None
            else:
                start = at
        else:
            words.append(language.WORDS[token])
    if words:
        out.append((start, None, words))
    return out


def transcribe(model, audio, full=False):
    """Segments of a window of at most 10 s; none where no speech is heard."""
    raw = features.log_mel(audio)
    mel = features.normalise(raw, features.positions_of(len(raw), full))
    tokens, no_speech, _, maps = decode(model, mel)
    return ([] if no_speech > NO_SPEECH_THRESHOLD else segments_of(tokens)), no_speech, tokens, maps


def transcribe_long(model, audio):
    """Segments of a recording of any length: each window starts where the last complete segment ended."""
    start, longest, out = 0, 10 * voices.RATE, []
    while start + features.FFT < len(audio):
        window = audio[start:start + longest]
        before = audio[max(0, start - 200):start] if start else None
        raw = features.log_mel(window, before)
        tokens, no_speech, _, _ = decode(model, features.normalise(raw, features.positions_of(len(raw))))
        segments = [] if no_speech > NO_SPEECH_THRESHOLD else segments_of(tokens)
        at = start / voices.RATE
        complete = [s for s in segments if s[1] is not None]
        out += [(a + at, b + at, words) for a, b, words in complete]
        unfinished = tokens and tokens[-1] >= language.FIRST_TIME and (len(tokens) < 2 or tokens[-2] >= language.FIRST_TIME)
        step = int(complete[-1][1] * voices.RATE) if complete and unfinished else len(window)
        start += max(step, voices.RATE // 5)
    return out


def errors(said, heard):
    """Least substitutions, deletions and insertions."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said):
        above, row[0] = row[0], i + 1
        for j, b in enumerate(heard):
            above, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, above + (a != b))
    return row[-1]


def measure_speech(model, which, count, seed, full, show):
    rng = random.Random(seed)
    synthesiser = voices.Synthesiser()
    wrong = words = exact = missed = 0
    kinds, starts, ends = {}, [], []
    for _ in range(count):
        audio, item = make_test_set.make_item(synthesiser, rng, which)
        segments, no_speech, _, _ = transcribe(model, audio.astype(np.float32) / 32768, full)
        heard = [w for s in segments for w in s[2]]
        said = item["text"].split()
        mistakes = errors(said, heard)
        wrong, words, exact = wrong + mistakes, words + len(said), exact + (mistakes == 0)
        missed += not heard
        if len(item["segments"]) == 1:
            kind = kinds.setdefault(item["segments"][0]["kind"], [0, 0])
            kind[0] += mistakes
            kind[1] += len(said)
        if len(segments) == len(item["segments"]):
            for true, (start, end, _) in zip(item["segments"], segments):
                starts.append(abs(start - true["start"]))
                if end is not None:
                    ends.append(abs(end - true["end"]))
        if show and mistakes:
            print(f"  {item['voice']}: {item['text']} | {' '.join(heard)} ({no_speech:.2f})")
    result = {"files": count, "words": words, "word_error_rate": round(100 * wrong / words, 1),
              "without_error": round(100 * exact / count, 1), "silent": missed,
              "by_kind": {k: round(100 * a / b, 1) for k, (a, b) in sorted(kinds.items())},
              "start_error_ms": [round(1000 * float(f(starts))) for f in (np.median, lambda x: np.quantile(x, 0.95))],
              "end_error_ms": [round(1000 * float(f(ends))) for f in (np.median, lambda x: np.quantile(x, 0.95))]}
    print(f"{which}: " + json.dumps(result), flush=True)
    return result


def measure_silence(model, count, seed, show):
    """Words per minute where there are none to hear."""
    rng = np.random.default_rng(seed)
    chance = random.Random(seed)
    synthesiser = voices.Synthesiser()

    def speech(seconds, voice):
        out = np.zeros(int(seconds * voices.RATE), np.float32)
        at = 0
        while at < len(out):
            said = synthesiser.say(voice(), language.spoken(language.utterance(chance)[1], chance))
            if said:
                sound = windows.to_level(said[0].astype(np.float32))[:len(out) - at]
                out[at:at + len(sound)] += sound
                at += len(sound) + 1600
        return out

    def babble(seconds):
        return sum(speech(seconds, lambda: voices.held_out_espeak(chance) if chance.random() < 0.7
                          else voices.held_out_human(chance)) for _ in range(chance.randint(4, 7)))

    def other_language(seconds):
        import make_clips
        out = np.zeros(int(seconds * voices.RATE), np.float32)
        at = 0
        while at < len(out):
            words = ["".join(chance.choice(make_clips.SYLLABLES) for _ in range(3)) for _ in range(5)]
            tongue = chance.choice(voices.OTHER_LANGUAGES) + "+" + chance.choice(voices.HELD_OUT_VARIANTS)
            said = synthesiser.say(("espeak", tongue, 1.0, 50, 50, 1.0), " ".join(words))
            if said:
                sound = windows.to_level(said[0].astype(np.float32))[:len(out) - at]
                out[at:at + len(sound)] += sound
                at += len(sound) + 4000
        return out

    kinds = {
        "silence": lambda n: np.zeros(n, np.float32),
        "white noise": lambda n: windows.coloured_noise(rng, n, 0),
        "pink noise": lambda n: windows.coloured_noise(rng, n, 1),
        "brown noise": lambda n: windows.coloured_noise(rng, n, 2),
        "hum": lambda n: windows.hum(rng, n),
        "clicks": lambda n: windows.clicks(rng, n),
        "music": lambda n: windows.music(rng, n),
        "babble": lambda n: babble(n / voices.RATE)[:n],
        "other languages": lambda n: other_language(n / voices.RATE)[:n],
    }
    result = {}
    for name, make in kinds.items():
        false, seconds, loud = 0, 0.0, 0
        for _ in range(count):
            length = int(rng.uniform(1.5, 10) * voices.RATE)
            audio = make(length)
            peak = np.abs(audio).max()
            if peak > 0:
                audio = audio / peak * 10 ** (rng.uniform(-40, -3) / 20)
            segments = transcribe(model, audio.astype(np.float32))[0]
            heard = [w for s in segments for w in s[2]]
            if heard and show:
                print(f"  {name}: {' '.join(heard)}")
            false, seconds, loud = false + len(heard), seconds + length / voices.RATE, loud + bool(heard)
        result[name] = {"windows": count, "with_words": loud, "words_a_minute": round(60 * false / seconds, 2)}
    print("no speech: " + json.dumps(result), flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.path.join(HERE, "..", "commands-en"))
    parser.add_argument("--count", type=int, default=200, help="files of each kind of voice")
    parser.add_argument("--quiet-count", type=int, default=20, help="windows of each kind of sound without speech")
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--full", action="store_true", help="pad every window to the full context")
    parser.add_argument("--show", action="store_true", help="print what was misheard")
    parser.add_argument("--voices", default="held-out-espeak,held-out-human", help="of make_test_set.py")
    args = parser.parse_args()
    model = Whisper(args.model)
    for which in args.voices.split(","):
        measure_speech(model, which, args.count, args.seed, args.full, args.show)
    if args.quiet_count:
        measure_silence(model, args.quiet_count, args.seed, args.show)


if __name__ == "__main__":
    main()
