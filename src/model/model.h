/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A model in use: one file opened on one device in one precision. The same
 * file, device and precision give the same NpuModel to everybody in the
 * process, so that weights exist once. Opening checks the file; the weights
 * are loaded later, in the background, part by part.
 */
#ifndef NPU_MODEL_MODEL_H
#define NPU_MODEL_MODEL_H

#include "device/device.h"
#include "model/model-file.h"
#include "model/tokenizer.h"

typedef struct NpuModel NpuModel;

typedef enum
{
  NPU_MODEL_ENCODER,
  NPU_MODEL_DECODER,
  NPU_MODEL_PARTS
} NpuModelPart;

/**
 * npu_model_open:
 * Open the model at @path for @device, or take a reference to the one that is
 * open already.
 *
 * @path       ggml file or Hugging Face directory; NULL for the default
 *             (npu_model_file_open_default())
 * @precision  NPU_PRECISION_AUTO takes the device's best
 * @model      out; the caller's reference
 *
 * Checks the whole file but reads no weights. Returns NPU_OK, NPU_EIO,
 * NPU_EFORMAT, NPU_ENOTSUP (a precision that the device lacks), NPU_ENOMEM.
 * Any thread.
 */
NPU_API NpuStatus npu_model_open (const char *path, NpuDevice * device,
    NpuPrecision precision, NpuModel ** model, NpuError * error);

/**
 * npu_model_ref:
 * Returns @model with one more reference. Any thread.
 */
NPU_API NpuModel *npu_model_ref (NpuModel * model);

/**
 * npu_model_unref:
 * Drop a reference; the last one waits for a load under way and frees all.
 * NULL is ignored. Any thread.
 */
NPU_API void npu_model_unref (NpuModel * model);

/* What @model is; the results live as long as it does. Any thread. */
NPU_API const NpuModelConfig *npu_model_config (const NpuModel * model);
NPU_API const NpuTokenizer *npu_model_tokenizer (const NpuModel * model);
/* Device and precision that it was opened with: the encoder's. */
NPU_API NpuDevice *npu_model_device (const NpuModel * model);
NPU_API NpuPrecision npu_model_precision (const NpuModel * model);
NPU_API const char *npu_model_path (const NpuModel * model);
/* Hexadecimal digest of the file: the same for the same file anywhere. */
NPU_API const char *npu_model_digest (const NpuModel * model);

/**
 * npu_model_part_device:
 * Returns the device that @part runs on: the model's, or for a decoder whose
 * operations that device lacks, the cpu device with as many threads, at its
 * best precision. Lives as long as @model. Any thread.
 */
NPU_API NpuDevice *npu_model_part_device (const NpuModel * model,
    NpuModelPart part);

/**
 * npu_model_load:
 * Start to load @part's weights in the background, once; later calls do
 * nothing. Returns NPU_OK, or NPU_ENOMEM when no thread could be started. Any
 * thread; never blocks.
 */
NPU_API NpuStatus npu_model_load (NpuModel * model, NpuModelPart part,
    NpuError * error);

/**
 * npu_model_wait:
 * Start to load @part if nobody did, and wait for it at most @timeout_ns; 0
 * polls, NPU_WAIT_FOREVER has no limit.
 *
 * Returns NPU_OK when the weights are there, NPU_ETIMEDOUT while they are not,
 * or why loading failed (the same for every later call). Any thread.
 */
NPU_API NpuStatus npu_model_wait (NpuModel * model, NpuModelPart part,
    uint64_t timeout_ns, NpuError * error);

/**
 * npu_model_program:
 * Returns @part's weights on the device, NULL before npu_model_wait() returned
 * NPU_OK; lives as long as @model. Any thread.
 */
NPU_API const NpuProgram *npu_model_program (const NpuModel * model,
    NpuModelPart part);

#endif
