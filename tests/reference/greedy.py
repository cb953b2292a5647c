# SPDX-License-Identifier: LGPL-2.1-or-later
"""Greedy decoding of one window in numpy: the rules of openai/whisper's
decoding.py and transcribe.py, and what src/decoder/decoder.h says that goes
beyond them. Written from those two, not from the code that it is the reference
of; a margin tells how near another outcome was.
"""
from dataclasses import dataclass, field

import numpy as np

import reference

SECOND = 50                     # positions
MAX_INITIAL = SECOND
PERIODS, LOOP_TOKENS, LOOP_TIMES = 32, 16, 4


@dataclass
class Vocabulary:
    end: int
    start: int
    no_speech: int
    first_time: int
    times: int
    text: object                # token to its text, for those that are text
    languages: tuple = ()       # their tokens; none in an English one
    transcribe: int = -1
    fastest: int = 25           # text tokens a second


@dataclass
class Transcript:
    segments: list = field(default_factory=list)        # (start, end, text)
    next: int = 0
    tokens: int = 0
    no_speech: bool = False
    looped: bool = False
    no_speech_probability: float = 0.0
    log_probability: float = 0.0
    margin: float = np.inf      # the least difference that any choice hung on


def log_softmax(row):
    row = row - row.max()
    return row - np.log(np.exp(row).sum())


def distance_to_second(row):
    second, best = np.partition(row, -2)[-2:]
    return best - second


def filtered(row, tokens, vocabulary, limit, max_initial):
    """The logits that are left, and how near the times' rule was to be otherwise."""
    first, end = vocabulary.first_time, vocabulary.end
    row = row.copy()
    row[[t for t in range(first) if t not in vocabulary.text and t != end]] = -np.inf
    row[first + limit + 1:] = -np.inf
    last = bool(tokens) and tokens[-1] >= first
    before = len(tokens) < 2 or tokens[-2] >= first
    if not tokens:
        row[:first] = -np.inf
        row[first + max_initial + 1:] = -np.inf
    elif last and before:
        row[first:] = -np.inf
    elif last:
        row[[t for t in vocabulary.text if t != end]] = -np.inf
    times = [t for t in tokens if t >= first]
    if times:
        row[first:times[-1] + (0 if last and not before else 1)] = -np.inf
    logs = log_softmax(row)
    with np.errstate(divide='ignore'):
        all_times = np.log(np.exp(logs[first:]).sum())
    text = logs[:first].max()
    if all_times > text:
        row[:first] = -np.inf
    return row, abs(all_times - text)


def loops(tokens):
    for period in range(1, PERIODS + 1):
        equal = 0
        while equal + period < len(tokens) and tokens[-1 - equal] == tokens[-1 - equal - period]:
            equal += 1
        if equal + period >= LOOP_TOKENS and equal >= period * (LOOP_TIMES - 1):
            return True
    return False


class Decoder:
    def __init__(self, weights, shape, vocabulary, heard, thresholds=(0.6, -1.0)):
        self.weights, self.shape, self.vocabulary = weights, shape, vocabulary
        self.heard = heard      # a model for windows that grow
        self.no_speech, self.unlikely = thresholds

    def most(self, positions):
        return 2 + positions * self.vocabulary.fastest // SECOND

    def decode(self, states, valid, full, final):
        out = Transcript()
        again = self._part(out, states, valid, full or final, final)
        while again and valid // 2 >= SECOND:
            valid //= 2
            again = self._part(out, states[:valid], valid, True, False)
        return out

    def _part(self, out, states, valid, full, final):
        vocabulary = self.vocabulary
        decoder = reference.CachedTextDecoder(self.weights, self.shape, states)
        row = decoder.append(vocabulary.start)
        out.no_speech_probability = float(np.exp(log_softmax(row)[vocabulary.no_speech]))
        doubt = out.no_speech_probability > self.no_speech
        if self.heard:
            if doubt:
                out.no_speech, out.next = True, self._nothing(valid, full, final)
                return False
            doubt = int(row.argmax()) == vocabulary.no_speech
        if vocabulary.languages:
            language = row[list(vocabulary.languages)]
            out.margin = min(out.margin, distance_to_second(language))
            decoder.append(vocabulary.languages[int(language.argmax())])
            row = decoder.append(vocabulary.transcribe)
        tokens, total, looped = self._tokens(out, decoder, row, valid)
        out.tokens += len(tokens)
        out.log_probability = total / (len(tokens) + 1)
        if doubt and out.log_probability < self.unlikely:
            out.no_speech, out.next = True, self._nothing(valid, full, final)
            return False
        return self._segments(out, tokens, looped, valid, full, final)

    def _tokens(self, out, decoder, row, valid):
        vocabulary, tokens, total = self.vocabulary, [], 0.0
        limit = min(valid, vocabulary.times - 1)
        longest = min(self.shape.text_context // 2, self.shape.text_context - 3)
        while True:
            row, margin = filtered(row, tokens, vocabulary, limit,
                                   limit if self.heard else MAX_INITIAL)
            out.margin = min(out.margin, margin, distance_to_second(row))
            token = int(row.argmax())
            total += float(log_softmax(row)[token])
            if token == vocabulary.end:
                return tokens, total, False
            tokens.append(token)
            said = sum(t < vocabulary.first_time for t in tokens)
            if loops(tokens) or said > self.most(valid) or len(tokens) == longest:
                return tokens, total, True
            row = decoder.append(token)

    def _nothing(self, valid, full, final):
        if not full:
            return 0
        if self.heard and valid > 1.5 * SECOND:
            return SECOND
        return valid if final else valid - min(SECOND, valid // 4)

    def _segments(self, out, tokens, looped, valid, full, final):
        """Fill in segments and next; returns whether to try a shorter part."""
        first, found, heard, place = self.vocabulary.first_time, [], 0, 0
        tail = None             # start, text
        while place < len(tokens):
            start = heard
            if tokens[place] >= first:
                start, place = max(heard, tokens[place] - first), place + 1
            text = []
            while place < len(tokens) and tokens[place] < first:
                text.append(tokens[place])
                place += 1
            if place == len(tokens):
                tail = (start, text)
            elif text:
                heard = max(heard, tokens[place] - first)
                found.append((start, tokens[place] - first, text))
                place += 1
        doubtful = looped
        for number, (start, end, text) in enumerate(found):
            if len(text) > self.most(end - start):
                found, doubtful = found[:number], True
                break
        heard = 0
        silence = False
        for number, (start, end, _) in enumerate(found):
            if self.heard and start - heard > 1.5 * SECOND:
                found, silence = found[:number], True
                break
            heard = end
        if self.heard and not silence and not doubtful:
            silence = (max(tail[0], heard) if tail else valid) - heard > 1.5 * SECOND
        if full:
            out.next = self._finish(found, tail, heard, doubtful, silence, valid, final)
        else:
            if found and not tail and not silence and not doubtful \
                    and found[-1][1] + SECOND // 2 > valid:
                found.pop()
            out.next = found[-1][1] if found else 0
        out.segments = [(start, end, ''.join(self.vocabulary.text[t] for t in text).strip())
                        for start, end, text in found]
        out.looped = out.looped or doubtful
        return full and doubtful and not found

    def _finish(self, found, tail, heard, doubtful, silence, valid, final):
        if silence:
            return heard or self._nothing(valid, True, final)
        if doubtful:
            return heard or valid
        if tail and tail[1]:
            if heard and not (final and valid - heard < 5):
                return heard
            start = min(tail[0], valid - 1)
            if start >= heard:
                found.append((start, valid, tail[1]))
            return valid
        if tail:
            step = max(valid // 20, 1)
            if heard:
                return max(heard, tail[0] - SECOND)
            if tail[0] < step:
                return self._nothing(valid, True, final)
            return max((step + 1) // 2, tail[0] - 15)
        if not heard:
            return self._nothing(valid, True, final)
        if self.heard and not final:
            return max(heard, valid - SECOND)
        return valid
