# SPDX-License-Identifier: LGPL-2.1-or-later
"""Speaks training clips with festival's voices ked, kal (diphones) and slt (HTS).

Festival is slow to answer one request at a time, so that a whole shard is one
script; the shards are the same as those of make_clips.py.
"""
import argparse
import os
import random
import subprocess
import tempfile
import time
import wave

import numpy as np

import language
import make_clips
import voices

TALKS = 120
NAMES = ["ked_diphone", "cmu_us_slt_arctic_hts", "ked_diphone", "kal_diphone"]
PROLOGUE = """
(define (speak_to file text stretch)
  (Parameter.set 'Duration_Stretch stretch)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt file 'riff)
    (format t "UTTR %s" file)
    (mapcar (lambda (w)
       (format t " %f %f" (item.feat w "R:SylStructure.daughter1.daughter1.R:Segment.p.end")
               (item.feat w "R:SylStructure.daughtern.daughtern.R:Segment.end")))
      (utt.relation.items utt 'Word))
    (format t "\\n")))
"""


def resample(audio, ratio):
    """To round(len * ratio) samples by cutting or padding the spectrum."""
    size = 1 << (len(audio) - 1).bit_length()
    out_size = int(round(size * ratio / 2)) * 2
    spectrum = np.fft.rfft(np.pad(audio, (0, size - len(audio))))
    spectrum = np.pad(spectrum[:out_size // 2 + 1], (0, max(0, out_size // 2 + 1 - len(spectrum))))
    return np.fft.irfft(spectrum, out_size)[:int(len(audio) * ratio)] * out_size / size


def read(path, times, warp):
    with wave.open(path) as f:
        rate, audio = f.getframerate(), np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float64)
    audio = resample(audio, voices.RATE / rate / warp)
    times = (times / warp * voices.RATE).astype(np.int64)
    loud = np.flatnonzero(np.abs(audio) > 0.006 * np.abs(audio).max())
    times[0, 0], times[-1, 1] = loud[0], loud[-1] + 1
    times = np.clip(times, loud[0], loud[-1] + 1)
    first, last = max(0, loud[0] - make_clips.MARGIN), min(len(audio), loud[-1] + make_clips.MARGIN)
    return np.clip(audio[first:last], -32768, 32767), times - first


def shard(rng):
    talks = []
    with tempfile.TemporaryDirectory() as folder:
        script, wanted = [PROLOGUE], {}
        for number in range(TALKS):
            name = rng.choice(NAMES)
            warp = voices.between(rng, 0.86, 1.18) if rng.random() < 0.7 else 1.0
            stretch = voices.between(rng, 0.75, 1.35)
            script.append(f"(voice_{name})")
            if "diphone" in name:
                script.append(f"(set! int_lr_params '((target_f0_mean {voices.between(rng, 85, 170):.0f}) (target_f0_std "
                              f"{voices.between(rng, 8, 25):.0f}) (model_f0_mean 170) (model_f0_std 34)))")
            for part in range(3):
                kind, words = language.utterance(rng)
                path = os.path.join(folder, f"{number}-{part}.wav")
                wanted[path] = (number, kind, name, words, warp)
                script.append(f'(speak_to "{path}" "{language.spoken(words, rng)}" {stretch:.2f})')
        source = os.path.join(folder, "shard.scm")
        with open(source, "w") as f:
            f.write("\n".join(script))
        said = subprocess.run(["festival", "-b", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        rows = {}
        for line in said.splitlines():
            if not line.startswith("UTTR "):
                continue
            path, *times = line.split()[1:]
            number, kind, name, words, warp = wanted[path]
            if len(times) == 2 * len(words):
                audio, times = read(path, np.array(times, float).reshape(-1, 2), warp)
                rows.setdefault(number, []).append((kind, ("festival", name), words, audio, times))
    return list(rows.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--shards", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else int(time.time())
    rng = random.Random(seed)
    for _ in range(args.shards):
        begin = time.time()
        count, seconds = make_clips.write_shard(args.out, f"festival-{int(time.time() * 1000):x}-{seed}", shard(rng))
        print(f"{count} clips of {seconds / max(1, count):.2f} s in {time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
