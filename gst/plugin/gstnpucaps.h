/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The caps that the elements agree on, each kind written once: template
 * string, a maker and a reader. Nothing here negotiates.
 */
#ifndef GST_NPU_CAPS_H
#define GST_NPU_CAPS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Log-mel frames: raw log10 values, one row of float32 a frame, 100 rows a
 * second. The first dimension is time and varies from buffer to buffer. */
#define GST_NPU_MEL_CAPS_OF(bands) \
  "tensor/strided, tensor-id=(string)log-mel, type=(string)float32, " \
  "dims-order=(string)row-major, dims=(int)<0," bands ">"
#define GST_NPU_MEL_CAPS \
  GST_NPU_MEL_CAPS_OF ("80") ";" GST_NPU_MEL_CAPS_OF ("128")

/* Encoder states: one row of float32 a position, 50 rows a second. The width of
 * a row is the model's; caps with "dims" and "model-digest" fixed are subsets
 * of these. */
#define GST_NPU_STATES_CAPS \
  "tensor/strided, tensor-id=(string)encoder-states, type=(string)float32, " \
  "dims-order=(string)row-major"

/**
 * gst_npu_mel_caps_new:
 * @bands: 80 or 128
 *
 * Returns: (transfer full): fixed caps of log-mel frames of @bands bands
 */
GstCaps *gst_npu_mel_caps_new (guint bands);

/**
 * gst_npu_mel_caps_get_bands:
 * @caps: any caps
 * @bands: (out): the bands of a frame, 80 or 128
 *
 * Reads the first structure of @caps, which need not be fixed.
 *
 * Returns: %FALSE, and @bands untouched, when @caps are not log-mel frames of
 * a known number of bands
 */
gboolean gst_npu_mel_caps_get_bands (const GstCaps * caps, guint * bands);

/**
 * gst_npu_states_caps_new:
 * @width: values of a row
 * @digest: (nullable): of the model that the states come from
 *
 * Returns: (transfer full): fixed caps of encoder states
 */
GstCaps *gst_npu_states_caps_new (guint width, const gchar * digest);

/**
 * gst_npu_states_caps_parse:
 * @caps: any caps
 * @width: (out): values of a row
 * @digest: (out) (transfer none) (nullable): of the model, %NULL when @caps do
 *     not say; lives as long as @caps
 *
 * Returns: %FALSE when @caps are not encoder states of a known width
 */
gboolean gst_npu_states_caps_parse (const GstCaps * caps, guint * width,
    const gchar ** digest);

G_END_DECLS

#endif
