/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two lists of operations, made when a stream begins: one for what was heard
 * (keys and values of cross attention, per layer), one for tokens. A window or
 * a token changes only counts and positions in what the lists point to.
 */
#include "decoder/text-pass.h"

#include <stdlib.h>
#include <string.h>

#include "model/model-weights.h"

#define LISTEN_OPERATIONS_PER_BLOCK 2
/* embed before the blocks; final norm and vocabulary after them. */
#define TEXT_OPERATIONS_OUTSIDE 3
#define TEXT_OPERATIONS_PER_BLOCK 11

/* How many tokens of each range are asked for: the rules need the best. */
#define CANDIDATES 1

typedef struct
{
  NpuBuffer *own;               /* keys and values of the text so far */
  NpuBuffer *heard;             /* keys and values of the states */
  NpuAttentionItem attention;
  NpuAttentionItem cross;
  NpuView heard_view;
} Layer;

struct NpuTextPass
{
  NpuModel *model;
  NpuQueue *queue;
  NpuFence *fence;
  uint32_t split;
  uint32_t tokens;              /* in the caches */

  NpuBuffer *states;            /* float32 rows */
  NpuBuffer *heard_wide;        /* keys and values before they are stored */
  NpuBuffer *residual;
  NpuBuffer *narrow;
  NpuBuffer *wide;
  NpuView states_view;
  NpuView heard_wide_view;
  NpuView residual_view;
  NpuView narrow_view;
  NpuView wide_view;
  NpuEmbedItem embed;
  NpuVocabularyItem vocabulary;
  Layer *layers;

  NpuOperation *listen;
  size_t listen_count;
  NpuOperation *text;
  size_t text_count;
};

/* ------------------------------------------------ the lists of operations */

static NpuOperation
layer_norm (const NpuTextPass * pass, NpuNormWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {
      .input = &pass->residual_view,
      .output = &pass->narrow_view,
      .width = npu_model_config (pass->model)->text_width,
      .scale = weights.scale,
      .shift = weights.shift,
    },
  };
}

static NpuOperation
gemm (const NpuView * input, const NpuView * output, NpuLinearWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {
      .input = input,
      .output = output,
      .weight = weights.weight,
      .bias = weights.bias,
    },
  };
}

static NpuOperation
gemm_onto_residual (const NpuTextPass * pass, const NpuView * input,
    NpuLinearWeights weights)
{
  NpuOperation operation = gemm (input, &pass->residual_view, weights);

  operation.gemm.residual = &pass->residual_view;
  return operation;
}

static NpuOperation
attention (const NpuTextPass * pass, const NpuAttentionItem * item,
    NpuAttentionForm form)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {
      .items = item,
      .form = form,
      .width = npu_model_config (pass->model)->text_width,
      .heads = npu_model_config (pass->model)->text_heads,
    },
  };
}

static NpuOperation *
list_block (NpuOperation * next, const NpuTextPass * pass,
    const Layer * layer, const NpuBlockWeights * weights)
{
  *next++ = layer_norm (pass, weights->attention_norm);
  *next++ = gemm (&pass->narrow_view, &pass->wide_view,
      weights->attention_input);
  *next++ = attention (pass, &layer->attention, NPU_ATTENTION_CAUSAL);
  *next++ = gemm_onto_residual (pass, &pass->narrow_view,
      weights->attention_output);
  *next++ = layer_norm (pass, weights->cross_norm);
  *next++ = gemm (&pass->narrow_view, &pass->wide_view, weights->cross_query);
  *next++ = attention (pass, &layer->cross, NPU_ATTENTION_CROSS);
  *next++ = gemm_onto_residual (pass, &pass->narrow_view,
      weights->cross_output);
  *next++ = layer_norm (pass, weights->feed_norm);
  *next = gemm (&pass->narrow_view, &pass->wide_view, weights->feed_up);
  next++->gemm.gelu = true;
  *next++ = gemm_onto_residual (pass, &pass->wide_view, weights->feed_down);
  return next;
}

static void
list_text (NpuTextPass * pass)
{
  const NpuModelConfig *config = npu_model_config (pass->model);
  const NpuPartWeights *weights =
      npu_model_part_weights (pass->model, NPU_MODEL_DECODER);
  NpuOperation *next = pass->text;

  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_EMBED,
    .batch = 1,
    .embed = {
      .items = &pass->embed,
      .width = config->text_width,
      .embedding = weights->embedding,
      .positions = weights->positions,
    },
  };
  for (uint32_t i = 0; i < config->text_layers; i++)
    next = list_block (next, pass, &pass->layers[i], &weights->blocks[i]);
  *next++ = layer_norm (pass, weights->final_norm);
  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_VOCABULARY_TOP_K,
    .batch = 1,
    .vocabulary = {
      .items = &pass->vocabulary,
      .width = config->text_width,
      .embedding = weights->embedding,
      .k = CANDIDATES,
      .split = pass->split,
    },
  };
  pass->text_count = (size_t) (next - pass->text);
}

static void
list_listen (NpuTextPass * pass)
{
  const NpuModelConfig *config = npu_model_config (pass->model);
  const NpuPartWeights *weights =
      npu_model_part_weights (pass->model, NPU_MODEL_DECODER);
  NpuOperation *next = pass->listen;

  for (uint32_t i = 0; i < config->text_layers; i++) {
    *next = gemm (&pass->states_view, &pass->heard_wide_view,
        weights->blocks[i].cross_key_value);
    next++->gemm.input_rows = true;
    *next++ = (NpuOperation) {
      .type = NPU_OPERATION_CACHE_STORE,
      .batch = 1,
      .cache_store = {
        .input = &pass->heard_wide_view,
        .output = &pass->layers[i].heard_view,
        .width = config->text_width,
      },
    };
  }
  pass->listen_count = (size_t) (next - pass->listen);
}

/* ------------------------------------------------------ creation and end */

typedef struct
{
  NpuBuffer **buffer;
  size_t size;
} Wanted;

static NpuStatus
allocate (NpuDevice * device, const Wanted * wanted, size_t count,
    NpuError * error)
{
  for (size_t i = 0; i < count; i++) {
    NpuStatus status = npu_buffer_create (device, wanted[i].size, 0,
        wanted[i].buffer, error);

    if (status != NPU_OK)
      return status;
  }
  return NPU_OK;
}

static NpuStatus
allocate_buffers (NpuTextPass * pass, NpuError * error)
{
  NpuDevice *device = npu_model_part_device (pass->model,
      NPU_MODEL_DECODER);
  const NpuModelConfig *config = npu_model_config (pass->model);
  uint32_t width = config->text_width;
  uint32_t widest = config->text_feed_forward > 3 * width ?
      config->text_feed_forward : 3 * width;
  uint32_t rows = NPU_TEXT_PASS_BATCH;
  const Wanted shared[] = {
    {&pass->states,
        (size_t) config->audio_context * config->audio_width * sizeof (float)},
    {&pass->heard_wide, npu_device_activation_size (device,
            config->audio_context, 2 * width)},
    {&pass->residual, npu_device_activation_size (device, rows, width)},
    {&pass->narrow, npu_device_activation_size (device, rows, width)},
    {&pass->wide, npu_device_activation_size (device, rows, widest)},
  };
  NpuStatus status = allocate (device, shared,
      sizeof (shared) / sizeof (shared[0]), error);

  for (uint32_t i = 0; i < config->text_layers && status == NPU_OK; i++) {
    const Wanted caches[] = {
      {&pass->layers[i].own, npu_device_cache_size (device,
              config->text_context, width)},
      {&pass->layers[i].heard, npu_device_cache_size (device,
              config->audio_context, width)},
    };

    status = allocate (device, caches, 2, error);
  }
  return status;
}

/* What the lists point to, but for counts and positions. */
static void
connect_views (NpuTextPass * pass)
{
  const NpuModelConfig *config = npu_model_config (pass->model);

  pass->states_view.buffer = pass->states;
  pass->heard_wide_view.buffer = pass->heard_wide;
  pass->residual_view.buffer = pass->residual;
  pass->narrow_view.buffer = pass->narrow;
  pass->wide_view.buffer = pass->wide;
  pass->embed.output.buffer = pass->residual;
  pass->vocabulary.input.buffer = pass->narrow;
  for (uint32_t i = 0; i < config->text_layers; i++) {
    Layer *layer = &pass->layers[i];

    layer->heard_view = (NpuView) { layer->heard, 0, config->audio_context };
    layer->attention.input.buffer = pass->wide;
    layer->attention.output.buffer = pass->narrow;
    layer->attention.cache = (NpuView) { layer->own, 0, config->text_context };
    layer->cross.input.buffer = pass->wide;
    layer->cross.output.buffer = pass->narrow;
    layer->cross.cache = layer->heard_view;
  }
}

static NpuStatus
check_operations (const NpuModel * model, NpuError * error)
{
  const uint32_t needed = 1u << NPU_OPERATION_LAYER_NORM |
      1u << NPU_OPERATION_GEMM | 1u << NPU_OPERATION_ATTENTION |
      1u << NPU_OPERATION_CACHE_STORE | 1u << NPU_OPERATION_EMBED |
      1u << NPU_OPERATION_VOCABULARY_TOP_K;
  const NpuDeviceInfo *info = npu_device_info (npu_model_part_device (model,
          NPU_MODEL_DECODER));

  if ((info->operations & needed) == needed)
    return NPU_OK;
  return npu_error_set (error, NPU_ENOTSUP, "The device '%s' lacks operations "
      "of the text decoder: use device=cpu", info->name);
}

NpuStatus
npu_text_pass_create (NpuModel * model, uint32_t split, NpuTextPass ** pass,
    NpuError * error)
{
  NpuDevice *device = npu_model_part_device (model, NPU_MODEL_DECODER);
  size_t layers = npu_model_config (model)->text_layers;
  NpuStatus status = check_operations (model, error);
  NpuTextPass *self;

  if (status != NPU_OK)
    return status;
  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a decoder");
  self->model = npu_model_ref (model);
  self->split = split;
  self->layers = calloc (layers, sizeof (*self->layers));
  self->listen = calloc (layers * LISTEN_OPERATIONS_PER_BLOCK,
      sizeof (*self->listen));
  self->text = calloc (TEXT_OPERATIONS_OUTSIDE +
      layers * TEXT_OPERATIONS_PER_BLOCK, sizeof (*self->text));
  if (!self->layers || !self->listen || !self->text)
    status = npu_error_set (error, NPU_ENOMEM, "Out of memory for a decoder");
  if (status == NPU_OK)
    status = allocate_buffers (self, error);
  if (status == NPU_OK)
    status = npu_queue_create (device, &self->queue, error);
  if (status == NPU_OK)
    status = npu_fence_create (device, &self->fence, error);
  if (status != NPU_OK) {
    npu_text_pass_free (self);
    return status;
  }
  connect_views (self);
  list_listen (self);
  list_text (self);
  *pass = self;
  return NPU_OK;
}

void
npu_text_pass_free (NpuTextPass * pass)
{
  if (!pass)
    return;
  npu_queue_free (pass->queue);
  npu_fence_free (pass->fence);
  npu_buffer_unref (pass->states);
  npu_buffer_unref (pass->heard_wide);
  npu_buffer_unref (pass->residual);
  npu_buffer_unref (pass->narrow);
  npu_buffer_unref (pass->wide);
  if (pass->layers) {
    for (uint32_t i = 0; i < npu_model_config (pass->model)->text_layers; i++) {
      npu_buffer_unref (pass->layers[i].own);
      npu_buffer_unref (pass->layers[i].heard);
    }
  }
  free (pass->layers);
  free (pass->listen);
  free (pass->text);
  npu_model_unref (pass->model);
  free (pass);
}

/* --------------------------------------------------------------- running */

static NpuStatus
run (NpuTextPass * pass, const NpuOperation * operations, size_t count,
    NpuError * error)
{
  NpuStatus status = npu_queue_submit (pass->queue,
      npu_model_program (pass->model, NPU_MODEL_DECODER), operations, count,
      pass->fence, error);

  if (status == NPU_OK)
    status = npu_fence_wait (pass->fence, NPU_WAIT_FOREVER, error);
  return status;
}

NpuStatus
npu_text_pass_listen (NpuTextPass * pass, const float *states,
    uint32_t positions, NpuError * error)
{
  const NpuModelConfig *config = npu_model_config (pass->model);
  size_t size = (size_t) positions * config->audio_width * sizeof (float);
  NpuStatus status;

  if (positions < 1 || positions > config->audio_context)
    return npu_error_set (error, NPU_EINVAL, "A window of %u positions does "
        "not fit the model's context of %u", positions,
        config->audio_context);
  pass->tokens = 0;
  pass->states_view.rows = positions;
  pass->heard_wide_view.rows = positions;
  for (uint32_t i = 0; i < config->text_layers; i++)
    pass->layers[i].cross.keys = positions;
  memcpy (npu_buffer_host (pass->states), states, size);
  status = npu_buffer_sync (pass->states, NPU_SYNC_TO_DEVICE, 0, size);
  if (status != NPU_OK)
    return npu_error_set (error, status,
        "The encoder's states could not be handed to the device: %s",
        npu_status_name (status));
  return run (pass, pass->listen, pass->listen_count, error);
}

NpuStatus
npu_text_pass_append (NpuTextPass * pass, const NpuTextStep * step,
    NpuError * error)
{
  const NpuModelConfig *config = npu_model_config (pass->model);
  uint32_t count = step->count;
  NpuStatus status;

  if (count < 1 || count > NPU_TEXT_PASS_BATCH ||
      count > config->text_context - pass->tokens)
    return npu_error_set (error, NPU_EINVAL, "%u tokens after %u do not fit "
        "the model's text context of %u", count, pass->tokens,
        config->text_context);
  pass->residual_view.rows = count;
  pass->narrow_view.rows = count;
  pass->wide_view.rows = count;
  for (uint32_t i = 0; i < config->text_layers; i++) {
    Layer *layer = &pass->layers[i];

    layer->attention.input.rows = count;
    layer->attention.output.rows = count;
    layer->attention.position = pass->tokens;
    layer->cross.input.rows = count;
    layer->cross.output.rows = count;
  }
  pass->embed.tokens = step->tokens;
  pass->embed.position = pass->tokens;
  pass->embed.output.rows = count;
  pass->vocabulary.input.rows = count;
  pass->vocabulary.suppressed = step->suppressed;
  pass->vocabulary.result = step->result;
  pass->vocabulary.logits = step->logits;
  status = run (pass, pass->text, pass->text_count, error);
  if (status == NPU_OK)
    pass->tokens += count;
  return status;
}
