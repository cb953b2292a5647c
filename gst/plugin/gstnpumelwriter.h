/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The output side of npumel: from mono samples to buffers of log-mel frames
 * with their times. Frames are computed straight into the buffer's memory.
 *
 * All but gst_npu_mel_writer_init() and _clear() run in the streaming thread.
 * The counts are guarded by the element's object lock.
 */
#ifndef GST_NPU_MEL_WRITER_H
#define GST_NPU_MEL_WRITER_H

#include "gstnpuchunkpool.h"
#include "mel/mel.h"

G_BEGIN_DECLS

#define GST_NPU_MEL_FRAME_DURATION (10 * GST_MSECOND)

typedef struct
{
  guint frames_per_buffer;      /* 0 before negotiation */
  guint64 frames;               /* sent */
  guint64 unusable_samples;
  guint64 pool_misses;
} GstNpuMelCounts;

typedef struct
{
  GstElement *element;          /* not owned, as is pad */
  GstPad *pad;
  NpuMel *mel;                  /* NULL before negotiation */
  GstNpuChunkPool pool;

  guint chunk_frames;           /* of a full buffer */
  GstBuffer *chunk;             /* mapped, partly written; may be NULL */
  GstMapInfo chunk_map;
  guint chunk_fill;             /* frames written */

  GstClockTime start;           /* of the stretch */
  guint64 frames_sent;          /* of the stretch */
  guint64 offset;               /* of the next frame */
  gboolean discont;             /* of the next buffer */

  guint64 earlier_samples;      /* of the stretches before, this stream */
  guint64 earlier_unusable;
  guint64 first_unusable;       /* sample count when they were noticed */
  gboolean warned;

  GstNpuMelCounts counts;
} GstNpuMelWriter;

void gst_npu_mel_writer_init (GstNpuMelWriter * self, GstElement * element,
    GstPad * pad);
void gst_npu_mel_writer_clear (GstNpuMelWriter * self);

/**
 * gst_npu_mel_writer_negotiate:
 * @bands: 80 or 128; only between stretches other than before
 * @frames_per_buffer: the size of a full buffer
 *
 * Sets caps and asks downstream for memory. A buffer partly written is sent.
 *
 * Returns: %FALSE when that fails
 */
gboolean gst_npu_mel_writer_negotiate (GstNpuMelWriter * self, guint bands,
    guint frames_per_buffer);

/* The next sample is the first of a stretch and has the time @start. */
void gst_npu_mel_writer_begin (GstNpuMelWriter * self, GstClockTime start);

/* Take samples and send the buffers that become full. */
GstFlowReturn gst_npu_mel_writer_take (GstNpuMelWriter * self,
    const gfloat * samples, gsize count);

/* Send all frames of the stretch, then as gst_npu_mel_writer_forget(). */
GstFlowReturn gst_npu_mel_writer_end (GstNpuMelWriter * self);

/* Give up the stretch, and frames that were not sent; the next buffer is
 * marked DISCONT. */
void gst_npu_mel_writer_forget (GstNpuMelWriter * self);

/* Another stream, with counts and a warning of its own. */
void gst_npu_mel_writer_begin_stream (GstNpuMelWriter * self);

/* Time behind the last frame sent, also when the stretch has ended. */
GstClockTime gst_npu_mel_writer_sent (const GstNpuMelWriter * self);

G_END_DECLS

#endif
