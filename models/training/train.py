# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the model on shards of clips while they are being made.

Windows come from worker processes, batches hold windows of one length so that
nothing is masked. Everything needed to go on is in --folder: last.pt every few
minutes, stable.pt from before the rate fell, a log with one line per interval.
The learning rate is constant after the warm-up until --decay-at (a clock time,
UTC) and then falls to a twentieth at --stop-at; both may be left out. To train
on later, start from stable.pt: weights at a low rate learn little. Where no
checkpoint is left, start from the exported model.safetensors: it lacks the head
for phones and what the optimiser knew, which the warm-up makes up for.
"""
import argparse
import datetime
import json
import math
import multiprocessing
import os
import queue
import random
import signal
import time

import numpy as np
import torch

import evaluate
import language
import windows
from model import Model

POSITIONS_A_BATCH = 3200
IGNORED = -1
WRONG_WORDS = 0.08


def collate(rows, rng):
    size = max(len(r[1]) for r in rows)
    tokens = np.full((len(rows), size), language.END, np.int64)
    targets = np.full((len(rows), size), IGNORED, np.int64)
    spans = np.zeros((len(rows), size, 2), np.float32)
    for i, (_, given, wanted, span, _) in enumerate(rows):
        tokens[i, :len(given)] = given
        # Now and then a wrong word before: the decoder must listen, not guess.
        wrong = (tokens[i] < len(language.WORDS)) & (rng.random(size) < WRONG_WORDS)
        tokens[i, wrong] = rng.integers(0, len(language.WORDS), int(wrong.sum()))
        targets[i, :len(wanted)] = wanted
        spans[i, :len(span)] = np.asarray(span, np.float32) / language.TIME_STEP
    phones = np.concatenate([np.asarray(r[4], np.int64) for r in rows])
    counts = np.array([len(r[4]) for r in rows], np.int64)
    return np.stack([r[0] for r in rows]), tokens, targets, spans, phones, counts


def work(folder, seed, simple, full, out):
    """Fills the queue with batches."""
    os.nice(3)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    clips = windows.Clips(folder)
    source = windows.Windows(clips, seed, simple.value, full)
    buckets = {}
    while True:
        source.simple = simple.value
        row = source.next()
        if len(row[1]) > 96 or len(row[4]) * 2 > len(row[0]) // 2:
            continue
        bucket = buckets.setdefault(len(row[0]), [])
        bucket.append(row)
        if len(bucket) * len(row[0]) // 2 >= POSITIONS_A_BATCH:
            out.put(collate(buckets.pop(len(row[0])), source.rng))


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration of Muon: the nearest matrix with equal singular values."""
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Optimiser:
    """Muon for the matrices of the blocks, AdamW for the rest."""

    def __init__(self, model, decay=0.02):
        self.model, self.decay = model, decay
        self.matrices, rest = [], []
        for name, p in model.named_parameters():
            if p.requires_grad:
                (self.matrices if ".layers." in name and p.dim() == 2 else rest).append(p)
        self.momentum = [torch.zeros_like(p) for p in self.matrices]
        self.adam = torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=decay)

    @torch.no_grad()
    def step(self, rate):
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        for p, m in zip(self.matrices, self.momentum):
            m.lerp_(p.grad, 0.05)
            update = orthogonalise(p.grad.lerp(m, 0.95))
            p.mul_(1 - rate * self.decay)
            p.add_(update, alpha=-rate * 0.2 * max(p.shape) ** 0.5)

    def state(self):
        return {"adam": self.adam.state_dict(), "momentum": self.momentum}

    def load(self, state):
        self.adam.load_state_dict(state["adam"])
        for m, saved in zip(self.momentum, state["momentum"]):
            m.copy_(saved)


def clock(text):
    if not text:
        return math.inf
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, minute = map(int, text.split(":"))
    at = now.replace(hour=hour, minute=minute, second=0)
    return (at if at > now else at + datetime.timedelta(days=1)).timestamp()


def save(path, **what):
    torch.save(what, path + ".part")
    os.replace(path + ".part", path)


def load_exported(model, path):
    weights = {k[len("model."):]: torch.from_numpy(v) for k, v in evaluate.load_safetensors(path).items()}
    lacking = model.load_state_dict(weights, strict=False)
    if lacking.unexpected_keys or any(".phones." not in k for k in lacking.missing_keys):
        raise SystemExit(f"{path} holds another model: {lacking}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--simple-steps", type=int, default=1500, help="steps with mostly single short utterances")
    parser.add_argument("--simple", type=float, default=0.3, help="part of the windows with one utterance, after that")
    parser.add_argument("--full", type=float, default=0.04, help="part of the windows padded to the full context")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--decay-at", help="HH:MM")
    parser.add_argument("--stop-at", help="HH:MM")
    parser.add_argument("--start", help="checkpoint or model.safetensors to go on from instead of last.pt in --folder")
    parser.add_argument("--steps", type=int, default=10 ** 9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    decay_at, stop_at = clock(args.decay_at), clock(args.stop_at)

    simple = multiprocessing.Value("d", 1.0)
    batches = multiprocessing.Queue(16)
    for _ in range(args.workers):
        multiprocessing.Process(target=work, daemon=True,
                                args=(args.clips, random.randrange(1 << 30), simple, args.full, batches)).start()
    torch.set_num_threads(args.threads)
    model = Model(width=args.width, vocabulary=language.VOCABULARY, first_time=language.FIRST_TIME,
                  phones=windows.PHONE_CLASSES)
    optimiser = Optimiser(model)
    step, seen, trained = 0, 0, 0.0
    last = os.path.join(args.folder, "last.pt")
    average = {k: v.clone() for k, v in model.state_dict().items()}
    start = args.start or last
    if start.endswith(".safetensors"):
        load_exported(model, start)
        average = {k: v.clone() for k, v in model.state_dict().items()}
    elif args.start or os.path.exists(last):
        saved = torch.load(start, weights_only=False)
        model.load_state_dict(saved["weights"])
        optimiser.load(saved["optimiser"])
        average, step, seen, trained = saved["average"], saved["step"], saved["seen"], saved["trained"]
    print(json.dumps({"parameters": sum(p.numel() for n, p in model.named_parameters() if ".phones." not in n),
                      "step": step, "arguments": vars(args)}), flush=True)

    def everything():
        return dict(weights=model.state_dict(), optimiser=optimiser.state(), average=average, step=step, seen=seen,
                    trained=trained, shape=model.shape)

    log = open(os.path.join(args.folder, "log.jsonl"), "a")
    sums, count, waited, begun, saved_at, skipped = {}, 0, 0.0, time.time(), time.time(), 0
    falling = False
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append("stop"))
    while step < args.steps and time.time() < stop_at and not asked:
        simple.value = max(args.simple, 1 - step / max(1, args.simple_steps))
        now = time.time()
        try:
            batch = batches.get(timeout=300)
        except queue.Empty:
            raise SystemExit("the workers make no batches")
        waited += time.time() - now
        batch = [torch.from_numpy(x) for x in batch]
        batch[0] = batch[0].float()
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = model.losses(batch, 0.2 if step < 6000 else 0.1, args.dropout)
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        if not torch.isfinite(norm):
            skipped += 1
            continue
        rate = args.rate * min(1, (step + 1) / args.warm_up)
        if now > decay_at:
            if not falling:
                save(os.path.join(args.folder, "stable.pt"), **everything())
                falling = True
            rate *= max(0.05, 1 - 0.95 * (now - decay_at) / (stop_at - decay_at))
        optimiser.step(rate)
        step += 1
        seen += len(batch[0])
        keep = min(0.999, 1 - 10 / (step + 20))
        with torch.no_grad():
            state = model.state_dict()
            torch._foreach_lerp_([average[k] for k in average], [state[k] for k in average], 1 - keep)
        parts.update(loss=float(loss.detach()), norm=float(norm))
        for k, v in parts.items():
            sums[k] = sums.get(k, 0) + v
        count += 1
        if step % 50 == 0:
            spent = time.time() - begun
            trained += spent
            row = {"step": step, "seen": seen, "minutes": round(trained / 60, 1), "rate": round(rate, 6),
                   "seconds_a_step": round(spent / count, 3), "waited": round(waited / spent, 2), "skipped": skipped,
                   **{k: round(v / count, 4) for k, v in sums.items()}}
            print(json.dumps(row), flush=True)
            log.write(json.dumps(row) + "\n")
            log.flush()
            sums, count, waited, begun = {}, 0, 0.0, time.time()
        if time.time() - saved_at > 240 or step == 100:
            save(last, **everything())
            saved_at = time.time()
    save(last, **everything())


if __name__ == "__main__":
    main()
