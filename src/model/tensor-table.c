/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and shapes of Whisper's tensors in both naming schemes.
 */
#include "model/tensor-table.h"

#include "model/dequantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a dimension's extent is. */
typedef enum
{
  NONE,
  WIDTH,
  BANDS,
  TAPS,
  AUDIO_CONTEXT,
  TEXT_CONTEXT,
  VOCABULARY,
  FEED_FORWARD,
} Extent;

/* Taps of both convolutions. */
#define CONVOLUTION_TAPS 3

typedef struct
{
  const char *name;
  const char *hugging_face;
  Extent shape[NPU_TENSOR_MAX_DIMENSIONS];
} Template;

static const Template stem[] = {
  {"encoder.conv1.weight", "encoder.conv1.weight", {WIDTH, BANDS, TAPS}},
  {"encoder.conv1.bias", "encoder.conv1.bias", {WIDTH}},
  {"encoder.conv2.weight", "encoder.conv2.weight", {WIDTH, WIDTH, TAPS}},
  {"encoder.conv2.bias", "encoder.conv2.bias", {WIDTH}},
  {"encoder.positional_embedding", "encoder.embed_positions.weight",
        {AUDIO_CONTEXT, WIDTH}},
  {"encoder.ln_post.weight", "encoder.layer_norm.weight", {WIDTH}},
  {"encoder.ln_post.bias", "encoder.layer_norm.bias", {WIDTH}},
  {"decoder.token_embedding.weight", "decoder.embed_tokens.weight",
        {VOCABULARY, WIDTH}},
  {"decoder.positional_embedding", "decoder.embed_positions.weight",
        {TEXT_CONTEXT, WIDTH}},
  {"decoder.ln.weight", "decoder.layer_norm.weight", {WIDTH}},
  {"decoder.ln.bias", "decoder.layer_norm.bias", {WIDTH}},
};

#define LAYER_NORM(name, hugging_face) \
  {name ".weight", hugging_face ".weight", {WIDTH}}, \
  {name ".bias", hugging_face ".bias", {WIDTH}}

#define ATTENTION(name, hugging_face) \
  LAYER_NORM (name "_ln", hugging_face "_layer_norm"), \
  {name ".query.weight", hugging_face ".q_proj.weight", {WIDTH, WIDTH}}, \
  {name ".query.bias", hugging_face ".q_proj.bias", {WIDTH}}, \
  {name ".key.weight", hugging_face ".k_proj.weight", {WIDTH, WIDTH}}, \
  {name ".value.weight", hugging_face ".v_proj.weight", {WIDTH, WIDTH}}, \
  {name ".value.bias", hugging_face ".v_proj.bias", {WIDTH}}, \
  {name ".out.weight", hugging_face ".out_proj.weight", {WIDTH, WIDTH}}, \
  {name ".out.bias", hugging_face ".out_proj.bias", {WIDTH}}

/* The encoder's blocks lack the last part, CROSS_ATTENTION_TENSORS long. */
static const Template block[] = {
  ATTENTION ("attn", "self_attn"),
  LAYER_NORM ("mlp_ln", "final_layer_norm"),
  {"mlp.0.weight", "fc1.weight", {FEED_FORWARD, WIDTH}},
  {"mlp.0.bias", "fc1.bias", {FEED_FORWARD}},
  {"mlp.2.weight", "fc2.weight", {WIDTH, FEED_FORWARD}},
  {"mlp.2.bias", "fc2.bias", {WIDTH}},
  ATTENTION ("cross_attn", "encoder_attn"),
};

#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))
#define CROSS_ATTENTION_TENSORS 9
#define DECODER_BLOCK_TENSORS COUNT (block)
#define ENCODER_BLOCK_TENSORS (COUNT (block) - CROSS_ATTENTION_TENSORS)

typedef struct
{
  const NpuModelConfig *config;
  NpuTensorNames names;
  bool decoder;
} Context;

static uint32_t
extent_value (Extent extent, const Context * context)
{
  const NpuModelConfig *config = context->config;

  switch (extent) {
    case WIDTH:
      return config->audio_width;
    case BANDS:
      return config->bands;
    case TAPS:
      return CONVOLUTION_TAPS;
    case AUDIO_CONTEXT:
      return config->audio_context;
    case TEXT_CONTEXT:
      return config->text_context;
    case VOCABULARY:
      return config->vocabulary;
    case FEED_FORWARD:
      return context->decoder ? config->text_feed_forward
          : config->audio_feed_forward;
    default:
      return 1;
  }
}

static void
tensor_init (NpuTensor * tensor, const Template * template,
    const Context * context)
{
  NpuTensorInfo *info = &tensor->info;

  info->name = tensor->name;
  info->columns = 1;
  for (size_t i = 0; i < NPU_TENSOR_MAX_DIMENSIONS; i++) {
    info->shape[i] = extent_value (template->shape[i], context);
    info->dimensions += template->shape[i] != NONE;
    if (i > 0)
      info->columns *= info->shape[i];
  }
  info->rows = info->shape[0];
  if (info->dimensions == 1) {
    info->rows = 1;
    info->columns = info->shape[0];
  }
}

static void
tensor_init_stem (NpuTensor * tensor, const Template * template,
    const Context * context)
{
  bool ggml = context->names == NPU_NAMES_GGML;

  tensor_init (tensor, template, context);
  snprintf (tensor->name, sizeof (tensor->name), "%s", template->name);
  snprintf (tensor->file_name, sizeof (tensor->file_name), "%s",
      ggml ? template->name : template->hugging_face);
}

static void
tensor_init_block (NpuTensor * tensor, const Template * template,
    const Context * context, uint32_t layer)
{
  const char *side = context->decoder ? "decoder" : "encoder";
  bool ggml = context->names == NPU_NAMES_GGML;

  tensor_init (tensor, template, context);
  snprintf (tensor->name, sizeof (tensor->name), "%s.blocks.%u.%s", side,
      layer, template->name);
  snprintf (tensor->file_name, sizeof (tensor->file_name), "%s.%s.%u.%s",
      side, ggml ? "blocks" : "layers", layer,
      ggml ? template->name : template->hugging_face);
}

static int
compare_names (const void *a, const void *b)
{
  return strcmp (((const NpuTensor *) a)->name, ((const NpuTensor *) b)->name);
}

static int
compare_file_names (const void *a, const void *b)
{
  return strcmp ((*(NpuTensor * const *) a)->file_name,
      (*(NpuTensor * const *) b)->file_name);
}

NpuStatus
npu_tensor_table_init (NpuTensorTable * table, const NpuModelConfig * config,
    NpuTensorNames names, NpuError * error)
{
  size_t count = COUNT (stem) + config->audio_layers * ENCODER_BLOCK_TENSORS
      + config->text_layers * DECODER_BLOCK_TENSORS;
  Context context = { config, names, false };
  NpuTensor *next;

  table->count = count;
  table->tensors = calloc (count, sizeof (*table->tensors));
  table->by_file_name = calloc (count, sizeof (*table->by_file_name));
  if (!table->tensors || !table->by_file_name)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");

  next = table->tensors;
  for (size_t i = 0; i < COUNT (stem); i++)
    tensor_init_stem (next++, &stem[i], &context);
  for (uint32_t layer = 0; layer < config->audio_layers; layer++) {
    for (size_t i = 0; i < ENCODER_BLOCK_TENSORS; i++)
      tensor_init_block (next++, &block[i], &context, layer);
  }
  context.decoder = true;
  for (uint32_t layer = 0; layer < config->text_layers; layer++) {
    for (size_t i = 0; i < DECODER_BLOCK_TENSORS; i++)
      tensor_init_block (next++, &block[i], &context, layer);
  }

  qsort (table->tensors, count, sizeof (*table->tensors), compare_names);
  for (size_t i = 0; i < count; i++) {
    /* sorting moved the names */
    table->tensors[i].info.name = table->tensors[i].name;
    table->by_file_name[i] = &table->tensors[i];
  }
  qsort (table->by_file_name, count, sizeof (*table->by_file_name),
      compare_file_names);
  return NPU_OK;
}

void
npu_tensor_table_clear (NpuTensorTable * table)
{
  free (table->tensors);
  free (table->by_file_name);
  *table = (NpuTensorTable) { 0 };
}

NpuTensor *
npu_tensor_table_find_in_file (const NpuTensorTable * table, const char *name,
    size_t length)
{
  NpuTensor key = { 0 }, *key_pointer = &key, **found;

  if (length >= sizeof (key.file_name))
    return NULL;
  memcpy (key.file_name, name, length);
  if (strlen (key.file_name) != length)
    return NULL;
  found = bsearch (&key_pointer, table->by_file_name, table->count,
      sizeof (*table->by_file_name), compare_file_names);
  return found ? *found : NULL;
}

const NpuTensor *
npu_tensor_table_find (const NpuTensorTable * table, const char *name)
{
  NpuTensor key;

  if (strlen (name) >= sizeof (key.name))
    return NULL;
  strcpy (key.name, name);
  return bsearch (&key, table->tensors, table->count, sizeof (key),
      compare_names);
}

/* "384x80x3" */
static void
format_shape (char *text, size_t size, uint32_t dimensions,
    const uint64_t * shape)
{
  size_t length = 0;

  *text = '\0';
  for (uint32_t i = 0; i < dimensions && length < size; i++)
    length += (size_t) snprintf (text + length, size - length, "%s%llu",
        i ? "x" : "", (unsigned long long) shape[i]);
}

static bool
shape_matches (const NpuTensorInfo * info, const NpuTensorRecord * record)
{
  uint32_t dimensions = record->dimensions;

  /* ggml stores the biases of convolutions as columns */
  while (dimensions > info->dimensions && record->shape[dimensions - 1] == 1)
    dimensions--;
  if (dimensions != info->dimensions)
    return false;
  for (uint32_t i = 0; i < dimensions; i++) {
    if (record->shape[i] != info->shape[i])
      return false;
  }
  return true;
}

NpuStatus
npu_tensor_fill (NpuTensor * tensor, const NpuTensorRecord * record,
    uint64_t * size, NpuError * error)
{
  NpuTensorInfo *info = &tensor->info;
  uint32_t block_values = npu_tensor_type_block_values (record->type);
  uint64_t expected[NPU_TENSOR_MAX_DIMENSIONS], bytes;
  char shape_text[80], expected_text[80];

  if (tensor->data)
    return npu_error_set (error, NPU_EFORMAT, "tensor '%s' is there twice",
        tensor->file_name);
  for (size_t i = 0; i < NPU_TENSOR_MAX_DIMENSIONS; i++)
    expected[i] = info->shape[i];
  format_shape (shape_text, sizeof (shape_text), record->dimensions,
      record->shape);
  format_shape (expected_text, sizeof (expected_text), info->dimensions,
      expected);
  if (!shape_matches (info, record))
    return npu_error_set (error, NPU_EFORMAT, "tensor '%s' has the shape %s, "
        "but the model's numbers ask for %s", tensor->file_name, shape_text,
        expected_text);
  if (info->shape[info->dimensions - 1] % block_values)
    return npu_error_set (error, NPU_EFORMAT, "tensor '%s' of shape %s cannot "
        "be of type %s: its rows are no multiple of %u", tensor->file_name,
        shape_text, npu_tensor_type_name (record->type), block_values);

  /* cannot overflow: the shape is within the limits of NpuModelConfig */
  bytes = (uint64_t) info->rows * info->columns / block_values
      * npu_tensor_type_block_bytes (record->type);
  if (bytes > record->available)
    return npu_error_set (error, NPU_EFORMAT, "tensor '%s': %u dimensions, %s "
        "of type %s, need %llu bytes, the file ends after %llu",
        tensor->file_name, record->dimensions, shape_text,
        npu_tensor_type_name (record->type), (unsigned long long) bytes,
        (unsigned long long) record->available);

  info->type = record->type;
  info->size = (size_t) bytes;
  tensor->data = record->data;
  *size = bytes;
  return NPU_OK;
}

NpuStatus
npu_tensor_table_check_complete (const NpuTensorTable * table,
    NpuError * error)
{
  const NpuTensor *first = NULL;
  size_t missing = 0;

  for (size_t i = 0; i < table->count; i++) {
    const NpuTensor *tensor = table->by_file_name[i];

    if (tensor->data || tensor->computed)
      continue;
    if (!first)
      first = tensor;
    missing++;
  }
  if (!missing)
    return NPU_OK;
  if (missing == 1)
    return npu_error_set (error, NPU_EFORMAT, "tensor '%s' is missing",
        first->file_name);
  return npu_error_set (error, NPU_EFORMAT, "%zu of %zu tensors are missing, "
      "'%s' the first", missing, table->count, first->file_name);
}

/* Whisper's positions: sines of falling frequency, then their cosines. */
static void
compute_sinusoids (const NpuTensorInfo * info, size_t first_row, size_t rows,
    float *out)
{
  size_t half = info->columns / 2;
  double step = log (10000.0) / (double) (half - 1);

  for (size_t row = 0; row < rows; row++, out += info->columns) {
    for (size_t i = 0; i < half; i++) {
      double angle = (double) (first_row + row) * exp (-step * (double) i);

      out[i] = (float) sin (angle);
      out[half + i] = (float) cos (angle);
    }
  }
}

void
npu_tensor_read_rows (const NpuTensor * tensor, size_t first_row, size_t rows,
    float *out)
{
  const NpuTensorInfo *info = &tensor->info;
  size_t row_bytes = info->size / info->rows;

  if (tensor->computed)
    compute_sinusoids (info, first_row, rows, out);
  else
    npu_dequantize (info->type, tensor->data + first_row * row_bytes,
        rows * info->columns, out);
}
