/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The encoder's operations, listed once per slot when it is created; a window
 * changes only the frames' views and the number of rows. Every buffer that a
 * window writes is its slot's own.
 */
#include "encoder/encoder.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "model/model-weights.h"

/* conv1d_stem before the blocks, the final norm after them. */
#define OPERATIONS_OUTSIDE 2
#define OPERATIONS_PER_BLOCK 7

typedef struct
{
  NpuBuffer *staged;
  NpuBuffer *residual;          /* the stream that blocks add to */
  NpuBuffer *narrow;            /* width: normed input, heads' output */
  NpuBuffer *wide;              /* query, key and value; feed-forward */
  NpuBuffer *states;            /* float32 rows */

  /* What the operations point to. */
  NpuStemItem stem;
  NpuAttentionItem attention;
  NpuView residual_view;
  NpuView narrow_view;
  NpuView wide_view;
  NpuView states_view;

  NpuOperation *operations;
  NpuFence *fence;
  atomic_bool busy;
} Slot;

struct NpuEncoder
{
  NpuModel *model;
  NpuQueue *queue;
  uint32_t depth;
  size_t operation_count;
  Slot slots[NPU_ENCODER_MAX_DEPTH];
};

static uint32_t
greatest_common_divisor (uint32_t a, uint32_t b)
{
  while (b) {
    uint32_t rest = a % b;

    a = b;
    b = rest;
  }
  return a;
}

uint32_t
npu_encoder_positions (const NpuModel * model, NpuContext context,
    uint32_t frames)
{
  const NpuModelConfig *config = npu_model_config (model);
  uint64_t model_step = config->context_step ? config->context_step : 1;
  uint64_t device_step =
      npu_device_info (npu_model_part_device (model,
          NPU_MODEL_ENCODER))->context_step;
  uint64_t positions, step;

  if (context == NPU_CONTEXT_FULL ||
      (context == NPU_CONTEXT_AUTO && !config->heard_context))
    return config->audio_context;
  if (!device_step)
    device_step = 1;
  step = model_step / greatest_common_divisor ((uint32_t) model_step,
      (uint32_t) device_step) * device_step;
  positions = ((uint64_t) frames + 1) / 2;
  if (positions < 1)
    positions = 1;
  positions = (positions + step - 1) / step * step;
  return positions < config->audio_context ?
      (uint32_t) positions : config->audio_context;
}

/* -------------------------------------------------- the list of operations */

static NpuOperation
layer_norm (const NpuView * input, const NpuView * output, uint32_t width,
    NpuNormWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {
      .input = input,
      .output = output,
      .width = width,
      .scale = weights.scale,
      .shift = weights.shift,
    },
  };
}

static NpuOperation
gemm (const NpuView * input, const NpuView * output, const NpuView * residual,
    NpuLinearWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {
      .input = input,
      .output = output,
      .residual = residual,
      .weight = weights.weight,
      .bias = weights.bias,
    },
  };
}

static NpuOperation *
list_block (NpuOperation * next, Slot * slot, const NpuModelConfig * config,
    const NpuBlockWeights * weights)
{
  *next++ = layer_norm (&slot->residual_view, &slot->narrow_view,
      config->audio_width, weights->attention_norm);
  *next++ = gemm (&slot->narrow_view, &slot->wide_view, NULL,
      weights->attention_input);
  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {
      .items = &slot->attention,
      .form = NPU_ATTENTION_FULL,
      .width = config->audio_width,
      .heads = config->audio_heads,
    },
  };
  *next++ = gemm (&slot->narrow_view, &slot->residual_view,
      &slot->residual_view, weights->attention_output);
  *next++ = layer_norm (&slot->residual_view, &slot->narrow_view,
      config->audio_width, weights->feed_norm);
  *next = gemm (&slot->narrow_view, &slot->wide_view, NULL,
      weights->feed_up);
  next++->gemm.gelu = true;
  *next++ = gemm (&slot->wide_view, &slot->residual_view,
      &slot->residual_view, weights->feed_down);
  return next;
}

static void
list_operations (Slot * slot, const NpuModelConfig * config,
    const NpuPartWeights * weights)
{
  NpuOperation *next = slot->operations;

  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_CONV1D_STEM,
    .batch = 1,
    .stem = {
      .items = &slot->stem,
      .bands = config->bands,
      .width = config->audio_width,
      .conv1_weight = weights->conv1.weight,
      .conv1_bias = weights->conv1.bias,
      .conv2_weight = weights->conv2.weight,
      .conv2_bias = weights->conv2.bias,
      .positions = weights->positions,
    },
  };
  for (uint32_t i = 0; i < config->audio_layers; i++)
    next = list_block (next, slot, config, &weights->blocks[i]);
  *next = layer_norm (&slot->residual_view, &slot->states_view,
      config->audio_width, weights->final_norm);
  next->layer_norm.output_rows = true;
}

/* Everything in a slot's list that depends on the window. */
static void
set_window (Slot * slot, const NpuEncoderWindow * window)
{
  slot->stem.frames[0] = window->frames[0];
  slot->stem.frames[1] = window->frames[1];
  slot->residual_view.rows = window->positions;
  slot->narrow_view.rows = window->positions;
  slot->wide_view.rows = window->positions;
  slot->states_view.rows = window->positions;
  slot->stem.output.rows = window->positions;
  slot->attention.input.rows = window->positions;
  slot->attention.output.rows = window->positions;
}

/* ------------------------------------------------------ creation and end */

static NpuStatus
allocate_slot (Slot * slot, NpuModel * model, NpuError * error)
{
  NpuDevice *device = npu_model_part_device (model, NPU_MODEL_ENCODER);
  const NpuModelConfig *config = npu_model_config (model);
  uint32_t rows = config->audio_context;
  uint32_t width = config->audio_width;
  uint32_t widest = config->audio_feed_forward > 3 * width ?
      config->audio_feed_forward : 3 * width;
  const struct
  {
    NpuBuffer **buffer;
    size_t size;
  } wanted[] = {
    {&slot->staged, npu_stem_scratch_size (device, rows, config->bands,
            width)},
    {&slot->residual, npu_device_activation_size (device, rows, width)},
    {&slot->narrow, npu_device_activation_size (device, rows, width)},
    {&slot->wide, npu_device_activation_size (device, rows, widest)},
    {&slot->states, (size_t) rows * width * sizeof (float)},
  };

  for (size_t i = 0; i < sizeof (wanted) / sizeof (wanted[0]); i++) {
    NpuStatus status = npu_buffer_create (device, wanted[i].size, 0,
        wanted[i].buffer, error);

    if (status != NPU_OK)
      return status;
  }
  slot->operations = calloc (OPERATIONS_OUTSIDE +
      (size_t) config->audio_layers * OPERATIONS_PER_BLOCK,
      sizeof (*slot->operations));
  if (!slot->operations)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for an encoder");
  return npu_fence_create (device, &slot->fence, error);
}

static void
connect_slot (Slot * slot)
{
  slot->residual_view.buffer = slot->residual;
  slot->narrow_view.buffer = slot->narrow;
  slot->wide_view.buffer = slot->wide;
  slot->states_view.buffer = slot->states;
  slot->stem.staged.buffer = slot->staged;
  slot->stem.output.buffer = slot->residual;
  slot->attention.input.buffer = slot->wide;
  slot->attention.output.buffer = slot->narrow;
}

static void
clear_slot (Slot * slot)
{
  npu_fence_free (slot->fence);
  npu_buffer_unref (slot->staged);
  npu_buffer_unref (slot->residual);
  npu_buffer_unref (slot->narrow);
  npu_buffer_unref (slot->wide);
  npu_buffer_unref (slot->states);
  free (slot->operations);
}

static NpuStatus
check_operations (const NpuModel * model, NpuError * error)
{
  const uint32_t needed = 1u << NPU_OPERATION_CONV1D_STEM |
      1u << NPU_OPERATION_LAYER_NORM | 1u << NPU_OPERATION_GEMM |
      1u << NPU_OPERATION_ATTENTION;
  const NpuDeviceInfo *info = npu_device_info (npu_model_part_device (model,
          NPU_MODEL_ENCODER));

  if ((info->operations & needed) == needed)
    return NPU_OK;
  return npu_error_set (error, NPU_ENOTSUP, "The device '%s' lacks operations "
      "of the encoder: use device=cpu", info->name);
}

NpuStatus
npu_encoder_create (NpuModel * model, uint32_t depth, NpuEncoder ** encoder,
    NpuError * error)
{
  NpuEncoder *self;
  NpuStatus status;

  if (!model || !encoder || depth < 1 || depth > NPU_ENCODER_MAX_DEPTH)
    return npu_error_set (error, NPU_EINVAL,
        "An encoder needs a model and 1 to %d slots, not %u",
        NPU_ENCODER_MAX_DEPTH, depth);
  status = check_operations (model, error);
  if (status != NPU_OK)
    return status;
  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for an encoder");

  self->model = npu_model_ref (model);
  self->depth = depth;
  self->operation_count = OPERATIONS_OUTSIDE +
      (size_t) npu_model_config (model)->audio_layers * OPERATIONS_PER_BLOCK;
  status = npu_queue_create (npu_model_part_device (model, NPU_MODEL_ENCODER),
      &self->queue, error);
  for (uint32_t i = 0; i < depth && status == NPU_OK; i++) {
    status = allocate_slot (&self->slots[i], model, error);
    if (status == NPU_OK) {
      connect_slot (&self->slots[i]);
      list_operations (&self->slots[i], npu_model_config (model),
          npu_model_part_weights (model, NPU_MODEL_ENCODER));
    }
  }
  if (status != NPU_OK) {
    npu_encoder_free (self);
    return status;
  }
  *encoder = self;
  return NPU_OK;
}

void
npu_encoder_free (NpuEncoder * encoder)
{
  if (!encoder)
    return;
  for (uint32_t i = 0; i < encoder->depth; i++)
    if (encoder->slots[i].fence)
      npu_fence_wait (encoder->slots[i].fence, NPU_WAIT_FOREVER, NULL);
  npu_queue_free (encoder->queue);
  for (uint32_t i = 0; i < encoder->depth; i++)
    clear_slot (&encoder->slots[i]);
  npu_model_unref (encoder->model);
  free (encoder);
}

/* --------------------------------------------------------------- running */

NpuStatus
npu_encoder_submit (NpuEncoder * encoder, uint32_t slot,
    const NpuEncoderWindow * window, NpuError * error)
{
  const NpuModelConfig *config = npu_model_config (encoder->model);
  uint64_t frames = (uint64_t) window->frames[0].rows +
      window->frames[1].rows;
  Slot *self;
  NpuStatus status;

  if (slot >= encoder->depth)
    return npu_error_set (error, NPU_EINVAL, "The encoder has %u slots, not "
        "%u", encoder->depth, slot + 1);
  if (window->positions < 1 || window->positions > config->audio_context ||
      frames > 2 * (uint64_t) window->positions)
    return npu_error_set (error, NPU_EINVAL, "%llu frames do not fit in a "
        "context of %u positions of %u", (unsigned long long) frames,
        window->positions, config->audio_context);
  self = &encoder->slots[slot];
  if (atomic_load (&self->busy))
    return npu_error_set (error, NPU_EBUSY, "Slot %u is in flight", slot);
  status = npu_model_wait (encoder->model, NPU_MODEL_ENCODER, 0, error);
  if (status == NPU_ETIMEDOUT)
    return npu_error_set (error, NPU_EBUSY, "The weights are being loaded");
  if (status != NPU_OK)
    return status;

  set_window (self, window);
  atomic_store (&self->busy, true);
  status = npu_queue_submit (encoder->queue,
      npu_model_program (encoder->model, NPU_MODEL_ENCODER),
      self->operations, encoder->operation_count, self->fence, error);
  if (status != NPU_OK)
    atomic_store (&self->busy, false);
  return status;
}

NpuStatus
npu_encoder_wait (NpuEncoder * encoder, uint32_t slot, uint64_t timeout_ns,
    NpuError * error)
{
  Slot *self;
  NpuStatus status;

  if (slot >= encoder->depth)
    return npu_error_set (error, NPU_EINVAL, "The encoder has %u slots, not "
        "%u", encoder->depth, slot + 1);
  self = &encoder->slots[slot];
  status = npu_fence_wait (self->fence, timeout_ns, error);
  if (status == NPU_ETIMEDOUT)
    return status;
  if (status == NPU_OK)
    status = npu_buffer_sync (self->states, NPU_SYNC_FROM_DEVICE, 0,
        (size_t) self->states_view.rows *
        npu_model_config (encoder->model)->audio_width * sizeof (float));
  atomic_store (&self->busy, false);
  return status;
}

const float *
npu_encoder_states (NpuEncoder * encoder, uint32_t slot)
{
  return slot < encoder->depth ?
      npu_buffer_host (encoder->slots[slot].states) : NULL;
}
