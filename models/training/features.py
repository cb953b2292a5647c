# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whisper's log-mel features with numpy: 80 Slaney bands at 16 kHz, 10 ms hop."""
import numpy as np

RATE = 16000
HOP = 160
FFT = 400
BANDS = 80
CONTEXT_STEP = 16           # positions; a position is two frames
FULL_CONTEXT = 500          # positions of the whole window


def _mel_filters():
    def to_hz(mel):
        linear = mel * 200.0 / 3
        return np.where(mel >= 15, 1000.0 * np.exp(np.log(6.4) / 27 * (mel - 15)), linear)
    top = 15 + 27 / np.log(6.4) * np.log(RATE / 2 / 1000.0)
    edges = to_hz(np.linspace(0, top, BANDS + 2))
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return (np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


FILTERS = _mel_filters()
HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


def log_mel(audio, before=None):
    """Raw log10 frames [floor(N / 160), 80] of float samples.

    `before` holds the 200 samples that precede the window; without them the
    window begins the stream, and its start is reflected.
    """
    count = len(audio) // HOP
    half = FFT // 2
    if before is None:
        before = audio[1:half + 1][::-1]
        before = np.pad(before, (half - len(before), 0))
    signal = np.concatenate([before[-half:], audio, np.zeros(FFT, audio.dtype)]).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(signal, FFT)[::HOP][:count]
    spectrum = np.fft.rfft(frames * HANN, axis=-1)
    power = (spectrum.real ** 2 + spectrum.imag ** 2).astype(np.float32)
    return np.log10(np.maximum(power @ FILTERS.T, 1e-10))


def positions_of(frames, full=False):
    """Encoder positions for a count of frames: heard, rounded up to the step."""
    if full:
        return FULL_CONTEXT
    heard = (frames + 1) // 2
    return min(FULL_CONTEXT, -(-max(heard, 1) // CONTEXT_STEP) * CONTEXT_STEP)


def normalise(raw, positions):
    """Whisper's clamp and scale, padded with silence to 2 * positions frames."""
    top = raw.max() if len(raw) else -10.0
    floor = max(top - 8.0, -10.0)
    out = np.full((2 * positions, raw.shape[1]), floor, np.float32)
    count = min(len(raw), 2 * positions)
    out[:count] = np.maximum(raw[:count], top - 8.0)
    return (out + 4.0) / 4.0
