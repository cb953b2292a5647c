# SPDX-License-Identifier: LGPL-2.1-or-later
"""Speaks utterances for training and stores them as shards.

A shard is two files: NAME.i16, the samples of all its clips end to end, and
NAME.json, one row a clip: talk (clips of one talk share a voice), kind, voice,
offset, samples, words, word times in samples. The trainer picks new shards up
while this program goes on. Kind "foreign" is speech that must not be
transcribed: other languages and English outside the vocabulary. Kind
"breathless" is 12 to 30 words said without a pause, a talk of its own.
"""
import argparse
import json
import os
import random
import time

import numpy as np

import language
import voices

CLIPS = 1500
LONGEST = {"breathless": 20}      # seconds; other kinds 12
MARGIN = int(0.05 * voices.RATE)

OUTSIDE = """although besides certainly delicious elephant furniture government hospital imagine journey knowledge
library machinery neighbourhood opinion particular question remarkable scientific telephone umbrella vegetable wonderful
xylophone yoghurt zoology history ancient bridge village captain shoulder trousers pencil cheese potato rabbit tiger whale
carpet blanket pillow soldier lawyer judge prince castle forest valley island ocean thunder lightning shadow whisper
laughter courage wisdom freedom justice science chemistry physics grammar poetry novel theatre painter sculpture violin
trumpet guitar chorus rhythm harvest pepper vinegar garlic onion tomato lettuce sugar pepper chocolate biscuit sandwich
although because therefore however despite during against toward among through though enough rather quite almost several
discuss explain describe suggest believe consider improve reduce develop produce provide protect destroy survive celebrate
was were been being himself herself themselves whose whom such both neither either each few many much most other another
large tiny narrow wide thick thin deep shallow rough smooth gentle fierce brave clever stupid polite honest generous""".split()
SYLLABLES = [c + v for c in "b d f g h k l m n p r s t v z sh ch st tr pl".split() for v in "a e i o u ai au ei".split()]


def foreign(rng):
    if rng.random() < 0.4:
        words = [rng.choice(OUTSIDE) for _ in range(rng.randint(2, 9))]
        return voices.training_voice(rng), " ".join(words)
    words = ["".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4))) for _ in range(rng.randint(2, 8))]
    tongue = rng.choice(voices.OTHER_LANGUAGES) + "+" + rng.choice(voices.TRAINING_VARIANTS)
    return ("espeak", tongue, voices.between(rng, 0.8, 1.4), voices.between(rng, 20, 80), 50, 1.0), " ".join(words)


def clip(synthesiser, voice, text, kind=""):
    """Samples around the speech and word times, or None."""
    said = synthesiser.say(voice, text)
    if said is None:
        return None
    audio, times = said
    first = max(0, int(times[0, 0]) - MARGIN)
    last = min(len(audio), int(times[-1, 1]) + MARGIN)
    if last - first > LONGEST.get(kind, 12) * voices.RATE or np.abs(audio).max() < 300:
        return None
    return audio[first:last], times - first


def breathless(synthesiser, rng):
    voice, wanted, words = voices.training_voice(rng), rng.randint(12, 30), []
    while len(words) < wanted:
        words += language.utterance(rng)[1]
    said = clip(synthesiser, voice, " ".join(words), "breathless")
    return [("breathless", voice, words, *said)] if said and len(said[1]) == len(words) else []


def talk(synthesiser, rng, long):
    """Rows (kind, voice, words, audio, times) of one speaker."""
    rows = []
    if rng.random() < long:
        return breathless(synthesiser, rng)
    if rng.random() < 0.06:
        voice, text = foreign(rng)
        said = clip(synthesiser, voice, text)
        return [("foreign", voice, [], *said)] if said else []
    voice = voices.training_voice(rng)
    for _ in range(3):
        kind, words = language.utterance(rng)
        said = clip(synthesiser, voice, language.spoken(words, rng))
        if said and len(said[1]) == len(words):
            rows.append((kind, voice, words, *said))
    return rows


def write_shard(folder, name, rows_of_talks):
    index, offset = [], 0
    with open(os.path.join(folder, name + ".i16"), "wb") as out:
        for number, rows in enumerate(rows_of_talks):
            for kind, voice, words, audio, times in rows:
                out.write(audio.astype("<i2").tobytes())
                index.append([number, kind, f"{voice[0]}:{voice[1]}", offset, len(audio), words, np.asarray(times).tolist()])
                offset += len(audio)
    part = os.path.join(folder, name + ".part")
    with open(part, "w") as out:
        json.dump(index, out)
    os.rename(part, os.path.join(folder, name + ".json"))
    return len(index), offset / voices.RATE


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--clips", type=int, default=300000, help="stop when the folder holds so many")
    parser.add_argument("--idle", type=float, default=0.0, help="fraction of the time to rest")
    parser.add_argument("--breathless", type=float, default=0.03, help="part of the talks that have no pause")
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    seed = args.seed if args.seed is not None else int(time.time() * 1000) % (1 << 31)
    rng = random.Random(seed)
    synthesiser = voices.Synthesiser()
    made = 0
    while len([f for f in os.listdir(args.out) if f.endswith(".json")]) * CLIPS < args.clips:
        begin, talks, count = time.time(), [], 0
        while count < CLIPS:
            rows = talk(synthesiser, rng, args.breathless)
            talks.append(rows)
            count += len(rows)
            if args.idle and len(talks) % 20 == 0:
                time.sleep((time.time() - begin) * args.idle / max(1e-3, 1 - args.idle) * 20 / len(talks) * 0.5)
        _, seconds = write_shard(args.out, f"{int(time.time() * 1000):x}-{seed}", talks)
        made += count
        print(f"{made} clips, {count / (time.time() - begin):.0f} a second, mean {seconds / count:.2f} s", flush=True)


if __name__ == "__main__":
    main()
