/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The encoder's operations, listed once per slot when it is created; a window
 * changes only the frames' views and the number of rows. Every buffer that a
 * window writes is its slot's own.
 */
#include "encoder/encoder.h"

#include <stdlib.h>

#include "encoder/block.h"
#include "model/model-weights.h"

#define DEFAULT_DEPTH 2
/* conv1d_stem before the blocks, the final norm after them. */
#define OPERATIONS_OUTSIDE 2

/* What the operations of a slot point to: one entry per window. */
typedef struct
{
  NpuStemItem stem[NPU_ENCODER_MAX_BATCH];
  NpuAttentionItem attention[NPU_ENCODER_MAX_BATCH];
  NpuView residual[NPU_ENCODER_MAX_BATCH];
  NpuView narrow[NPU_ENCODER_MAX_BATCH];
  NpuView wide[NPU_ENCODER_MAX_BATCH];
  NpuView states[NPU_ENCODER_MAX_BATCH];
  NpuView own_states[NPU_ENCODER_MAX_BATCH];    /* no buffer if foreign */
  NpuOperation *operations;
} Slot;

struct NpuEncoder
{
  NpuModel *model;
  NpuExecutor *executor;
  uint32_t depth;
  uint32_t batch;
  uint32_t layers;
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
      npu_device_info (npu_model_device (model))->context_step;
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

static void
list_operations (Slot * slot, const NpuModelConfig * config, uint32_t layers,
    const NpuPartWeights * weights)
{
  const NpuBlockViews views = {
    slot->residual, slot->narrow, slot->wide, slot->attention
  };
  NpuOperation *next = slot->operations;

  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_CONV1D_STEM,
    .stem = {
      .items = slot->stem,
      .bands = config->bands,
      .width = config->audio_width,
      .conv1_weight = weights->conv1.weight,
      .conv1_bias = weights->conv1.bias,
      .conv2_weight = weights->conv2.weight,
      .conv2_bias = weights->conv2.bias,
      .positions = weights->positions,
    },
  };
  for (uint32_t i = 0; i < layers; i++)
    next = npu_block_list (next, &views, config->audio_width,
        config->audio_heads, &weights->blocks[i]);
  *next = (NpuOperation) {
    .type = NPU_OPERATION_LAYER_NORM,
    .layer_norm = {
      .input = slot->residual,
      .output = slot->states,
      .width = config->audio_width,
      .scale = weights->final_norm.scale,
      .shift = weights->final_norm.shift,
      .output_rows = true,
    },
  };
}

/* Everything in a slot's list that depends on window @index. */
static void
set_window (Slot * slot, uint32_t index, const NpuEncoderWindow * window)
{
  slot->stem[index].frames[0] = window->frames[0];
  slot->stem[index].frames[1] = window->frames[1];
  slot->stem[index].output.rows = window->positions;
  slot->attention[index].input.rows = window->positions;
  slot->attention[index].output.rows = window->positions;
  slot->residual[index].rows = window->positions;
  slot->narrow[index].rows = window->positions;
  slot->wide[index].rows = window->positions;
  slot->states[index] = window->states.buffer ? window->states :
      slot->own_states[index];
  slot->states[index].rows = window->positions;
}

/* ------------------------------------------------------ creation and end */

/* A buffer of the slot, cut into one part for each window of a batch. */
typedef struct
{
  const char *name;
  size_t size;                  /* of a part */
} SlotBuffer;

enum
{
  STAGED,
  RESIDUAL,
  NARROW,
  WIDE,
  STATES,
  SLOT_BUFFERS
};

static void
connect_window (Slot * slot, uint32_t index, NpuBuffer * const buffers[],
    const SlotBuffer * wanted)
{
  NpuView views[SLOT_BUFFERS];

  for (int i = 0; i < SLOT_BUFFERS; i++)
    views[i] = (NpuView) {
      .buffer = buffers[i],
      .offset = index * wanted[i].size,
    };
  slot->stem[index].staged = views[STAGED];
  slot->stem[index].output = views[RESIDUAL];
  slot->residual[index] = views[RESIDUAL];
  slot->narrow[index] = views[NARROW];
  slot->wide[index] = views[WIDE];
  slot->attention[index].input = views[WIDE];
  slot->attention[index].output = views[NARROW];
  slot->own_states[index] = views[STATES];
}

static NpuStatus
allocate_slot (NpuEncoder * self, uint32_t index, bool foreign_states,
    NpuError * error)
{
  NpuDevice *device = npu_model_device (self->model);
  const NpuModelConfig *config = npu_model_config (self->model);
  Slot *slot = &self->slots[index];
  uint32_t rows = config->audio_context;
  uint32_t width = config->audio_width;
  uint32_t widest = config->audio_feed_forward > 3 * width ?
      config->audio_feed_forward : 3 * width;
  size_t narrow = npu_device_activation_size (device, rows, width);
  const SlotBuffer wanted[SLOT_BUFFERS] = {
    [STAGED] = {"staged", npu_stem_scratch_size (device, rows, config->bands,
            width)},
    [RESIDUAL] = {"residual", narrow},
    [NARROW] = {"narrow", narrow},
    [WIDE] = {"wide", npu_device_activation_size (device, rows, widest)},
    [STATES] = {"states", (size_t) rows * width * sizeof (float)},
  };
  NpuBuffer *buffers[SLOT_BUFFERS] = { NULL };

  for (int i = 0; i < (foreign_states ? STATES : SLOT_BUFFERS); i++) {
    NpuStatus status = npu_executor_buffer (self->executor, index,
        wanted[i].name, wanted[i].size * self->batch, 0, &buffers[i], error);

    if (status != NPU_OK)
      return status;
  }
  for (uint32_t i = 0; i < self->batch; i++)
    connect_window (slot, i, buffers, wanted);
  slot->operations = calloc (self->operation_count,
      sizeof (*slot->operations));
  if (!slot->operations)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for an encoder");
  list_operations (slot, config, self->layers,
      npu_model_part_weights (self->model, NPU_MODEL_ENCODER));
  return NPU_OK;
}

static NpuStatus
check_operations (const NpuModel * model, NpuError * error)
{
  const uint32_t needed = 1u << NPU_OPERATION_CONV1D_STEM |
      1u << NPU_OPERATION_LAYER_NORM | 1u << NPU_OPERATION_GEMM |
      1u << NPU_OPERATION_ATTENTION;
  const NpuDeviceInfo *info = npu_device_info (npu_model_device (model));

  if ((info->operations & needed) == needed)
    return NPU_OK;
  return npu_error_set (error, NPU_ENOTSUP, "The device '%s' lacks operations "
      "of the encoder: use device=cpu", info->name);
}

NpuStatus
npu_encoder_create (NpuModel * model, const NpuEncoderOptions * options,
    NpuEncoder ** encoder, NpuError * error)
{
  static const NpuEncoderOptions defaults = {
    .executor = {.depth = DEFAULT_DEPTH}
  };
  NpuEncoder *self;
  NpuStatus status;

  if (!options)
    options = &defaults;
  if (!model || !encoder || options->batch > NPU_ENCODER_MAX_BATCH)
    return npu_error_set (error, NPU_EINVAL,
        "An encoder needs a model and at most %d windows in a slot, not %u",
        NPU_ENCODER_MAX_BATCH, options->batch);
  status = check_operations (model, error);
  if (status != NPU_OK)
    return status;
  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for an encoder");

  self->model = npu_model_ref (model);
  self->depth = options->executor.depth;
  self->batch = options->batch ? options->batch : 1;
  self->layers = npu_model_config (model)->audio_layers;
  if (options->layers && options->layers < self->layers)
    self->layers = options->layers;
  self->operation_count = OPERATIONS_OUTSIDE +
      (size_t) self->layers * NPU_BLOCK_OPERATIONS;
  status = npu_executor_create (npu_model_device (model), &options->executor,
      &self->executor, error);
  for (uint32_t i = 0; status == NPU_OK && i < self->depth; i++)
    status = allocate_slot (self, i, options->foreign_states, error);
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
  npu_executor_free (encoder->executor);
  for (uint32_t i = 0; i < NPU_ENCODER_MAX_DEPTH; i++)
    free (encoder->slots[i].operations);
  npu_model_unref (encoder->model);
  free (encoder);
}

NpuExecutor *
npu_encoder_executor (const NpuEncoder * encoder)
{
  return encoder->executor;
}

/* --------------------------------------------------------------- running */

NpuStatus
npu_encoder_open (NpuEncoder * encoder, uint64_t id, uint32_t * slot)
{
  return npu_executor_open (encoder->executor, id, slot);
}

NpuStatus
npu_encoder_upload (NpuEncoder * encoder, uint32_t slot,
    const NpuView frames[2], NpuError * error)
{
  size_t frame_size =
      npu_model_config (encoder->model)->bands * sizeof (float);
  NpuStatus status = NPU_OK;

  for (int i = 0; i < 2 && status == NPU_OK; i++)
    if (frames[i].rows > 0)
      status = npu_executor_stage (encoder->executor, slot, frames[i].buffer,
          frames[i].offset, frames[i].rows * frame_size, error);
  return status;
}

static NpuStatus
check_windows (const NpuEncoder * encoder, const NpuEncoderWindow * windows,
    uint32_t count, NpuError * error)
{
  uint32_t context = npu_model_config (encoder->model)->audio_context;

  if (count < 1 || count > encoder->batch)
    return npu_error_set (error, NPU_EINVAL,
        "A slot takes 1 to %u windows, not %u", encoder->batch, count);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t frames = (uint64_t) windows[i].frames[0].rows +
        windows[i].frames[1].rows;

    if (windows[i].positions < 1 || windows[i].positions > context ||
        frames > 2 * (uint64_t) windows[i].positions)
      return npu_error_set (error, NPU_EINVAL, "%llu frames do not fit in a "
          "context of %u positions of %u", (unsigned long long) frames,
          windows[i].positions, context);
  }
  return NPU_OK;
}

NpuStatus
npu_encoder_submit (NpuEncoder * encoder, uint32_t slot,
    const NpuEncoderWindow * windows, uint32_t count, NpuError * error)
{
  size_t row_size =
      npu_model_config (encoder->model)->audio_width * sizeof (float);
  NpuExecutorRun run = {
    .count = encoder->operation_count,
    .output_count = count,
    .items = count,
  };
  NpuStatus status;
  Slot *self;

  if (slot >= encoder->depth)
    return npu_error_set (error, NPU_EINVAL, "The encoder has %u slots, not "
        "%u", encoder->depth, slot + 1);
  status = check_windows (encoder, windows, count, error);
  if (status != NPU_OK)
    return status;
  status = npu_model_wait (encoder->model, NPU_MODEL_ENCODER, 0, error);
  if (status == NPU_ETIMEDOUT)
    return npu_error_set (error, NPU_EBUSY, "The weights are being loaded");
  if (status != NPU_OK)
    return status;

  self = &encoder->slots[slot];
  for (uint32_t i = 0; i < count; i++) {
    set_window (self, i, &windows[i]);
    run.outputs[i] = (NpuExecutorRange) {
      self->states[i].buffer, self->states[i].offset,
      windows[i].positions * row_size
    };
  }
  for (size_t i = 0; i < encoder->operation_count; i++)
    self->operations[i].batch = count;
  run.operations = self->operations;
  run.program = npu_model_program (encoder->model, NPU_MODEL_ENCODER);
  return npu_executor_submit (encoder->executor, slot, &run, error);
}

NpuStatus
npu_encoder_collect (NpuEncoder * encoder, uint64_t timeout_ns,
    uint32_t * slot, NpuError * error)
{
  return npu_executor_collect (encoder->executor, timeout_ns, slot, error);
}

const float *
npu_encoder_states (NpuEncoder * encoder, uint32_t slot, uint32_t index)
{
  const NpuView *states;

  if (slot >= encoder->depth || index >= encoder->batch)
    return NULL;
  states = &encoder->slots[slot].states[index];
  return states->buffer ? (const float *)
      ((char *) npu_buffer_host (states->buffer) + states->offset) : NULL;
}

void
npu_encoder_close (NpuEncoder * encoder, uint32_t slot)
{
  npu_executor_close (encoder->executor, slot);
}

NpuStatus
npu_encoder_run (NpuEncoder * encoder, const NpuEncoderWindow * windows,
    uint32_t count, uint32_t * slot, NpuError * error)
{
  NpuStatus status = npu_encoder_open (encoder, 0, slot);
  uint32_t opened = *slot;

  if (status != NPU_OK)
    return npu_error_set (error, status, "Every slot is in use");
  status = npu_encoder_submit (encoder, opened, windows, count, error);
  if (status == NPU_OK)
    status = npu_encoder_collect (encoder, NPU_WAIT_FOREVER, slot, error);
  if (status != NPU_OK)
    npu_encoder_close (encoder, opened);
  return status;
}
