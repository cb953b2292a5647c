/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whisper's encoder as a list of device operations, run from a few slots that
 * own everything that is written while a window is in flight.
 */
#ifndef NPU_ENCODER_ENCODER_H
#define NPU_ENCODER_ENCODER_H

#include "model/model.h"

typedef struct NpuEncoder NpuEncoder;

#define NPU_ENCODER_MAX_DEPTH 8

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

/**
 * npu_encoder_create:
 * Allocate @depth slots (1 ... NPU_ENCODER_MAX_DEPTH) for windows of up to the
 * model's context. The model's weights need not be loaded yet. Free with
 * npu_encoder_free(), which waits for what is in flight.
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM, NPU_EBUSY (no free queue) or
 * NPU_ENOTSUP (the device lacks an operation).
 */
NPU_API NpuStatus npu_encoder_create (NpuModel * model, uint32_t depth,
    NpuEncoder ** encoder, NpuError * error);
NPU_API void npu_encoder_free (NpuEncoder * encoder);

typedef struct
{
  NpuView frames[2];            /* raw log-mel rows; see NpuStemItem */
  uint32_t positions;           /* as npu_encoder_positions() says; the frames
                                 * are padded up to 2 * positions */
} NpuEncoderWindow;

/**
 * npu_encoder_submit:
 * Start to encode @window in slot @slot, which must be free: never submitted,
 * or waited for. The frames must stay where they are until then.
 *
 * Returns NPU_OK, NPU_EBUSY (slot in flight, or weights not loaded: the load is
 * started), NPU_EINVAL, why the load failed, or an error of npu_queue_submit().
 * One thread at a time per encoder; never blocks on the device, never
 * allocates (but for the start of the load).
 */
NPU_API NpuStatus npu_encoder_submit (NpuEncoder * encoder, uint32_t slot,
    const NpuEncoderWindow * window, NpuError * error);

/**
 * npu_encoder_wait:
 * Wait for @slot as npu_fence_wait() does. May be called from another thread
 * than npu_encoder_submit().
 */
NPU_API NpuStatus npu_encoder_wait (NpuEncoder * encoder, uint32_t slot,
    uint64_t timeout_ns, NpuError * error);

/**
 * npu_encoder_states:
 * Returns @slot's states after npu_encoder_wait() gave NPU_OK: window.positions
 * rows of the model's audio_width float32 values; the encoder's, valid until
 * the slot is submitted again.
 */
NPU_API const float *npu_encoder_states (NpuEncoder * encoder, uint32_t slot);

#endif
