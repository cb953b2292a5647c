# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who speaks: the voices for training, the voices held out, and the program
that speaks for them.

Held out are every tenth espeak-ng variant in alphabetical order, the accent of
New York, and flite's `rms` (a man of the CMU ARCTIC recordings). No training
utterance is spoken by any of them.
"""
import os
import struct
import subprocess

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 16000

ACCENTS = ["en-us", "en-us", "en-us", "en-gb", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan",
           "en-gb-x-gbcwmd", "en-029"]
HELD_OUT_ACCENT = "en-us-nyc"
VARIANTS = sorted("""Alex Alicia Andrea Andy Annie AnxiousAndy Demonic Denis Diogo Gene Gene2 Henrique Hugo Jacky
Lee Marco Mario Michael Mike Nguyen RicishayMax RicishayMax2 RicishayMax3 Storm Tweaky UniRobot adam anika anikaRobot
announcer antonio aunty belinda benjamin boris caleb croak david ed edward edward2 f1 f2 f3 f4 f5 fast grandma grandpa
gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8
marcelo max michel miguel norbert pablo paul pedro quincy rob robert robosoft robosoft2 robosoft3 robosoft4 robosoft5
robosoft6 robosoft7 robosoft8 sandro shelby steph steph2 steph3 travis victor whisper whisperf zac""".split(),
                  key=str.lower)
HELD_OUT_VARIANTS = VARIANTS[4::10]
TRAINING_VARIANTS = [v for v in VARIANTS if v not in HELD_OUT_VARIANTS]
HUMANS = ["slt", "awb", "kal16"]
HELD_OUT_HUMAN = "rms"
OTHER_LANGUAGES = ["de", "fr-fr", "es", "it", "pl", "ru", "fi", "tr", "pt", "nl", "sv", "hu", "cmn", "hi", "ar", "sw"]


def between(rng, low, high):
    return low + (high - low) * rng.random()


def espeak(rng, variants=TRAINING_VARIANTS, accents=ACCENTS, spread=1.0):
    """A way of speaking: (engine, voice, rate, pitch, range, warp)."""
    accent = rng.choice(accents)
    variant = rng.choice(variants)
    warp = between(rng, 0.88, 1.16) if spread and rng.random() < 0.5 else 1.0
    return ("espeak", f"{accent}+{variant}", between(rng, 0.75, 1.45), between(rng, 20, 80), between(rng, 20, 80), warp)


def flite(rng, name=None, spread=1.0):
    name = name or rng.choice(HUMANS)
    warp = between(rng, 0.86, 1.18) if spread and rng.random() < 0.7 else 1.0
    return ("flite", name, between(rng, 0.75, 1.35), between(rng, 80, 125) if spread else 100,
            between(rng, 8, 30) if spread else 0, warp)


def training_voice(rng):
    return flite(rng) if rng.random() < 0.40 else espeak(rng)


def held_out_espeak(rng):
    accents = ACCENTS + [HELD_OUT_ACCENT]
    return espeak(rng, HELD_OUT_VARIANTS, accents, spread=0.0)


def held_out_human(rng):
    engine, name, rate, pitch, width, warp = flite(rng, HELD_OUT_HUMAN, spread=0.0)
    return engine, name, between(rng, 0.85, 1.25), pitch, width, warp


def program():
    """Path of the synthesiser, built when it is missing."""
    folder = os.environ.get("GST_NPU_TRAINING", os.path.join(HERE, "build"))
    path = os.path.join(folder, "synthesize")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(os.path.join(HERE, "synthesize.c")):
        subprocess.run(["make", "-s", "-C", HERE, f"BUILD={folder}"], check=True)
    return path


class Synthesiser:
    """Speaks one utterance at a time through the synthesiser program."""

    def __init__(self):
        self.process = None

    def start(self):
        self.process = subprocess.Popen([program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, count):
        data = self.process.stdout.read(count)
        if len(data) != count:
            raise EOFError("the synthesiser stopped")
        return data

    def say(self, voice, text):
        """(samples int16, word times int array [words, 2]) or None where the engine refused."""
        if self.process is None:
            self.start()
        engine, name, rate, pitch, width, warp = voice
        line = f"{engine}\t{name}\t{rate:.3f}\t{pitch:.1f}\t{width:.1f}\t{warp:.3f}\t{text}\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        samples, words = struct.unpack("<4xII", self.read(12))
        times = np.frombuffer(self.read(8 * words), "<u4").reshape(-1, 2).astype(np.int64)
        audio = np.frombuffer(self.read(2 * samples), "<i2")
        if samples < 800 or words == 0:
            return None
        return audio, times
