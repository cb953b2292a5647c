# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a checkpoint's averaged weights as a Hugging Face Whisper directory."""
import argparse
import json
import os
import struct

import numpy as np
import torch

import language

HERE = os.path.dirname(os.path.abspath(__file__))


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        header[name] = {"dtype": "F16", "shape": list(tensors[name].shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            out.write(tensors[name].tobytes())


def write_json(folder, name, what):
    with open(os.path.join(folder, name), "w") as out:
        json.dump(what, out, indent=2, ensure_ascii=False)
        out.write("\n")


def byte_level(word):
    """A word with its leading space as GPT-2's byte-level vocabulary spells it."""
    return "\u0120" + word


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--out", default=os.path.join(HERE, "..", "commands-en"))
    parser.add_argument("--heads", default="1.0,1.1", help="cross-attention heads that align, as layer.head")
    parser.add_argument("--raw", action="store_true", help="the last weights instead of their average")
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, weights_only=False)
    shape = saved["shape"]
    weights = saved["weights" if args.raw else "average"]
    tensors = {"model." + k: v.detach().numpy().astype(np.float16) for k, v in weights.items() if ".phones." not in k}
    assert all(np.isfinite(t).all() for t in tensors.values())
    os.makedirs(args.out, exist_ok=True)
    write_safetensors(os.path.join(args.out, "model.safetensors"), tensors)

    token = language.TOKEN
    suppressed = sorted(token[n] for n in language.SPECIAL if n != "<|endoftext|>")
    begin_suppressed = [language.END]
    heads = shape["width"] // 64
    common = dict(bos_token_id=language.END, eos_token_id=language.END, pad_token_id=language.END,
                  decoder_start_token_id=language.START, suppress_tokens=suppressed,
                  begin_suppress_tokens=begin_suppressed)
    write_json(args.out, "config.json", {
        "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "torch_dtype": "float16",
        "is_encoder_decoder": True, "activation_function": "gelu", "activation_dropout": 0.0, "attention_dropout": 0.0,
        "dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "init_std": 0.02, "scale_embedding": False,
        "use_cache": True, "d_model": shape["width"], "num_hidden_layers": shape["encoder_layers"],
        "encoder_layers": shape["encoder_layers"], "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * shape["width"], "decoder_layers": shape["decoder_layers"],
        "decoder_attention_heads": heads, "decoder_ffn_dim": 4 * shape["width"], "num_mel_bins": shape["bands"],
        "max_source_positions": shape["positions"], "max_target_positions": shape["target_positions"],
        "max_length": shape["target_positions"], "vocab_size": language.VOCABULARY, "tie_word_embeddings": True,
        **common, "gst_npu": {"name": "commands-en", "context": "heard", "context_step": 16}})
    write_json(args.out, "generation_config.json", {
        **common, "alignment_heads": [[int(x) for x in h.split(".")] for h in args.heads.split(",")],
        "is_multilingual": False, "max_initial_timestamp_index": language.LAST_TIME, "max_length": shape["target_positions"],
        "no_timestamps_token_id": token["<|notimestamps|>"], "prev_sot_token_id": token["<|startofprev|>"],
        "return_timestamps": True})
    vocabulary = {byte_level(w): token[w] for w in language.WORDS}
    times = {f"<|{i * language.TIME_STEP:.2f}|>": language.FIRST_TIME + i for i in range(language.LAST_TIME + 1)}
    added = {**{n: token[n] for n in language.SPECIAL}, **times}
    write_json(args.out, "vocab.json", {**vocabulary, "<|endoftext|>": language.END})
    write_json(args.out, "added_tokens.json", added)
    write_json(args.out, "special_tokens_map.json", {k: "<|endoftext|>" for k in ("bos_token", "eos_token", "unk_token")})
    write_json(args.out, "tokenizer_config.json", {
        "tokenizer_class": "WhisperTokenizer", "add_prefix_space": False, "errors": "replace", "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "model_max_length": shape["target_positions"]})
    write_json(args.out, "preprocessor_config.json", {
        "feature_extractor_type": "WhisperFeatureExtractor", "processor_class": "WhisperProcessor",
        "feature_size": shape["bands"], "sampling_rate": 16000, "hop_length": 160, "n_fft": 400,
        "chunk_length": shape["positions"] // 50, "n_samples": 320 * shape["positions"],
        "nb_max_frames": 2 * shape["positions"], "padding_side": "right", "padding_value": 0.0,
        "return_attention_mask": False})
    with open(os.path.join(args.out, "merges.txt"), "w") as out:
        out.write("#version: 0.2\n")
    with open(os.path.join(args.out, "vocabulary.txt"), "w") as out:
        out.write("\n".join(language.WORDS) + "\n")
    print(f"step {saved['step']}, {saved['seen']} windows, {sum(t.size for t in tensors.values())} values")


if __name__ == "__main__":
    main()
