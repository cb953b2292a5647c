# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whisper's encoder and decoder in numpy, double precision, from the paper's
and openai/whisper's definition. Written for reading, not for speed; shares
nothing with the code that it is the reference of.
"""
import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x):
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    normed = (x - mean) / np.sqrt(variance + 1e-5)
    return normed * weights[name + '.weight'] + weights[name + '.bias']


def linear(x, weights, name):
    y = x @ weights[name + '.weight'].astype(np.float64).T
    return y + weights[name + '.bias'] if name + '.bias' in weights else y


def attention(queries, keys, values, heads, mask=None):
    size = queries.shape[1] // heads
    out = np.empty_like(queries)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        scores = queries[:, part] @ keys[:, part].T / math.sqrt(size)
        if mask is not None:
            scores = scores + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, part] = scores / scores.sum(-1, keepdims=True) @ values[:, part]
    return out


def normalise(frames, positions):
    """Raw log10 rows, padded with silence, as whisper/audio.py scales them."""
    padded = np.full((2 * positions, frames.shape[1]), -10.0)
    padded[:len(frames)] = frames
    padded = np.maximum(padded, padded.max() - 8.0)
    return (padded + 4.0) / 4.0


def convolve(x, weights, name, stride):
    kernel = weights[name + '.weight'].astype(np.float64)
    padded = np.pad(x, ((1, 1), (0, 0)))
    rows = len(x) // stride
    total = weights[name + '.bias'] + np.zeros((rows, 1))
    for tap in range(3):
        total = total + padded[tap:tap + rows * stride:stride] @ kernel[:, :, tap].T
    return total


def encode(weights, shape, frames, positions):
    x = normalise(np.asarray(frames, np.float64), positions)
    x = gelu(convolve(x, weights, 'encoder.conv1', 1))
    x = gelu(convolve(x, weights, 'encoder.conv2', 2))
    x = x + weights['encoder.positional_embedding'][:positions]
    for layer in range(shape.audio_layers):
        block = f'encoder.blocks.{layer}.'
        h = layer_norm(x, weights, block + 'attn_ln')
        h = attention(linear(h, weights, block + 'attn.query'),
                      linear(h, weights, block + 'attn.key'),
                      linear(h, weights, block + 'attn.value'), shape.heads)
        x = x + linear(h, weights, block + 'attn.out')
        h = layer_norm(x, weights, block + 'mlp_ln')
        x = x + linear(gelu(linear(h, weights, block + 'mlp.0')), weights, block + 'mlp.2')
    return layer_norm(x, weights, 'encoder.ln_post')


class TextDecoder:
    def __init__(self, weights, shape, states):
        self.weights, self.shape = weights, shape
        states = np.asarray(states, np.float64)
        self.heard = []
        for layer in range(shape.text_layers):
            block = f'decoder.blocks.{layer}.cross_attn.'
            self.heard.append((linear(states, weights, block + 'key'),
                               linear(states, weights, block + 'value')))

    def logits(self, tokens):
        """A row for what may follow each of the tokens."""
        weights, shape = self.weights, self.shape
        embedding = weights['decoder.token_embedding.weight']
        x = embedding[tokens].astype(np.float64)
        x = x + weights['decoder.positional_embedding'][:len(tokens)]
        mask = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
        for layer in range(shape.text_layers):
            block = f'decoder.blocks.{layer}.'
            h = layer_norm(x, weights, block + 'attn_ln')
            h = attention(linear(h, weights, block + 'attn.query'),
                          linear(h, weights, block + 'attn.key'),
                          linear(h, weights, block + 'attn.value'), shape.heads, mask)
            x = x + linear(h, weights, block + 'attn.out')
            h = layer_norm(x, weights, block + 'cross_attn_ln')
            h = attention(linear(h, weights, block + 'cross_attn.query'),
                          *self.heard[layer], shape.heads)
            x = x + linear(h, weights, block + 'cross_attn.out')
            h = layer_norm(x, weights, block + 'mlp_ln')
            x = x + linear(gelu(linear(h, weights, block + 'mlp.0')), weights, block + 'mlp.2')
        x = layer_norm(x, weights, 'decoder.ln')
        return (x.astype(np.float32) @ embedding.T if len(tokens) > 64
                else x @ embedding.astype(np.float64).T)


class CachedTextDecoder:
    """Token after token, with the keys and values of those before kept."""

    def __init__(self, weights, shape, states):
        self.weights, self.shape = weights, shape
        self.heard = TextDecoder(weights, shape, states).heard
        self.past = [None] * shape.text_layers
        self.count = 0

    def append(self, token):
        """The logits of what may follow @token."""
        weights, heads = self.weights, self.shape.heads
        embedding = weights['decoder.token_embedding.weight'].astype(np.float64)
        x = embedding[[token]] + weights['decoder.positional_embedding'][self.count]
        self.count += 1
        for layer in range(self.shape.text_layers):
            block = f'decoder.blocks.{layer}.'
            h = layer_norm(x, weights, block + 'attn_ln')
            new = (linear(h, weights, block + 'attn.key'), linear(h, weights, block + 'attn.value'))
            past = self.past[layer]
            self.past[layer] = new if past is None else tuple(map(np.vstack, zip(past, new)))
            h = attention(linear(h, weights, block + 'attn.query'), *self.past[layer], heads)
            x = x + linear(h, weights, block + 'attn.out')
            h = layer_norm(x, weights, block + 'cross_attn_ln')
            h = attention(linear(h, weights, block + 'cross_attn.query'), *self.heard[layer], heads)
            x = x + linear(h, weights, block + 'cross_attn.out')
            h = layer_norm(x, weights, block + 'mlp_ln')
            x = x + linear(gelu(linear(h, weights, block + 'mlp.0')), weights, block + 'mlp.2')
        return (layer_norm(x, weights, 'decoder.ln') @ embedding.T)[0]
