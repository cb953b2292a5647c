/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whisper's encoder as a list of device operations, run from a few slots that
 * own everything that is written while a window is in flight.
 */
#ifndef NPU_ENCODER_ENCODER_H
#define NPU_ENCODER_ENCODER_H

#include "model/model.h"
#include "pipeline/executor.h"

typedef struct NpuEncoder NpuEncoder;

#define NPU_ENCODER_MAX_DEPTH NPU_EXECUTOR_MAX_DEPTH
/* Windows that one slot can encode together. */
#define NPU_ENCODER_MAX_BATCH NPU_EXECUTOR_OUTPUTS

typedef enum
{
  NPU_CONTEXT_AUTO,             /* heard where the model was trained so */
  NPU_CONTEXT_FULL,             /* always the model's whole context */
  NPU_CONTEXT_HEARD,            /* only what was heard, rounded up */
} NpuContext;

/**
 * npu_encoder_positions:
 * Returns the encoder positions for a window of @frames valid frames (100 per
 * second; two make a position): the model's whole context, or with heard
 * context ceil (frames / 2), at least 1, rounded up to a multiple of both the
 * model's and the device's context_step, at most the whole context. Any thread.
 */
NPU_API uint32_t npu_encoder_positions (const NpuModel * model,
    NpuContext context, uint32_t frames);

typedef struct
{
  NpuExecutorOptions executor;  /* depth, queues, notification */
  uint32_t batch;               /* windows in a slot, 0 for 1; at most
                                 * NPU_ENCODER_MAX_BATCH */
  uint32_t layers;              /* only the first so many blocks, for
                                 * measurements; 0 for all */
  bool foreign_states;          /* every window brings a buffer for its states;
                                 * slots have none */
} NpuEncoderOptions;

/**
 * npu_encoder_create:
 * Allocate slots for windows of up to the model's context. The model's weights
 * need not be loaded yet. Free with npu_encoder_free(), which waits for what is
 * in flight.
 *
 * @options  NULL for 2 slots of one window each
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM, NPU_EBUSY (no free queue) or
 * NPU_ENOTSUP (the device lacks an operation).
 */
NPU_API NpuStatus npu_encoder_create (NpuModel * model,
    const NpuEncoderOptions * options, NpuEncoder ** encoder,
    NpuError * error);
NPU_API void npu_encoder_free (NpuEncoder * encoder);

typedef struct
{
  NpuView frames[2];            /* raw log-mel rows; see NpuStemItem */
  uint32_t positions;           /* as npu_encoder_positions() says; the frames
                                 * are padded up to 2 * positions */
  NpuView states;               /* where the states go: positions rows of
                                 * audio_width float32 (the view's rows are
                                 * not looked at); no buffer: to the slot's */
} NpuEncoderWindow;

/**
 * npu_encoder_open:
 * Take a free slot for window @id, as npu_executor_open() does. One thread at a
 * time per encoder, for all that follows.
 */
NPU_API NpuStatus npu_encoder_open (NpuEncoder * encoder, uint64_t id,
    uint32_t * slot);

/**
 * npu_encoder_upload:
 * Move frames to the device for the open slot @slot, as npu_executor_stage()
 * does; ranges without rows are passed over. Views are those of
 * npu_ring_to_upload().
 */
NPU_API NpuStatus npu_encoder_upload (NpuEncoder * encoder, uint32_t slot,
    const NpuView frames[2], NpuError * error);

/**
 * npu_encoder_submit:
 * Start to encode @count windows in the open slot @slot. Frames and states must
 * stay where they are until the slot is collected.
 *
 * Returns NPU_OK; NPU_EBUSY while weights are not loaded (the load is started),
 * NPU_EINVAL, why the load failed, or an error of npu_executor_submit(). Then
 * the slot is still open. Never blocks on the device, never allocates (but for
 * the start of the load).
 */
NPU_API NpuStatus npu_encoder_submit (NpuEncoder * encoder, uint32_t slot,
    const NpuEncoderWindow * windows, uint32_t count, NpuError * error);

/**
 * npu_encoder_collect:
 * Wait for the slot that was submitted first, as npu_executor_collect() does;
 * its states are in host memory then.
 */
NPU_API NpuStatus npu_encoder_collect (NpuEncoder * encoder,
    uint64_t timeout_ns, uint32_t * slot, NpuError * error);

/**
 * npu_encoder_states:
 * Returns the states of window @index of the collected slot @slot: positions
 * rows of the model's audio_width float32 values, valid until the slot is
 * closed, or as long as the window's own buffer. NULL where there are none.
 */
NPU_API const float *npu_encoder_states (NpuEncoder * encoder, uint32_t slot,
    uint32_t index);

/**
 * npu_encoder_close:
 * Make an open or collected slot free.
 */
NPU_API void npu_encoder_close (NpuEncoder * encoder, uint32_t slot);

/**
 * npu_encoder_run:
 * Open, submit and collect: encode @count windows, whose frames are on the
 * device, with nothing else in flight. Close @slot afterwards.
 */
NPU_API NpuStatus npu_encoder_run (NpuEncoder * encoder,
    const NpuEncoderWindow * windows, uint32_t count, uint32_t * slot,
    NpuError * error);

/**
 * npu_encoder_executor:
 * Returns the executor, for its statistics; the encoder's. Any thread.
 */
NPU_API NpuExecutor *npu_encoder_executor (const NpuEncoder * encoder);

#endif
