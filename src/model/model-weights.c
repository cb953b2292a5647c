/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensors of a program from tensors of a file: matrices that are applied to
 * the same input are stacked (query, key and value; the key's missing bias is
 * zero), convolution weights are turned from channel-major to tap-major.
 */
#include "model/model-weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARTS 3             /* query, key, value */
#define TAPS 3                  /* kernel size of both convolutions */
#define NAME_LENGTH 64

typedef enum
{
  LAYOUT_AS_FILED,
  LAYOUT_TAP_MAJOR,
} Layout;

typedef struct
{
  const NpuTensorInfo *parts[MAX_PARTS];        /* NULL: zeros */
  uint32_t part_count;
  Layout layout;
} Tensor;

struct NpuModelWeights
{
  const NpuModelFile *file;
  const atomic_bool *canceled;
  NpuPartWeights part;
  uint32_t count;
  NpuTensorDescription *descriptions;
  Tensor *tensors;
};

typedef struct
{
  NpuModelWeights *weights;
  const char *side;             /* "encoder" or "decoder" */
  int layer;                    /* -1 outside the blocks */
  NpuStatus status;
  NpuError *error;
} Builder;

/* Look up "side.name" or "side.blocks.layer.name". */
static const NpuTensorInfo *
find (Builder * builder, const char *name)
{
  char full[NAME_LENGTH];
  const NpuTensorInfo *info;

  if (builder->layer < 0)
    snprintf (full, sizeof (full), "%s.%s", builder->side, name);
  else
    snprintf (full, sizeof (full), "%s.blocks.%d.%s", builder->side,
        builder->layer, name);
  info = npu_model_file_tensor (builder->weights->file, full);
  if (!info && builder->status == NPU_OK)
    builder->status = npu_error_set (builder->error, NPU_EFORMAT,
        "%s: the tensor '%s' is missing: get the complete model",
        npu_model_file_path (builder->weights->file), full);
  return info;
}

/* Add a tensor of @count parts of the same shape, the last of which exists. */
static uint32_t
add (Builder * builder, NpuTensorKind kind, Layout layout,
    const NpuTensorInfo * const *parts, uint32_t count)
{
  NpuModelWeights *weights = builder->weights;
  uint32_t index = weights->count;
  NpuTensorDescription *description = &weights->descriptions[index];
  uint32_t rows, columns;

  if (builder->status != NPU_OK)
    return NPU_NO_TENSOR;
  rows = (uint32_t) parts[count - 1]->rows;
  columns = (uint32_t) parts[count - 1]->columns;
  if (kind == NPU_TENSOR_VECTOR)
    columns *= count;
  else
    rows *= count;
  *description = (NpuTensorDescription) {
    .kind = kind,
    .rows = rows,
    .columns = columns,
    .name = parts[count - 1]->name,
  };
  weights->tensors[index].layout = layout;
  weights->tensors[index].part_count = count;
  memcpy (weights->tensors[index].parts, parts, count * sizeof (parts[0]));
  weights->count++;
  return index;
}

static uint32_t
add_one (Builder * builder, NpuTensorKind kind, Layout layout,
    const char *name)
{
  const NpuTensorInfo *info = find (builder, name);

  return add (builder, kind, layout, &info, 1);
}

static const NpuTensorInfo *
find_member (Builder * builder, const char *name, const char *member)
{
  char full[NAME_LENGTH];

  snprintf (full, sizeof (full), "%s.%s", name, member);
  return find (builder, full);
}

static NpuLinearWeights
add_linear (Builder * builder, Layout layout, const char *name)
{
  const NpuTensorInfo *weight = find_member (builder, name, "weight");
  const NpuTensorInfo *bias = find_member (builder, name, "bias");
  NpuLinearWeights linear;

  linear.weight = add (builder, NPU_TENSOR_MATRIX, layout, &weight, 1);
  linear.bias =
      add (builder, NPU_TENSOR_VECTOR, LAYOUT_AS_FILED, &bias, 1);
  return linear;
}

/* The projections of attention @name, with the query's or without. */
static NpuLinearWeights
add_projections (Builder * builder, const char *name, bool query)
{
  static const char *const members[MAX_PARTS] = { "query", "key", "value" };
  const NpuTensorInfo *matrices[MAX_PARTS];
  const NpuTensorInfo *biases[MAX_PARTS];
  NpuLinearWeights linear;
  uint32_t first = query ? 0 : 1;

  for (uint32_t i = first; i < MAX_PARTS; i++) {
    char full[NAME_LENGTH / 2];

    snprintf (full, sizeof (full), "%s.%s", name, members[i]);
    matrices[i] = find_member (builder, full, "weight");
    biases[i] = i == 1 ? NULL : find_member (builder, full, "bias");
  }
  linear.weight = add (builder, NPU_TENSOR_MATRIX, LAYOUT_AS_FILED,
      matrices + first, MAX_PARTS - first);
  linear.bias = add (builder, NPU_TENSOR_VECTOR, LAYOUT_AS_FILED,
      biases + first, MAX_PARTS - first);
  return linear;
}

static NpuNormWeights
add_norm (Builder * builder, const char *name)
{
  const NpuTensorInfo *scale = find_member (builder, name, "weight");
  const NpuTensorInfo *shift = find_member (builder, name, "bias");
  NpuNormWeights norm;

  norm.scale = add (builder, NPU_TENSOR_VECTOR, LAYOUT_AS_FILED, &scale, 1);
  norm.shift = add (builder, NPU_TENSOR_VECTOR, LAYOUT_AS_FILED, &shift, 1);
  return norm;
}

static void
add_block (Builder * builder, NpuBlockWeights * block, bool cross)
{
  block->attention_norm = add_norm (builder, "attn_ln");
  block->attention_input = add_projections (builder, "attn", true);
  block->attention_output = add_linear (builder, LAYOUT_AS_FILED, "attn.out");
  if (cross) {
    block->cross_norm = add_norm (builder, "cross_attn_ln");
    block->cross_query =
        add_linear (builder, LAYOUT_AS_FILED, "cross_attn.query");
    block->cross_key_value = add_projections (builder, "cross_attn", false);
    block->cross_output =
        add_linear (builder, LAYOUT_AS_FILED, "cross_attn.out");
  }
  block->feed_norm = add_norm (builder, "mlp_ln");
  block->feed_up = add_linear (builder, LAYOUT_AS_FILED, "mlp.0");
  block->feed_down = add_linear (builder, LAYOUT_AS_FILED, "mlp.2");
}

static void
add_all (Builder * builder, bool decoder, uint32_t layers)
{
  NpuPartWeights *part = &builder->weights->part;

  if (decoder) {
    part->embedding = add_one (builder, NPU_TENSOR_EMBEDDING,
        LAYOUT_AS_FILED, "token_embedding.weight");
  } else {
    part->conv1 = add_linear (builder, LAYOUT_TAP_MAJOR, "conv1");
    part->conv2 = add_linear (builder, LAYOUT_TAP_MAJOR, "conv2");
  }
  part->positions = add_one (builder, NPU_TENSOR_TABLE, LAYOUT_AS_FILED,
      "positional_embedding");
  for (uint32_t i = 0; i < layers; i++) {
    builder->layer = (int) i;
    add_block (builder, &part->blocks[i], decoder);
  }
  builder->layer = -1;
  part->final_norm = add_norm (builder, decoder ? "ln" : "ln_post");
}

NpuStatus
npu_model_weights_new (const NpuModelFile * file, NpuModelPart part,
    NpuModelWeights ** weights, NpuError * error)
{
  /* Conv weights, embedding, positions and the final norm are at most 7
   * tensors; a block has at most 3 norms and 7 linear maps of two each. */
  enum { TENSORS_OUTSIDE = 7, TENSORS_PER_BLOCK = 20 };
  const NpuModelConfig *config = npu_model_file_config (file);
  bool decoder = part == NPU_MODEL_DECODER;
  uint32_t layers = decoder ? config->text_layers : config->audio_layers;
  uint32_t capacity = TENSORS_OUTSIDE + layers * TENSORS_PER_BLOCK;
  NpuModelWeights *self = calloc (1, sizeof (*self));
  Builder builder = {
    .weights = self,
    .side = decoder ? "decoder" : "encoder",
    .layer = -1,
    .error = error,
  };

  if (self) {
    self->file = file;
    self->descriptions = calloc (capacity, sizeof (*self->descriptions));
    self->tensors = calloc (capacity, sizeof (*self->tensors));
    self->part.blocks = calloc (layers ? layers : 1,
        sizeof (*self->part.blocks));
  }
  if (!self || !self->descriptions || !self->tensors || !self->part.blocks) {
    npu_model_weights_free (self);
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a model");
  }
  add_all (&builder, decoder, layers);
  if (builder.status != NPU_OK) {
    npu_model_weights_free (self);
    return builder.status;
  }
  *weights = self;
  return NPU_OK;
}

void
npu_model_weights_free (NpuModelWeights * weights)
{
  if (!weights)
    return;
  free (weights->descriptions);
  free (weights->tensors);
  free (weights->part.blocks);
  free (weights);
}

const NpuPartWeights *
npu_model_weights_part (const NpuModelWeights * weights)
{
  return &weights->part;
}

/* From [channel][tap], as the file has it, to [tap][channel]. */
static NpuStatus
turn_taps (float *rows, uint32_t count, uint32_t columns)
{
  uint32_t channels = columns / TAPS;
  float *row = malloc (columns * sizeof (*row));

  if (!row)
    return NPU_ENOMEM;
  for (uint32_t r = 0; r < count; r++, rows += columns) {
    memcpy (row, rows, columns * sizeof (*row));
    for (uint32_t channel = 0; channel < channels; channel++)
      for (uint32_t tap = 0; tap < TAPS; tap++)
        rows[tap * channels + channel] = row[channel * TAPS + tap];
  }
  free (row);
  return NPU_OK;
}

/* Parts of a vector lie side by side. */
static NpuStatus
read_vector (const NpuModelWeights * weights, uint32_t index, float *out)
{
  const Tensor *tensor = &weights->tensors[index];
  uint32_t columns =
      weights->descriptions[index].columns / tensor->part_count;
  NpuStatus status = NPU_OK;

  for (uint32_t i = 0; i < tensor->part_count && status == NPU_OK; i++) {
    if (tensor->parts[i])
      status = npu_model_file_read_rows (weights->file, tensor->parts[i], 0,
          1, out);
    else
      memset (out, 0, columns * sizeof (*out));
    out += columns;
  }
  return status;
}

/* Parts of a matrix lie one below the other. */
static NpuStatus
read_matrix (const NpuModelWeights * weights, uint32_t index,
    uint32_t first_row, uint32_t rows, float *out)
{
  const Tensor *tensor = &weights->tensors[index];
  const NpuTensorDescription *description = &weights->descriptions[index];
  uint32_t part_rows = description->rows / tensor->part_count;
  NpuStatus status = NPU_OK;
  float *place = out;
  uint32_t left = rows;

  while (left > 0 && status == NPU_OK) {
    uint32_t row = first_row % part_rows;
    uint32_t count = part_rows - row < left ? part_rows - row : left;

    status = npu_model_file_read_rows (weights->file,
        tensor->parts[first_row / part_rows], row, count, place);
    place += (size_t) count * description->columns;
    first_row += count;
    left -= count;
  }
  if (status == NPU_OK && tensor->layout == LAYOUT_TAP_MAJOR)
    status = turn_taps (out, rows, description->columns);
  return status;
}

static NpuStatus
read_rows (void *user, uint32_t tensor, uint32_t first_row, uint32_t rows,
    float *out)
{
  const NpuModelWeights *weights = user;

  if (atomic_load (weights->canceled))
    return NPU_ECANCELED;
  if (tensor >= weights->count ||
      first_row > weights->descriptions[tensor].rows ||
      rows > weights->descriptions[tensor].rows - first_row)
    return NPU_EINVAL;
  if (weights->descriptions[tensor].kind == NPU_TENSOR_VECTOR)
    return rows ? read_vector (weights, tensor, out) : NPU_OK;
  return read_matrix (weights, tensor, first_row, rows, out);
}

void
npu_model_weights_source (NpuModelWeights * weights,
    const atomic_bool * canceled, NpuProgramSource * source)
{
  weights->canceled = canceled;
  *source = (NpuProgramSource) {
    .tensors = weights->count,
    .descriptions = weights->descriptions,
    .read = read_rows,
    .user = weights,
  };
}
