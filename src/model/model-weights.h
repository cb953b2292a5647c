/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which tensors the two programs of a model are made of: one description that
 * both the loader (npu_program_load()) and the lists of operations go by.
 * Private to the core.
 */
#ifndef NPU_MODEL_MODEL_WEIGHTS_H
#define NPU_MODEL_MODEL_WEIGHTS_H

#include <stdatomic.h>

#include "device/device.h"
#include "model/model-file.h"
#include "model/model.h"

/* Indices of tensors in a program. */
typedef struct
{
  uint32_t scale;
  uint32_t shift;
} NpuNormWeights;

typedef struct
{
  uint32_t weight;
  uint32_t bias;
} NpuLinearWeights;

typedef struct
{
  NpuNormWeights attention_norm;
  NpuLinearWeights attention_input;     /* query, key, value: 3 width rows */
  NpuLinearWeights attention_output;
  /* of the decoder only: */
  NpuNormWeights cross_norm;
  NpuLinearWeights cross_query;
  NpuLinearWeights cross_key_value;     /* key, value: 2 width rows */
  NpuLinearWeights cross_output;

  NpuNormWeights feed_norm;
  NpuLinearWeights feed_up;
  NpuLinearWeights feed_down;
} NpuBlockWeights;

typedef struct
{
  /* of the encoder only: */
  NpuLinearWeights conv1;       /* columns tap * bands + band */
  NpuLinearWeights conv2;       /* columns tap * width + channel */
  /* of the decoder only: */
  uint32_t embedding;

  uint32_t positions;
  NpuBlockWeights *blocks;      /* one per layer */
  NpuNormWeights final_norm;
} NpuPartWeights;

typedef struct NpuModelWeights NpuModelWeights;

/**
 * npu_model_weights_new:
 * Describe @part of @file; free it with npu_model_weights_free(). Refers to
 * @file, takes no reference. Returns NPU_OK, NPU_ENOMEM, or NPU_EFORMAT when a
 * tensor is missing.
 */
NpuStatus npu_model_weights_new (const NpuModelFile * file,
    NpuModelPart part, NpuModelWeights ** weights, NpuError * error);
void npu_model_weights_free (NpuModelWeights * weights);

/* Indices by role; lives as long as @weights. */
const NpuPartWeights *npu_model_weights_part (const NpuModelWeights * weights);

/**
 * npu_model_weights_source:
 * Fill @source for npu_program_load(). Reads end with NPU_ECANCELED once
 * @canceled is set.
 */
void npu_model_weights_source (NpuModelWeights * weights,
    const atomic_bool * canceled, NpuProgramSource * source);

/**
 * npu_model_part_weights:
 * Returns the indices of @part's tensors; lives as long as @model. Any thread.
 */
NPU_API const NpuPartWeights *npu_model_part_weights (const NpuModel * model,
    NpuModelPart part);

#endif
