/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which tokens a decoder may not choose. Private to src/model.
 */
#ifndef NPU_MODEL_SUPPRESSION_H
#define NPU_MODEL_SUPPRESSION_H

#include "model/model-file.h"
#include "model/tokenizer.h"
#include "model/vocabulary.h"

/* A set of tokens, ascending and each once where it leaves
 * suppression.c. */
typedef struct
{
  int32_t *tokens;
  size_t count, size;
} NpuTokenList;

typedef struct
{
  NpuTokenList always;
  NpuTokenList begin;
} NpuSuppression;

/**
 * npu_suppression_load:
 * Make the lists that npu_tokenizer_suppressed() and
 * npu_tokenizer_begin_suppressed() describe.
 *
 * Returns NPU_OK, NPU_EFORMAT or NPU_ENOMEM; to be cleared in all cases.
 */
NpuStatus npu_suppression_load (NpuSuppression * suppression,
    const NpuModelFile * file, const NpuVocabulary * vocabulary,
    const NpuSpecialTokens * special, NpuError * error);
void npu_suppression_clear (NpuSuppression * suppression);

#endif
