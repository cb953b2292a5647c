# SPDX-License-Identifier: LGPL-2.1-or-later
"""Training windows: clips of speech laid out in time, disturbed, cut to 1 ... 10
seconds, with the tokens that a transcript of that window has.

A segment is speech between pauses of more than 0.4 s. What the window's end
cuts off is left to the next window: only the start of the cut segment is
written, except when it fills the window from its beginning; then its complete
words are written with the end of the last. A word cut by the window's start is
not written.
"""
import glob
import json
import os

import numpy as np

import features
import language

RATE = features.RATE
PHONES = {}


def load_phones():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pronunciations.txt")
    rows = [line.split() for line in open(path)]
    names = sorted({p for row in rows for p in row[1:]})
    number = {name: i + 1 for i, name in enumerate(names)}       # 0 is CTC's blank
    PHONES.update({row[0]: [number[p] for p in row[1:]] for row in rows})
    return len(names) + 1


PHONE_CLASSES = load_phones()


class Clips:
    """All shards of a folder, memory mapped; new ones are found by refresh()."""

    def __init__(self, folder, newest=None):
        self.folder, self.newest = folder, newest
        self.known, self.talks, self.foreign, self.breathless, self.count = set(), [], [], [], 0
        self.by_voice = {}
        self.refresh()

    def refresh(self):
        for path in sorted(glob.glob(os.path.join(self.folder, "*.json"))):
            if path in self.known:
                continue
            self.known.add(path)
            rows = json.load(open(path))
            samples = np.memmap(path[:-5] + ".i16", dtype="<i2", mode="r")
            talks = {}
            for number, kind, voice, offset, length, words, times in rows:
                clip = (words, np.asarray(times), samples, offset, length)
                if kind == "foreign":
                    self.foreign.append(clip)
                elif kind == "breathless":
                    self.breathless.append((voice, [clip]))
                else:
                    talks.setdefault((voice, number), []).append(clip)
            for (voice, _), talk in talks.items():
                self.talks.append((voice, talk))
                self.by_voice.setdefault(voice, []).append(talk)
            self.count += len(rows)


def samples_of(clip):
    _, _, samples, offset, length = clip
    return np.asarray(samples[offset:offset + length], np.float32)


# ---- what is not speech -----------------------------------------------------

def coloured_noise(rng, count, slope):
    """Noise whose power falls by `slope` powers of the frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(count).astype(np.float32))
    frequency = np.maximum(np.arange(len(spectrum)), 20)
    return np.fft.irfft(spectrum * frequency ** (-slope / 2), count).astype(np.float32)


def gusts(rng, count):
    """Noise in one band that swells and dies away at the pace of syllables or of wind."""
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    middle, octaves = 2 ** rng.uniform(7, 12.5), rng.uniform(0.3, 3)
    band = np.exp(-(np.log2(np.maximum(frequency, 20) / middle) / octaves) ** 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * band, count)
    pace = 10 ** rng.uniform(-0.7, 0.9)
    knots = rng.random(int(count / RATE * pace) + 4) ** rng.uniform(1, 4)
    envelope = np.interp(np.arange(count) / RATE * pace, np.arange(len(knots)), knots)
    return (noise * envelope).astype(np.float32)


def pulsing(rng, count):
    """Noise behind a random filter that rises and falls evenly: machines, engines, brushing."""
    noise = coloured_noise(rng, count, rng.uniform(-1, 2))
    if rng.random() < 0.7:
        taps = rng.standard_normal(int(rng.integers(4, 64)))
        noise = np.convolve(noise, taps, "same").astype(np.float32)
    pace = 2 ** rng.uniform(-1, 3.3)
    phase = pace * np.arange(count) / RATE + rng.random() + 0.05 * np.sin(np.arange(count) / RATE * rng.uniform(0.5, 4))
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    if rng.random() < 0.3:
        envelope = (phase % 1 < rng.uniform(0.2, 0.8)).astype(np.float32)
    return (noise * (rng.uniform(0, 0.3) + envelope ** rng.uniform(0.5, 4))).astype(np.float32)


def vowels(rng, count):
    """A melody sung, or played, through formants that are nobody's words."""
    out = np.zeros(count, np.float32)
    root, at = 80 * 2 ** rng.uniform(0, 2), 0
    formants = [(rng.uniform(250, 900), 80), (rng.uniform(800, 2500), 120), (rng.uniform(2200, 3500), 200)]
    steady = rng.random() < 0.4
    while at < count:
        length = min(count - at, int(RATE * rng.uniform(0.12, 0.9)))
        if not steady:
            formants = [(f * 2 ** rng.uniform(-0.4, 0.4), w) for f, w in formants]
            formants = [(min(max(f, 200), 4000), w) for f, w in formants]
        base = root * 2 ** (rng.integers(-5, 8) / 12)
        t = np.arange(length) / RATE
        bend = base * (t + rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * t) / 5)
        tone = np.zeros(length, np.float32)
        for k in range(1, int(4500 / base) + 1):
            gain = sum(np.exp(-((k * base - f) / (2 * w)) ** 2) for f, w in formants) + 0.02
            tone += (gain / k ** 0.5 * np.sin(2 * np.pi * k * bend)).astype(np.float32)
        edge = min(length // 2, int(RATE * rng.uniform(0.01, 0.1))) + 1
        ramp = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / edge)
        out[at:at + length] = tone * ramp * rng.uniform(0.4, 1)
        at += length + (int(RATE * rng.uniform(0, 0.4)) if rng.random() < 0.5 else 0)
    return out


def hum(rng, count):
    t = np.arange(count) / RATE
    base = rng.choice([50, 60, 100, 120]) * (1 + 0.01 * rng.standard_normal())
    return sum(rng.random() / k * np.sin(2 * np.pi * base * k * t + 6.28 * rng.random())
               for k in range(1, 12)).astype(np.float32)


def clicks(rng, count):
    out = np.zeros(count + 2000, np.float32)
    for at in rng.integers(0, count, max(1, int(count / RATE * rng.uniform(0.5, 6)))):
        size = int(rng.integers(20, 1500))
        out[at:at + size] += (rng.standard_normal(size) * np.exp(-np.arange(size) / size * 6)
                              * rng.uniform(0.2, 1)).astype(np.float32)
    return out[:count]


def music(rng, count):
    """Chords, a melody and drums with plucked, organ-like or gliding tones."""
    out = np.zeros(count + 3 * RATE, np.float32)
    beat = int(RATE * rng.uniform(0.18, 0.6))
    root = 55 * 2 ** (rng.integers(0, 24) / 12)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
    partials, decay = int(rng.integers(1, 9)), rng.uniform(0.5, 6)
    vibrato = rng.uniform(0, 0.02)
    for at in range(0, count, beat):
        length = int(beat * rng.choice([0.5, 1, 1, 2, 4]))
        t = np.arange(length) / RATE
        envelope = np.minimum(1, t * rng.uniform(20, 400)) * np.exp(-t * decay) * np.minimum(1, (length - np.arange(length)) / 400)
        notes = [root * 2 ** (scale[rng.integers(0, 10)] / 12) * rng.choice([1, 2, 4])]
        if rng.random() < 0.4:
            notes += [notes[0] * 2 ** (k / 12) for k in (4, 7)]
        for note in notes:
            if rng.random() < 0.85:
                phase = 2 * np.pi * note * (t + vibrato * np.sin(2 * np.pi * 5 * t) / 30)
                tone = sum(np.sin(k * phase) / k ** rng.uniform(0.7, 2) for k in range(1, partials + 1))
                out[at:at + length] += (tone * envelope * rng.uniform(0.3, 1)).astype(np.float32)
        if rng.random() < 0.5:
            size = int(rng.uniform(0.02, 0.15) * RATE)
            out[at:at + size] += (rng.standard_normal(size) * np.exp(-np.arange(size) / size * 5) * rng.uniform(0.2, 1.5)).astype(np.float32)
    return out[:count]


def to_level(audio, level=1.0):
    return audio * (level / max(1e-6, float(np.sqrt(np.mean(audio ** 2)))))


class Disturbances:
    """Banks of noise, music and babble, made once and cut at random places."""

    SECONDS = 24

    def __init__(self, rng, clips):
        self.rng, self.clips = rng, clips
        count = self.SECONDS * RATE
        self.noise = [to_level(coloured_noise(rng, count, s)) for s in (0, 0, 0.5, 1, 1, 1.5, 2, 2)]
        for make in (hum, clicks, gusts, pulsing, pulsing):
            self.noise += [to_level(make(rng, count)) for _ in range(3)]
        self.music = [to_level(make(rng, count)) for make in (music, music, vowels) for _ in range(10)]
        self.babble = [self.make_babble(count) for _ in range(16)]

    def make_babble(self, count):
        rng = self.rng
        out = np.zeros(count, np.float32)
        for _ in range(int(rng.integers(3, 8))):
            at = 0
            while at < count - RATE:
                if rng.random() < 0.3 and self.clips.foreign:
                    clip = self.clips.foreign[rng.integers(len(self.clips.foreign))]
                else:
                    _, talk = self.clips.talks[rng.integers(len(self.clips.talks))]
                    clip = talk[rng.integers(len(talk))]
                sound = to_level(samples_of(clip))[:count - at]
                out[at:at + len(sound)] += sound
                at += len(sound) + int(rng.integers(0, RATE // 3))
        return to_level(out)

    def renew(self):
        """Replaces a piece of music, a babble and a noise."""
        make = (hum, clicks, gusts, pulsing, pulsing)[self.rng.integers(5)]
        self.noise[self.rng.integers(8, len(self.noise))] = to_level(make(self.rng, self.SECONDS * RATE))
        make = (music, music, vowels)[self.rng.integers(3)]
        self.music[self.rng.integers(len(self.music))] = to_level(make(self.rng, self.SECONDS * RATE))
        self.babble[self.rng.integers(len(self.babble))] = self.make_babble(self.SECONDS * RATE)

    def cut(self, kind, count):
        bank = getattr(self, kind)
        sound = bank[self.rng.integers(len(bank))]
        at = self.rng.integers(0, len(sound) - count)
        return sound[at:at + count]


def fast_length(count):
    return 1 << (count - 1).bit_length() if count < 8192 else -(-count // 4096) * 4096


def transmit(rng, audio):
    """A room, a microphone and a line: one filter over the window."""
    size = fast_length(len(audio) + 4000)
    spectrum = np.fft.rfft(audio, size)
    if rng.random() < 0.35:
        reach = rng.uniform(0.03, 0.25)
        taps = int(min(4000, reach * RATE))
        room = rng.standard_normal(taps) * np.exp(-6.9 * np.arange(taps) / (reach * RATE)) * rng.uniform(0.02, 0.12)
        room[0] = 1.0
        spectrum = spectrum * np.fft.rfft(room.astype(np.float32), size)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    octave = np.log2(np.maximum(frequency, 60) / 1000)
    gain = rng.uniform(-3, 3) * octave + rng.uniform(0, 5) * np.sin(rng.uniform(0.3, 1.6) * octave + rng.uniform(0, 6.28))
    draw = rng.random()
    if draw < 0.12:                                                       # telephone
        gain = gain - 40 * ((frequency < 280) | (frequency > 3500))
    elif draw < 0.25:
        gain = gain - 50 * (frequency > rng.uniform(3000, 7500))
    elif draw < 0.35:
        gain = gain - 30 * (frequency < rng.uniform(80, 400))
    return np.fft.irfft(spectrum * (10 ** (gain / 20)).astype(np.float32), size)[:len(audio)].astype(np.float32)


# ---- the window -------------------------------------------------------------

class Windows:
    def __init__(self, clips, seed, simple=0.0, full=0.08, disturbed=0.5):
        self.clips, self.rng = clips, np.random.default_rng(seed)
        self.simple, self.full, self.disturbed = simple, full, disturbed
        self.disturbances = Disturbances(self.rng, clips)
        self.made = 0

    def next(self):
        """(features float16 [2 * positions, 80], tokens, targets, spans, phones)."""
        self.made += 1
        if self.made % 150 == 0:
            self.disturbances.renew()
        if self.made % 4000 == 0:
            self.clips.refresh()
        rng = self.rng
        draw = rng.random()
        if draw < 0.02 + 0.14 * (1 - self.simple):
            audio, before = self.silence()
            segments, phones = [], []
            speech = False
        else:
            audio, before, segments, phones = self.speech(rng.random() < self.simple)
            speech = True
        positions = features.positions_of(len(audio) // features.HOP, rng.random() < self.full)
        mel = features.normalise(features.log_mel(audio, before), positions)
        if rng.random() < 0.3:
            low, width = rng.integers(0, 78), rng.integers(2, 9)
            mel[:, low:low + width] = mel.mean()
        if rng.random() < 0.2:
            at, width = rng.integers(0, len(mel)), rng.integers(2, 9)
            mel[at:at + width] = mel.mean()
        return mel.astype(np.float16), *self.transcript(segments, speech), phones

    def transcript(self, segments, speech):
        """Input tokens, the token after each, and where in the audio it is heard."""
        tokens, spans = [], []

        def time(seconds):
            tokens.append(language.FIRST_TIME + int(min(language.LAST_TIME, max(0, round(seconds / language.TIME_STEP)))))
            spans.append((seconds - 0.08, seconds + 0.08))
        for words, times, cut in segments:
            time(times[0][0])
            if not cut:
                for word, (start, end) in zip(words, times):
                    tokens.append(language.TOKEN[word])
                    spans.append((start - 0.02, end + 0.02))
                time(times[-1][1])
        if not segments:
            # Nothing is heard: also when a decoder insists on a first time, the end follows.
            at = language.FIRST_TIME + int(self.rng.integers(0, 100))
            return [language.START, at], [language.NO_SPEECH, language.END], [(0, 0), (0, 0)]
        return [language.START] + tokens, tokens + [language.END], spans + [(0, 0)]

    def silence(self):
        rng = self.rng
        count = int(rng.uniform(1, 5 if rng.random() < 0.7 else 10) * RATE)
        kind = rng.random()
        level = 10 ** (rng.uniform(-50, -8) / 20)
        if kind < 0.1:
            audio = np.zeros(count, np.float32)
            if rng.random() < 0.5:
                audio += rng.integers(-1, 2, count) / 32768
        elif kind < 0.35:
            audio = self.disturbances.cut("noise", count) * level
            if rng.random() < 0.4:
                audio = audio + self.disturbances.cut("noise", count) * level * rng.uniform(0.1, 1)
        elif kind < 0.5:
            audio = self.disturbances.cut("music", count) * level
        elif kind < 0.8:
            audio = self.disturbances.cut("babble", count) * level
        else:
            audio = np.zeros(count, np.float32)
            at = int(rng.uniform(0, 0.6) * RATE)
            while at < count and self.clips.foreign:
                sound = to_level(samples_of(self.clips.foreign[rng.integers(len(self.clips.foreign))]))[:count - at]
                audio[at:at + len(sound)] += sound * level
                at += len(sound) + int(rng.uniform(0.2, 1.5) * RATE)
        if rng.random() < 0.5:
            audio = transmit(rng, audio)
        if rng.random() < 0.7:
            audio = audio + self.disturbances.cut("noise", count) * 10 ** (rng.uniform(-80, -45) / 20)
        return np.clip(audio, -1, 1).astype(np.float32), None

    def layout(self, simple, dense):
        """A stream: samples and segments of (words, times in seconds); a dense one hardly has pauses."""
        rng = self.rng
        talks = self.clips.talks
        if dense and self.clips.breathless and rng.random() < 0.6:
            talks = self.clips.breathless
            if rng.random() < 0.8:
                return self.place(talks[rng.integers(len(talks))][1], [0], rng.uniform(0, 0.5), True)
        voice, talk = talks[rng.integers(len(talks))]
        chosen = list(rng.permutation(len(talk)))
        count = int(rng.integers(6, 14)) if dense else 1 if simple else int(rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))
        while count > len(chosen):
            same = self.clips.by_voice.get(voice, [talk])
            more = same[rng.integers(len(same))] if rng.random() < 0.8 else self.clips.talks[rng.integers(len(self.clips.talks))][1]
            talk = talk + more
            chosen = list(rng.permutation(len(talk)))
        draw = rng.random()
        at = rng.uniform(0, 0.5) if simple or draw < 0.78 else rng.uniform(0, 2.5) if draw < 0.92 else rng.uniform(2.5, 8)
        return self.place(talk, chosen[:count], at, dense)

    def place(self, talk, chosen, at, dense):
        """The clips of a talk one behind the other, the first word at that time."""
        rng = self.rng
        pieces, segments = [], []
        joined = False
        level = 1.0
        for number in chosen:
            words, times, *_ = talk[number]
            sound = samples_of(talk[number])
            level = level if rng.random() < 0.7 else rng.uniform(0.5, 2)
            pieces.append((at, to_level(sound, 0.1 * level)))
            times = times / RATE + at
            if joined:
                before_words, before_times = segments[-1]
                segments[-1] = (before_words + words, np.concatenate([before_times, times]))
            else:
                segments.append((list(words), times))
            joined = rng.random() < (0.94 if dense else 0.15)
            draw = rng.random()
            pause = (0.0, 0.3) if joined else (0.45, 0.8) if draw < 0.78 else (0.8, 2.5) if draw < 0.92 else (2.5, 9)
            at = times[-1][1] + rng.uniform(*pause)
        total = segments[-1][1][-1][1] + 3.0
        stream = np.zeros(int(total * RATE) + RATE, np.float32)
        for at, sound in pieces:
            first = max(0, int(at * RATE))
            stream[first:first + len(sound)] += sound
        return stream, segments

    def speech(self, simple):
        rng = self.rng
        dense = not simple and rng.random() < 0.25
        stream, segments = self.layout(simple, dense)
        start, last = 0.0, segments[-1][1][-1][1]
        draw = 1.0 if simple else rng.random()
        if dense and draw < 0.8:                # begins behind a word, or in one
            word = self.a_word(segments, max(last - 8, last / 2))
            start = max(0, word[1] + rng.uniform(-0.05, 0.1) if draw < 0.5 else rng.uniform(*word))
        elif draw < 0.12:                       # begins anywhere in the first segment
            start = rng.uniform(0, segments[0][1][-1][1])
        elif draw < 0.24:                       # begins about where a segment ended
            start = max(0, segments[0][1][-1][1] + rng.uniform(-0.12, 0.2))
        elif draw < 0.32:                       # begins just before speech
            start = max(0, segments[0][1][0][0] - rng.uniform(0.0, 0.15))
        if start >= last - 0.2:
            start = 0.0
        draw = rng.random()
        shortest = 1.0
        if dense:
            end = start + (10.0 if draw < 0.5 else rng.uniform(1, 10))
        elif draw < (0.8 if simple else 0.55):
            end = last + rng.uniform(0.05, 0.5)
        elif draw < 0.65:
            end = last + rng.uniform(0.1, 2.5)
        elif simple or draw < 0.78:             # the stream ends in a word
            end = self.inside_a_word(segments, start)
            shortest = 0.5
        else:
            end = rng.uniform(start + min(0.8, last - start), last + 0.2)
        end = min(max(end, start + shortest), start + 10.0)
        first, count = int(start * RATE), int((end - start) * RATE)
        window = stream[first:first + count]
        window = np.pad(window, (0, count - len(window)))
        before = stream[max(0, first - 200):first] if first else None
        if before is not None and len(before) < 200:
            before = np.pad(before, (200 - len(before), 0))
        heard, phones = self.heard(segments, first / RATE, (first + count) / RATE)
        audio = window if before is None else np.concatenate([before, window])
        audio = self.disturb(audio)
        if before is not None:
            before, audio = audio[:200], audio[200:]
        return audio, before, heard, phones

    def a_word(self, segments, latest):
        times = [t for _, times in segments for t in times if t[0] < latest]
        return times[self.rng.integers(len(times))] if times else segments[0][1][0]

    def inside_a_word(self, segments, start):
        times = [t for _, times in segments for t in times if start + 0.2 < t[1] < start + 10]
        if not times:
            return start + 10
        first, last = times[self.rng.integers(len(times))]
        return self.rng.uniform(first, last)

    def heard(self, segments, start, end):
        """What of the segments a transcript of [start, end] holds, times from its start."""
        out, phones = [], []
        for words, times in segments:
            times = np.asarray(times) - start
            whole = [i for i in range(len(words)) if times[i][0] >= -0.03 and times[i][1] <= end - start + 0.02]
            phones += [p for i in whole for p in PHONES[words[i]]]
            first_heard = [i for i in range(len(words)) if times[i][0] >= -0.03]
            if not first_heard or times[first_heard[0]][0] > end - start - 0.06:
                continue
            begin = first_heard[0]
            cut = times[-1][1] > end - start + 0.02
            if not cut:
                out.append((words[begin:], times[begin:], False))
            elif whole and times[begin][0] < 0.5:
                out.append(([words[i] for i in whole], times[whole], False))
            else:
                out.append(([], times[begin:begin + 1], True))
        return out, phones

    def disturb(self, audio):
        rng, bank = self.rng, self.disturbances
        count = len(audio)
        peak = max(1e-4, float(np.abs(audio).max()))
        audio = audio / peak
        loud = max(1e-3, float(np.sqrt(np.mean(audio ** 2))))
        if rng.random() < self.disturbed:
            kind = rng.choice(["noise", "noise", "noise", "music", "babble"])
            ratio = rng.uniform(3, 40) if kind == "noise" else rng.uniform(10, 35)
            audio = audio + bank.cut(kind, count) * loud * 10 ** (-ratio / 20)
        if rng.random() < self.disturbed:
            audio = transmit(rng, audio)
            audio = audio / max(1e-4, float(np.abs(audio).max()))
        gain = 10 ** (rng.uniform(-35, 0) / 20)
        if rng.random() < 0.06:
            audio = np.clip(audio * rng.uniform(1.5, 5), -1, 1)
        audio = audio * gain
        if rng.random() < 0.6:
            audio = audio + bank.cut("noise", count) * 10 ** (rng.uniform(-95, -55) / 20)
        return np.clip(audio, -1, 1).astype(np.float32)
