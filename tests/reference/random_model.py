# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random weights of Whisper's shapes, and the two file formats they come in.

Every weight is an integer of at most 7 bits and a sign times a power of two, so
that float32, float16, bfloat16 and q8_0 files hold exactly the same values and
one reference serves all; or, if asked for, arbitrary float32 numbers.
"""
import json
import os
import struct
from dataclasses import dataclass

import numpy as np

LANGUAGES = (
    'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no '
    'th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw '
    'gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl '
    'mg as tt haw ln ha ba jw su').split()
TIMESTAMPS = 1501


@dataclass
class Shape:
    audio_layers: int
    text_layers: int
    audio_context: int = 1500
    width: int = 384                # tiny's
    heads: int = 6
    text_context: int = 448
    bands: int = 80
    vocabulary: int = 51865


def sinusoids(length, width):
    half = width // 2
    scale = np.exp(-np.log(10000) / (half - 1) * np.arange(half))
    angles = np.arange(length)[:, None] * scale
    return np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)


def make_weights(shape, seed, exact=True):
    random = np.random.default_rng(seed)
    width = shape.width
    weights = {}

    def grid(exponent, *dimensions):
        """Standard deviation 2^exponent."""
        values = random.standard_normal(dimensions, np.float32) * 32
        if not exact:
            return values * np.float32(2.0 ** (exponent - 5))
        return np.clip(np.round(values), -127, 127) * np.float32(2.0 ** (exponent - 5))

    def add_linear(name, outputs, inputs, exponent=-4, bias=True):
        weights[name + '.weight'] = grid(exponent, outputs, inputs)
        if bias:
            weights[name + '.bias'] = grid(-4, outputs)

    def add_norm(name):
        weights[name + '.weight'] = 1 + np.abs(grid(-3, width))
        weights[name + '.bias'] = grid(-3, width)

    def add_attention(name):
        add_linear(name + '.query', width, width)
        add_linear(name + '.key', width, width, bias=False)
        add_linear(name + '.value', width, width)
        add_linear(name + '.out', width, width)

    def add_block(name, cross):
        add_norm(name + '.attn_ln')
        add_attention(name + '.attn')
        if cross:
            add_norm(name + '.cross_attn_ln')
            add_attention(name + '.cross_attn')
        add_norm(name + '.mlp_ln')
        add_linear(name + '.mlp.0', 4 * width, width)
        add_linear(name + '.mlp.2', width, 4 * width, -5)

    weights['encoder.conv1.weight'] = grid(-3, width, shape.bands, 3)
    weights['encoder.conv1.bias'] = grid(-4, width)
    weights['encoder.conv2.weight'] = grid(-5, width, width, 3)
    weights['encoder.conv2.bias'] = grid(-4, width)
    weights['encoder.positional_embedding'] = sinusoids(shape.audio_context, width)
    for layer in range(shape.audio_layers):
        add_block(f'encoder.blocks.{layer}', False)
    add_norm('encoder.ln_post')
    weights['decoder.token_embedding.weight'] = grid(-4, shape.vocabulary, width)
    weights['decoder.positional_embedding'] = grid(-5, shape.text_context, width)
    for layer in range(shape.text_layers):
        add_block(f'decoder.blocks.{layer}', True)
    add_norm('decoder.ln')
    # Norm scales must be on bfloat16's grid too.
    for name, values in weights.items():
        if values.ndim == 1 and exact:
            weights[name] = as_bfloat16(values)[1]
    return weights


def make_frames(count, bands, seed):
    """Raw log10 values that are smooth in time and frequency, as speech is."""
    random = np.random.default_rng(seed)
    coarse = random.standard_normal((count // 8 + 3, bands // 8 + 3))
    rows = np.linspace(0, coarse.shape[0] - 1.001, count)
    columns = np.linspace(0, coarse.shape[1] - 1.001, bands)
    r, c = rows.astype(int), columns.astype(int)
    y, x = (rows - r)[:, None], (columns - c)[None]
    smooth = ((1 - y) * ((1 - x) * coarse[r][:, c] + x * coarse[r][:, c + 1])
              + y * ((1 - x) * coarse[r + 1][:, c] + x * coarse[r + 1][:, c + 1]))
    return (smooth * 2.5 - 3 + random.standard_normal((count, bands)) * 0.3).astype(np.float32)


def as_bfloat16(values):
    """Bits rounded to nearest even, and what they stand for."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    bits = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32)


def as_q8_0(values):
    """Blocks of 32: a float16 scale and 32 signed bytes. The scale is the power
    of two that the weights are multiples of, so nothing is rounded."""
    blocks = values.reshape(-1, 32)
    least = np.abs(values[values != 0]).min()
    scale = np.float32(2.0 ** np.floor(np.log2(least)))
    numbers = blocks / scale
    assert np.all(numbers == np.round(numbers)) and np.abs(numbers).max() <= 127
    data = np.empty((len(blocks), 34), np.uint8)
    data[:, :2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
    data[:, 2:] = numbers.astype(np.int8).view(np.uint8)
    return data


GGML_TYPES = {'f32': 0, 'f16': 1, 'q8_0': 8}
# Version 2 of quantisation, thousands; 7 is mostly q8_0.
GGML_FILE_TYPES = {'f32': 0, 'f16': 1, 'q8_0': 2007}
BASE_TOKENS = 50257


def write_ggml(path, shape, weights, kind):
    with open(path, 'wb') as file:
        file.write(struct.pack(
            '<12i', 0x67676d6c, shape.vocabulary, shape.audio_context, shape.width, shape.heads,
            shape.audio_layers, shape.text_context, shape.width, shape.heads, shape.text_layers,
            shape.bands, GGML_FILE_TYPES[kind]))
        file.write(struct.pack('<2i', shape.bands, 201))
        file.write(bytes(4 * shape.bands * 201))
        file.write(struct.pack('<i', BASE_TOKENS))
        for token in range(BASE_TOKENS):
            text = f' t{token}'.encode()
            file.write(struct.pack('<i', len(text)) + text)
        for name, values in weights.items():
            vector = values.ndim == 1
            tensor = kind
            if vector or 'positional' in name:
                tensor = 'f32'
            elif values.ndim == 3 and kind != 'f32':
                tensor = 'f16'
            if name.endswith(('conv1.bias', 'conv2.bias')):
                values = values[:, None]
            file.write(struct.pack('<3i', values.ndim, len(name), GGML_TYPES[tensor]))
            file.write(struct.pack(f'<{values.ndim}i', *values.shape[::-1]))
            file.write(name.encode())
            if tensor == 'q8_0':
                as_q8_0(values).tofile(file)
            else:
                values.astype('<f4' if tensor == 'f32' else '<f2').tofile(file)


RENAMED = (
    ('encoder.positional_embedding', 'encoder.embed_positions.weight'),
    ('decoder.positional_embedding', 'decoder.embed_positions.weight'),
    ('decoder.token_embedding', 'decoder.embed_tokens'),
    ('.blocks.', '.layers.'), ('cross_attn_ln', 'encoder_attn_layer_norm'),
    ('cross_attn.', 'encoder_attn.'), ('attn_ln', 'self_attn_layer_norm'),
    ('.attn.', '.self_attn.'), ('mlp_ln', 'final_layer_norm'), ('mlp.0', 'fc1'), ('mlp.2', 'fc2'),
    ('query', 'q_proj'), ('key.', 'k_proj.'), ('value', 'v_proj'), ('attn.out', 'attn.out_proj'),
    ('encoder.ln_post', 'encoder.layer_norm'), ('decoder.ln.', 'decoder.layer_norm.'))


def hugging_face_name(name):
    for old, new in RENAMED:
        name = name.replace(old, new)
    return 'model.' + name


def write_safetensors(path, weights, kind):
    """bf16 leaves the encoder's positions out: they are sinusoids."""
    header, offset, parts = {}, 0, []
    for name, values in weights.items():
        if kind == 'bf16' and name == 'encoder.positional_embedding':
            continue
        data = as_bfloat16(values)[0] if kind == 'bf16' else values.astype('<f4')
        header[hugging_face_name(name)] = {
            'dtype': 'BF16' if kind == 'bf16' else 'F32', 'shape': list(values.shape),
            'data_offsets': [offset, offset + data.nbytes]}
        offset += data.nbytes
        parts.append(data)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for data in parts:
            data.tofile(file)


def write_hugging_face(folder, shape, weights, kind):
    special = ['<|endoftext|>', '<|startoftranscript|>'] + [f'<|{code}|>' for code in LANGUAGES]
    special += ['<|translate|>', '<|transcribe|>', '<|startoflm|>', '<|startofprev|>',
                '<|nospeech|>', '<|notimestamps|>']
    special += [f'<|{i * 0.02:.2f}|>' for i in range(TIMESTAMPS)]
    text_tokens = shape.vocabulary - len(special)
    config = {
        'model_type': 'whisper', 'activation_function': 'gelu', 'scale_embedding': False,
        'd_model': shape.width, 'encoder_layers': shape.audio_layers,
        'encoder_attention_heads': shape.heads, 'encoder_ffn_dim': 4 * shape.width,
        'decoder_layers': shape.text_layers, 'decoder_attention_heads': shape.heads,
        'decoder_ffn_dim': 4 * shape.width, 'num_mel_bins': shape.bands,
        'max_source_positions': shape.audio_context, 'max_target_positions': shape.text_context,
        'vocab_size': shape.vocabulary}
    files = {
        'config.json': config,
        'vocab.json': {f'\u0120t{i}': i for i in range(text_tokens)},
        'added_tokens.json': {name: text_tokens + i for i, name in enumerate(special)},
        'generation_config.json': {'is_multilingual': True, 'suppress_tokens': []}}
    os.makedirs(folder, exist_ok=True)
    for name, value in files.items():
        with open(os.path.join(folder, name), 'w') as file:
            json.dump(value, file)
    with open(os.path.join(folder, 'merges.txt'), 'w') as file:
        file.write('#version: 0.2\n')
    write_safetensors(os.path.join(folder, 'model.safetensors'), weights, kind)
