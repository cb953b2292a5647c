/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The text decoder as lists of device operations over key/value caches: what
 * was heard goes in once a window, tokens are appended, one or many at a time,
 * and what may follow the last one comes out. No rule of decoding lives here.
 * Private to the core. One thread at a time.
 */
#ifndef NPU_DECODER_TEXT_PASS_H
#define NPU_DECODER_TEXT_PASS_H

#include "model/model.h"

typedef struct NpuTextPass NpuTextPass;

/**
 * npu_text_pass_create:
 * Allocate caches and lists for one stream; free with npu_text_pass_free(). The
 * weights need not be loaded yet.
 *
 * @split    first token of the second range of results
 *
 * Returns NPU_OK, NPU_ENOMEM, NPU_EBUSY (no free queue), NPU_ENOTSUP (the
 * device lacks an operation).
 */
NpuStatus npu_text_pass_create (NpuModel * model, uint32_t split,
    NpuTextPass ** pass, NpuError * error);
void npu_text_pass_free (NpuTextPass * pass);

/**
 * npu_text_pass_listen:
 * Begin a window: compute the keys and values of @positions rows of @states
 * and forget all tokens. The weights must be loaded.
 */
NpuStatus npu_text_pass_listen (NpuTextPass * pass, const float *states,
    uint32_t positions, NpuError * error);

/* Tokens that one npu_text_pass_append() takes at most. */
#define NPU_TEXT_PASS_BATCH 16

typedef struct
{
  const int32_t *tokens;
  uint32_t count;               /* 1 ... NPU_TEXT_PASS_BATCH */
  const uint32_t *suppressed;   /* bits over the vocabulary, or NULL */
  float *logits;                /* the vocabulary's size, or NULL */
  NpuVocabularyResult *result;
} NpuTextStep;

/**
 * npu_text_pass_append:
 * Append tokens and look at what may follow the last of them. Never allocates.
 *
 * Returns NPU_OK, NPU_EINVAL (the text context is full), or the device's error.
 */
NpuStatus npu_text_pass_append (NpuTextPass * pass, const NpuTextStep * step,
    NpuError * error);

#endif
