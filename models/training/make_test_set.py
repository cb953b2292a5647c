# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fresh speech of held-out voices as WAV files with a reference.

  make_test_set.py --out DIR --voices held-out-espeak|held-out-human|held-out|training|nobody|foreign --count N --seed S [--long|--breathless|--cut]

`nobody` is music, babble, noise, hum, clicks, noise that swells and melodies on
vowels in turn, `foreign` speech of held-out voices outside the vocabulary: both
without segments. Otherwise each file (16 kHz, one channel, shorter than 9.5 s)
is one speaker saying one to three utterances with pauses of 0.6 s or more
between them. DIR/reference.json is a list of {"file", "voice", "kind", "text",
"segments": [{"start", "end", "words": [{"word", "start", "end"}]}]}, times in
seconds. With --long a file lasts 15 to 60 s: one speaker with many utterances, a
third of them run into the next without a pause, a few pauses of some seconds.
With --breathless it is 40 to 80 words without any. With --cut a file ends in
the middle of a word, which is its "cut" and no part of its text. Needs espeak-ng
and flite with their headers, a C compiler and numpy; the same seed gives the
same files. The voices are listed in voices.py.
"""
import argparse
import json
import os
import random
import wave

import numpy as np

import language
import make_clips
import voices
import windows

RATE = voices.RATE
LONGEST = 9.5


def pick_voice(rng, which):
    if which == "held-out":
        which = rng.choice(["held-out-espeak", "held-out-human"])
    return {"held-out-espeak": voices.held_out_espeak, "held-out-human": voices.held_out_human,
            "training": voices.training_voice}[which](rng)


def long_pause(rng):
    """Seconds between utterances of a long file: none, a breath, a silence."""
    draw = rng.random()
    return voices.between(rng, *((0.05, 0.3) if draw < 0.35 else (0.45, 1.2) if draw < 0.9 else (1.2, 6)))


def make_item(synthesiser, rng, which, long=False):
    """(samples int16, description) of one file."""
    voice = pick_voice(rng, which)
    at = voices.between(rng, 0.1, 0.8)
    longest = voices.between(rng, 15, 60) if long else LONGEST
    pieces, segments, kinds = [], [], []
    for _ in range(1000 if long else rng.choice([1, 1, 2, 3])):
        kind, words = language.utterance(rng)
        said = synthesiser.say(voice, language.spoken(words, rng))
        if said is None or len(said[1]) != len(words):
            continue
        audio, times = said
        first, last = int(times[0, 0]), int(times[-1, 1])
        length = (last - first) / RATE
        if at + length + 0.6 > longest:
            break
        begin, end = max(0, first - 800), min(len(audio), last + 800)
        pieces.append((int(at * RATE) - (first - begin), audio[begin:end]))
        times = (times - first) / RATE + at
        segments.append({"start": round(at, 3), "end": round(at + length, 3), "kind": kind,
                         "words": [{"word": w, "start": round(float(s), 3), "end": round(float(e), 3)}
                                   for w, (s, e) in zip(words, times)]})
        at += length + (long_pause(rng) if long else voices.between(rng, 0.6, 1.2))
    if not segments:
        return make_item(synthesiser, rng, which, long)
    out = np.zeros(int((segments[-1]["end"] + voices.between(rng, 0.2, 0.6)) * RATE), np.float64)
    for begin, audio in pieces:
        begin = max(0, begin)
        audio = audio[:len(out) - begin]
        out[begin:begin + len(audio)] += audio
    peak = max(1.0, float(np.abs(out).max()))
    out *= 32767 * 10 ** (voices.between(rng, -15, -1) / 20) / peak
    text = " ".join(w["word"] for s in segments for w in s["words"])
    return np.round(out).astype(np.int16), {"voice": f"{voice[0]}:{voice[1]}", "text": text, "segments": segments}


def make_breathless(synthesiser, rng, which):
    """(samples int16, description) of 40 to 80 words said without a pause."""
    voice, wanted, words = pick_voice(rng, which), rng.randint(40, 80), []
    while len(words) < wanted:
        words += language.utterance(rng)[1]
    said = synthesiser.say(voice, " ".join(words))
    if said is None or len(said[1]) != len(words):
        return make_breathless(synthesiser, rng, which)
    audio, times = said[0].astype(np.float64), said[1] / RATE
    audio *= 32767 * 10 ** (voices.between(rng, -15, -1) / 20) / max(1e-9, float(np.abs(audio).max()))
    spoken = [{"word": w, "start": round(float(s), 3), "end": round(float(e), 3)} for w, (s, e) in zip(words, times)]
    return np.round(audio).astype(np.int16), {
        "voice": f"{voice[0]}:{voice[1]}", "text": " ".join(words),
        "segments": [{"start": spoken[0]["start"], "end": spoken[-1]["end"], "kind": "breathless", "words": spoken}]}


def cut_item(rng, audio, item):
    """The item until somewhere in one of its words, not in the first one."""
    words = [word for segment in item["segments"] for word in segment["words"]]
    last = rng.randrange(1, len(words))
    end = voices.between(rng, words[last]["start"], words[last]["end"])
    segments = []
    for segment in item["segments"]:
        whole = [word for word in segment["words"] if word["end"] <= end]
        if whole:
            segments.append({**segment, "end": whole[-1]["end"], "words": whole})
    text = " ".join(word["word"] for word in words[:last])
    return audio[:int(end * RATE)], {**item, "text": text, "segments": segments, "cut": words[last]["word"]}


def held_out_voice(rng):
    return pick_voice(rng, "held-out")


def speech(synthesiser, rng, count):
    """Samples of one held-out voice that goes on talking, as float32."""
    voice = held_out_voice(rng)
    out, at = np.zeros(count, np.float32), 0
    while at < count:
        said = synthesiser.say(voice, language.spoken(language.utterance(rng)[1], rng))
        if said is None:
            voice = held_out_voice(rng)
            continue
        piece = windows.to_level(said[0].astype(np.float32))[:count - at]
        out[at:at + len(piece)] = piece
        at += len(piece) + RATE // 10
    return out


def swelling(noise, count):
    """Filtered noise that rises and falls up to six times a second; not the code that the training has."""
    time = np.arange(count) / RATE
    sound = noise.standard_normal(count) * (1 + np.sin(2 * np.pi * noise.uniform(1, 6) * time)) ** 2
    if noise.random() < 0.7:
        taps = int(noise.integers(8, 48))
        sound = np.convolve(sound, noise.standard_normal(taps) * np.hanning(taps + 2)[1:-1], "same")
    return sound


def humming(noise, count):
    """A melody of harmonics between two formants; not the code that the training has."""
    out = np.zeros(count)
    note = int(noise.uniform(0.35, 0.9) * RATE)
    for at in range(0, count, note):
        size = min(note, count - at)
        time = np.arange(size) / RATE
        pitch = 150 * 2 ** (noise.integers(0, 12) / 12)
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.02 * np.sin(2 * np.pi * 5 * time))) / RATE
        formants = noise.uniform(300, 900), noise.uniform(900, 2500)
        for k in range(1, 25):
            gain = sum(np.exp(-((k * pitch - formant) / 150) ** 2) for formant in formants)
            out[at:at + size] += np.sin(k * phase) * gain * np.sin(np.pi * np.arange(size) / size)
    return out


def make_nobody(synthesiser, rng, number):
    """(samples int16, description) of a file without speech that could be understood."""
    noise = np.random.default_rng(rng.randrange(1 << 30))
    count = int(voices.between(rng, 1.5, LONGEST) * RATE)
    name, make = [
        ("music", lambda: windows.music(noise, count)),
        ("babble", lambda: sum(speech(synthesiser, rng, count) for _ in range(rng.randint(4, 7)))),
        ("noise", lambda: windows.coloured_noise(noise, count, rng.randint(0, 2))),
        ("hum", lambda: windows.hum(noise, count)),
        ("clicks", lambda: windows.clicks(noise, count)),
        ("swelling", lambda: swelling(noise, count)),
        ("humming", lambda: humming(noise, count)),
    ][number % 7]
    audio = make()
    audio = audio * (32767 * 10 ** (voices.between(rng, -40, -3) / 20) / max(1e-9, float(np.abs(audio).max())))
    return np.round(audio).astype(np.int16), {"voice": name, "text": "", "segments": []}


def make_foreign(synthesiser, rng):
    """(samples int16, description) of English words outside the vocabulary."""
    voice = held_out_voice(rng)
    said = synthesiser.say(voice, " ".join(rng.choice(make_clips.OUTSIDE) for _ in range(rng.randint(2, 8))))
    if said is None:
        return make_foreign(synthesiser, rng)
    return said[0][:int(LONGEST * RATE)], {"voice": f"{voice[0]}:{voice[1]}", "text": "", "segments": []}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--voices", default="held-out",
                        choices=["held-out", "held-out-espeak", "held-out-human", "training", "nobody", "foreign"])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", action="store_true", help="15 to 60 s a file")
    parser.add_argument("--breathless", action="store_true", help="40 to 80 words without a pause")
    parser.add_argument("--cut", action="store_true", help="files end in a word")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    rng = random.Random(args.seed)
    synthesiser = voices.Synthesiser()
    reference = []
    for number in range(args.count):
        if args.voices == "nobody":
            audio, item = make_nobody(synthesiser, rng, number)
        elif args.voices == "foreign":
            audio, item = make_foreign(synthesiser, rng)
        elif args.breathless:
            audio, item = make_breathless(synthesiser, rng, args.voices)
        else:
            audio, item = make_item(synthesiser, rng, args.voices, args.long)
            while args.cut and " " not in item["text"]:
                audio, item = make_item(synthesiser, rng, args.voices, args.long)
            if args.cut:
                audio, item = cut_item(rng, audio, item)
        item["file"] = f"{number:04d}.wav"
        with wave.open(os.path.join(args.out, item["file"]), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(audio.astype("<i2").tobytes())
        reference.append(item)
    with open(os.path.join(args.out, "reference.json"), "w") as out:
        json.dump(reference, out, indent=1)
    print(f"{len(reference)} files in {args.out}")


if __name__ == "__main__":
    main()
