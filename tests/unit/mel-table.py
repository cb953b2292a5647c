#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the table that the test of the log-mel front end compares jfk.wav
with: mel-table.py jfk.wav > mel-jfk-table.h

An independent computation in double precision with numpy, in the steps of
Whisper: pad with 30 s of zeros, reflect at both ends, transform, filter, take
the logarithm, clamp to 8 below the largest value of the recording, scale.
Only every 50th frame is kept.
"""
import sys
import wave

import numpy as np

RATE, WINDOW, HOP, BANDS, EVERY = 16000, 400, 160, 80, 50


def hertz_to_mel(hertz):
    return np.where(hertz < 1000, hertz * 3 / 200,
                    15 + 27 / np.log(6.4) * np.log(np.maximum(hertz, 1) / 1000))


def mel_to_hertz(mel):
    return np.where(mel < 15, mel * 200 / 3,
                    1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def filters():
    corners = mel_to_hertz(
        np.linspace(0, hertz_to_mel(np.float64(RATE / 2)), BANDS + 2))
    ramps = corners[:, None] - np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    widths = np.diff(corners)
    weights = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1, None],
                                       ramps[2:] / widths[1:, None]))
    return weights * (2 / (corners[2:] - corners[:-2]))[:, None]


def log_mel(samples):
    frames = len(samples) // HOP
    padded = np.pad(np.pad(samples, (0, 30 * RATE)), WINDOW // 2,
                    mode='reflect')
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = np.array([
        np.abs(np.fft.rfft(padded[t * HOP:t * HOP + WINDOW] * window)) ** 2
        for t in range(frames)])
    values = np.log10(np.maximum(power @ filters().T, 1e-10))
    return (np.maximum(values, values.max() - 8) + 4) / 4


def main():
    with wave.open(sys.argv[1]) as recording:
        assert recording.getframerate() == RATE
        assert recording.getnchannels() == 1
        assert recording.getsampwidth() == 2
        samples = np.frombuffer(
            recording.readframes(recording.getnframes()), '<i2') / 32768
    values = log_mel(samples)
    rows = values[::EVERY]
    print('/* SPDX-License-Identifier: LGPL-2.1-or-later\n *\n'
          ' * Log-mel frames of jfk.wav behind the clamp; made by '
          'mel-table.py.\n */')
    print(f'#define JFK_SAMPLES {len(samples)}')
    print(f'#define JFK_FRAMES {len(values)}')
    print(f'#define JFK_EVERY {EVERY}')
    print(f'#define JFK_ROWS {len(rows)}')
    print(f'#define JFK_BANDS {BANDS}\n')
    print('static const float jfk_table[JFK_ROWS][JFK_BANDS] = {')
    for row in rows:
        print('  {')
        for start in range(0, BANDS, 5):
            print('    ' + ' '.join(f'{value:.6f}f,'
                                    for value in row[start:start + 5]))
        print('  },')
    print('};')


main()
