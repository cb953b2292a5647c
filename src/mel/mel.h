/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Log-mel front end of Whisper as a stream: samples go in, in pieces of any
 * length, frames come out as soon as they can. Frame t covers the samples
 * 160 t - 200 ... 160 t + 199; before the first sample the signal is
 * reflected, behind the last one it is zero, and N samples give N / 160
 * frames, rounded down. A frame is a row of raw log10 (max (power, 1e-10)):
 * the clamp that follows in Whisper depends on a window and is not done here.
 *
 * The same samples give the same bits, however they were cut into pieces.
 * None of these functions locks: one thread at a time uses an object, several
 * objects are independent. After npu_mel_create() nothing allocates, blocks
 * or fails.
 */
#ifndef NPU_MEL_MEL_H
#define NPU_MEL_MEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define NPU_MEL_RATE 16000      /* samples a second */
#define NPU_MEL_HOP 160         /* samples from one frame to the next */
#define NPU_MEL_WINDOW 400      /* samples that a frame covers */
#define NPU_MEL_BINS 201        /* of the Fourier transform, 0 ... 8 kHz */

/* A frame can be pulled once so many samples beyond its own 160 t are there. */
#define NPU_MEL_LOOK_AHEAD (NPU_MEL_WINDOW / 2)

typedef struct NpuMel NpuMel;

/**
 * npu_mel_create:
 * Make a stream of frames of @bands values; free it with npu_mel_free().
 *
 * @bands  80 or 128
 * @mel    out; NULL on failure
 * @error  out; may be NULL
 *
 * Returns NPU_OK, NPU_EINVAL or NPU_ENOMEM. Any thread: calls into FFTW's
 * planner are serialised among all objects of this library, but not with
 * other users of FFTW in the process.
 */
NPU_API NpuStatus npu_mel_create (unsigned bands, NpuMel ** mel,
    NpuError * error);

/* @mel may be NULL. */
NPU_API void npu_mel_free (NpuMel * mel);

/**
 * npu_mel_push:
 * Add mono samples of 16 kHz, full scale being -1 ... 1.
 *
 * @samples  @count values; NaN, infinity and magnitudes above 1e15 are taken
 *           as 0 and counted
 *
 * Returns how many were taken, 0 ... @count: at least 1 while no frame is
 * ready, none after npu_mel_finish(). When it is fewer than @count, pull and
 * push the rest.
 */
NPU_API size_t npu_mel_push (NpuMel * mel, const float *samples, size_t count);

/* As npu_mel_push() with @count zeros. */
NPU_API size_t npu_mel_push_silence (NpuMel * mel, size_t count);

/**
 * npu_mel_finish:
 * State that no sample follows: the frames up to npu_mel_samples() / 160
 * become ready. Further calls do nothing.
 */
NPU_API void npu_mel_finish (NpuMel * mel);

/* Frames that npu_mel_pull() can write now. */
NPU_API size_t npu_mel_ready (const NpuMel * mel);

/**
 * npu_mel_pull:
 * Compute the next frames, the oldest first.
 *
 * @frames      out; room for @max_frames rows of npu_mel_bands() values,
 *              written once and never read, so it may be device memory
 * @max_frames  0 writes nothing
 *
 * Returns the frames written, the smaller of @max_frames and npu_mel_ready().
 */
NPU_API size_t npu_mel_pull (NpuMel * mel, float *frames, size_t max_frames);

/* Back to the state after npu_mel_create(), counts included. */
NPU_API void npu_mel_reset (NpuMel * mel);

NPU_API unsigned npu_mel_bands (const NpuMel * mel);
/* Samples taken, silence included. */
NPU_API uint64_t npu_mel_samples (const NpuMel * mel);
/* Frames pulled. */
NPU_API uint64_t npu_mel_frames (const NpuMel * mel);
/* Samples that were no usable number. */
NPU_API uint64_t npu_mel_unusable_samples (const NpuMel * mel);

/**
 * npu_mel_filter:
 * Write the NPU_MEL_BINS weights of the filter @band, most of them 0, to
 * @weights. For checks against the filters stored with a model.
 *
 * @band  0 ... npu_mel_bands() - 1
 */
NPU_API void npu_mel_filter (const NpuMel * mel, unsigned band,
    float weights[NPU_MEL_BINS]);

#endif
