/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Metadata of encoder states: which window of the audio they stand for.
 */
#ifndef GST_NPU_WINDOW_META_H
#define GST_NPU_WINDOW_META_H

#include "gstnpuprelude.h"

G_BEGIN_DECLS

#define GST_NPU_WINDOW_META_API_TYPE (gst_npu_window_meta_api_get_type ())
#define GST_NPU_WINDOW_META_INFO (gst_npu_window_meta_get_info ())

/* Samples of the 16 kHz audio that one encoder position stands for: 20 ms. */
#define GST_NPU_SAMPLES_PER_POSITION 320

/* Samples of the 16 kHz audio that one log-mel frame stands for: 10 ms. */
#define GST_NPU_SAMPLES_PER_FRAME 160

/**
 * GstNpuWindow:
 * @id: counts up, never twice the same from one encoder
 * @first_sample: first sample of the window, at 16 kHz, counted over all that
 *     the encoder was given; goes on over flushes and discontinuities
 * @positions: rows of states in the buffer
 * @valid_positions: rows that stand for audio that was heard; the rest is
 *     padding
 * @full: no more audio can be added to this window: it has its whole length,
 *     or the audio ended
 * @final: the audio ended (end of stream, gap, discontinuity) in this window
 * @peak: highest log10 mel value in it; -10 is digital silence
 *
 * A window of audio.
 */
typedef struct _GstNpuWindow
{
  guint64 id;
  guint64 first_sample;
  guint positions;
  guint valid_positions;
  gboolean full;
  gboolean final;
  gfloat peak;
} GstNpuWindow;

/**
 * GstNpuWindowMeta:
 * @meta: parent
 * @window: which window the states in this buffer stand for
 *
 * Copies of a whole buffer keep it, parts of one do not.
 */
typedef struct _GstNpuWindowMeta
{
  GstMeta meta;
  GstNpuWindow window;

  /*< private > */
  gpointer release;
  gpointer _gst_reserved[GST_PADDING];
} GstNpuWindowMeta;

GST_NPU_API
GType gst_npu_window_meta_api_get_type (void);

GST_NPU_API
const GstMetaInfo *gst_npu_window_meta_get_info (void);

/**
 * gst_buffer_add_npu_window_meta:
 * @buffer: a writable buffer of encoder states
 * @window: copied
 *
 * Returns: (transfer none): the metadata, which lives as long as @buffer
 */
GST_NPU_API
GstNpuWindowMeta *gst_buffer_add_npu_window_meta (GstBuffer * buffer,
    const GstNpuWindow * window);

/**
 * gst_buffer_get_npu_window_meta:
 * @buffer: any buffer
 *
 * Returns: (transfer none) (nullable): its window, %NULL when it has none
 */
GST_NPU_API
GstNpuWindowMeta *gst_buffer_get_npu_window_meta (GstBuffer * buffer);

/**
 * gst_npu_window_meta_on_release:
 * @meta: metadata without a notification yet
 * @notify: called once, from any thread, when the last buffer that carries
 *     this window is gone, copies included; must not block
 * @data: for @notify, which owns it
 *
 * How the encoder learns that nobody is going to answer for a window.
 */
GST_NPU_API
void gst_npu_window_meta_on_release (GstNpuWindowMeta * meta,
    GDestroyNotify notify, gpointer data);

G_END_DECLS

#endif
