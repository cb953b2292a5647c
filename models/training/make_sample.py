# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes sample.wav and sample.txt beside the model: commands spoken by the held-out human voice.

Several deliveries of the same commands are tried and the first that the model
transcribes without an error is kept, so the recording shows what the model is
for and says nothing of its error rate; evaluate.py measures that.
"""
import argparse
import os
import random
import wave

import numpy as np

import evaluate
import voices

COMMANDS = ["turn on the kitchen light", "set a timer for five minutes", "play the next song",
            "what is the weather tomorrow", "open the bedroom window please", "stop the music", "thank you"]


def speak(rng):
    synthesiser = voices.Synthesiser()
    voice = ("flite", voices.HELD_OUT_HUMAN, voices.between(rng, 0.95, 1.1), 100, 0, 1.0)
    pieces, times, at = [np.zeros(voices.RATE // 2)], [], 0.5
    for command in COMMANDS:
        audio, words = synthesiser.say(voice, command)
        first, last = int(words[0, 0]), int(words[-1, 1])
        audio = audio[first:last].astype(np.float64)
        pause = np.zeros(int(voices.between(rng, 0.7, 1.1) * voices.RATE))
        times.append((at, at + len(audio) / voices.RATE))
        pieces += [audio, pause]
        at += (len(audio) + len(pause)) / voices.RATE
    out = np.concatenate(pieces)
    return np.round(out * (16000 / np.abs(out).max())).astype(np.int16), times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.path.join(evaluate.HERE, "..", "commands-en"))
    parser.add_argument("--tries", type=int, default=20)
    args = parser.parse_args()
    model = evaluate.Whisper(args.model)
    for seed in range(args.tries):
        audio, times = speak(random.Random(seed))
        heard = evaluate.transcribe_long(model, audio.astype(np.float32) / 32768)
        said = " | ".join(COMMANDS)
        got = " | ".join(" ".join(words) for _, _, words in heard)
        print(seed, got)
        if said == got:
            break
    else:
        raise SystemExit("no delivery is transcribed without an error")
    with wave.open(os.path.join(args.model, "sample.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(voices.RATE)
        out.writeframes(audio.astype("<i2").tobytes())
    with open(os.path.join(args.model, "sample.txt"), "w") as out:
        for (start, end), command in zip(times, COMMANDS):
            out.write(f"{start:.2f} {end:.2f} {command}\n")
    print(f"{len(audio) / voices.RATE:.1f} s")


if __name__ == "__main__":
    main()
