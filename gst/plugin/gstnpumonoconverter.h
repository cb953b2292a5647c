/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Any raw audio to the one form that the log-mel front end takes, mono float
 * of 16 kHz, block by block. GstAudioConverter does the work; this adds what
 * it leaves to its user: a mix for channels without positions, a tail without
 * loss, and the count of samples.
 */
#ifndef GST_NPU_MONO_CONVERTER_H
#define GST_NPU_MONO_CONVERTER_H

#include <gst/audio/audio.h>

G_BEGIN_DECLS

typedef struct _GstNpuMonoConverter GstNpuMonoConverter;

/**
 * gst_npu_mono_converter_new:
 * @info: the audio that will come
 *
 * Returns: (nullable): a converter, freed with gst_npu_mono_converter_free();
 * %NULL where the conversion is not possible. A converter is used by one
 * thread at a time.
 */
GstNpuMonoConverter *gst_npu_mono_converter_new (const GstAudioInfo * info);

void gst_npu_mono_converter_free (GstNpuMonoConverter * self);

/**
 * gst_npu_mono_converter_convert:
 * @audio: (nullable): mapped audio in the converter's format; %NULL for
 *   silence
 * @first: the first sample of @audio to convert
 * @count: (inout): the samples to convert; on return those converted, at
 *   least 1 of them
 * @mono_count: (out): the samples returned, possibly 0
 *
 * Returns: samples that are valid until the next call, or as long as @audio
 */
const gfloat *gst_npu_mono_converter_convert (GstNpuMonoConverter * self,
    const GstAudioBuffer * audio, gsize first, gsize * count,
    gsize * mono_count);

/**
 * gst_npu_mono_converter_drain:
 * @mono_count: (out): the samples returned, possibly 0
 *
 * Ends the audio: with the samples returned now, N samples of rate R have
 * given N * 16000 / R, rounded down. The converter then begins anew.
 *
 * Returns: samples that are valid until the next call
 */
const gfloat *gst_npu_mono_converter_drain (GstNpuMonoConverter * self,
    gsize * mono_count);

/* Forget what was converted. */
void gst_npu_mono_converter_reset (GstNpuMonoConverter * self);

/* How long the last samples in the converter have been there, at most. The
 * samples that come out are not shifted in time by it. */
GstClockTime gst_npu_mono_converter_latency (const GstNpuMonoConverter * self);

/* Samples put in since the beginning, or since the last drain or reset. */
guint64 gst_npu_mono_converter_samples (const GstNpuMonoConverter * self);

G_END_DECLS

#endif
