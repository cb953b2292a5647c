# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whisper's encoder and decoder in plain torch, with the losses for training.

Parameter names are those of Hugging Face's WhisperForConditionalGeneration
without its leading "model.". `encoder.phones` is a head for CTC that only
training uses and the export leaves out.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

HEAD = 64


def sinusoids(length, width):
    scale = math.log(10000) / (width // 2 - 1)
    at = torch.arange(length)[:, None] * torch.exp(-scale * torch.arange(width // 2))[None]
    return torch.cat([at.sin(), at.cos()], 1)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.heads = width // HEAD
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, HEAD).transpose(1, 2)

    def forward(self, x, source=None, causal=False, weights=False):
        source = x if source is None else source
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(source)), self.split(self.v_proj(source))
        attention = None
        if weights:
            attention = (q.float() @ k.float().transpose(2, 3) / math.sqrt(HEAD)).softmax(-1)
            y = attention.to(v.dtype) @ v
        else:
            # Plain products: torch's fused attention is slower on a CPU at these lengths.
            scores = q @ k.transpose(2, 3) / math.sqrt(HEAD)
            if causal:
                scores = scores + torch.full(scores.shape[-2:], -1e4).triu(1)
            y = torch.softmax(scores, -1) @ v
        return self.out_proj(y.transpose(1, 2).reshape(x.shape)), attention


class Block(nn.Module):
    def __init__(self, width, cross):
        super().__init__()
        self.self_attn = Attention(width)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        if cross:
            self.encoder_attn = Attention(width)
            self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x, states=None, dropout=0.0):
        drop = (lambda y: F.dropout(y, dropout, True)) if dropout else (lambda y: y)
        x = x + drop(self.self_attn(self.self_attn_layer_norm(x), causal=states is not None)[0])
        attention = None
        if states is not None:
            y, attention = self.encoder_attn(self.encoder_attn_layer_norm(x), states, weights=True)
            x = x + drop(y)
        return x + drop(self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))), attention


class Encoder(nn.Module):
    def __init__(self, width, layers, bands, positions, phones):
        super().__init__()
        self.conv1 = nn.Conv1d(bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(positions, width)
        self.embed_positions.weight.data = sinusoids(positions, width)
        self.embed_positions.weight.requires_grad_(False)
        self.layers = nn.ModuleList(Block(width, False) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        self.phones = nn.Linear(width, phones)

    def forward(self, mel, dropout=0.0):
        x = mel
        for conv in (self.conv1, self.conv2):
            # A convolution of width 3 as one matrix product: sound gradients and fast in bfloat16.
            stride = conv.stride[0]
            x = F.pad(x, (0, 0, 1, 1)).unfold(1, 3, stride)
            x = F.gelu(F.linear(x.reshape(x.shape[0], x.shape[1], -1), conv.weight.flatten(1), conv.bias))
        x = x + self.embed_positions.weight[:x.shape[1]]
        for layer in self.layers:
            x = layer(x, dropout=dropout)[0]
        return self.layer_norm(x)


class Decoder(nn.Module):
    def __init__(self, width, layers, vocabulary, positions):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.embed_positions = nn.Embedding(positions, width)
        self.layers = nn.ModuleList(Block(width, True) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, tokens, states, dropout=0.0):
        x = self.embed_tokens(tokens) + self.embed_positions.weight[:tokens.shape[1]]
        maps = []
        for layer in self.layers:
            x, attention = layer(x, states, dropout)
            maps.append(attention)
        return F.linear(self.layer_norm(x), self.embed_tokens.weight), maps


class Model(nn.Module):
    def __init__(self, width=192, encoder_layers=4, decoder_layers=2, bands=80, positions=500, target_positions=96,
                 vocabulary=0, first_time=0, phones=40):
        super().__init__()
        self.shape = dict(width=width, encoder_layers=encoder_layers, decoder_layers=decoder_layers, bands=bands,
                          positions=positions, target_positions=target_positions, vocabulary=vocabulary,
                          first_time=first_time, phones=phones)
        self.encoder = Encoder(width, encoder_layers, bands, positions, phones)
        self.decoder = Decoder(width, decoder_layers, vocabulary, target_positions)
        for name, p in self.named_parameters():
            if p.dim() >= 2 and p.requires_grad:
                nn.init.normal_(p, std=0.02 if "embed" in name else (0.5 / p[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        depth = (2 * encoder_layers) ** 0.5
        for name, p in self.named_parameters():
            if name.endswith(("out_proj.weight", "fc2.weight")):
                p.data /= depth
        # Neighbouring times begin as neighbours.
        times = vocabulary - first_time
        self.decoder.embed_tokens.weight.data[first_time:] += 0.03 * sinusoids(times, width)

    def losses(self, batch, attention_weight=0.2, dropout=0.0, phone_weight=0.6):
        """Sum of the losses and their parts, of a batch from batches.py."""
        mel, tokens, targets, spans, phones, phone_counts = batch
        states = self.encoder(mel, dropout)
        parts = {}

        logits = self.encoder.phones(states).float().log_softmax(-1).transpose(0, 1)
        lengths = torch.full((mel.shape[0],), states.shape[1], dtype=torch.long)
        ctc = F.ctc_loss(logits, phones, lengths, phone_counts, reduction="none", zero_infinity=True)
        parts["ctc"] = (ctc / phone_counts.clamp(min=4)).mean()

        out, maps = self.decoder(tokens, states, dropout)
        first_time = self.shape["first_time"]
        known = targets >= 0
        timed = targets >= first_time
        logp = out.float().log_softmax(-1)
        wordy = known & ~timed
        word_loss = -logp[wordy].gather(1, targets[wordy][:, None]).sum()
        # A time is right to within a step or two.
        blur = torch.tensor([0.03, 0.17, 0.6, 0.17, 0.03])
        around = (targets[timed][:, None] + torch.arange(-2, 3)).clamp(first_time, self.shape["vocabulary"] - 1)
        time_loss = -(logp[timed].gather(1, around) * blur).sum()
        count = known.sum().clamp(min=1)
        parts["words"] = word_loss / wordy.sum().clamp(min=1)
        parts["times"] = time_loss / timed.sum().clamp(min=1)

        # The last layer's first two heads look where the token is heard.
        heard = spans[..., 1] > spans[..., 0]
        at = (torch.arange(states.shape[1]) + 0.5)[None, None]
        inside = (at >= spans[..., :1]) & (at <= spans[..., 1:])
        mass = (maps[-1][:, :2] * inside[:, None]).sum(-1)
        looked = -(mass + 1e-4).log() * heard[:, None]
        parts["look"] = looked.sum() / (2 * heard.sum()).clamp(min=1)

        total = (word_loss + 0.5 * time_loss) / count + phone_weight * parts["ctc"] + attention_weight * parts["look"]
        return total, {k: float(v.detach()) for k, v in parts.items()}
