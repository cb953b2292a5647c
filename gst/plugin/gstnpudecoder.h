/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npudecoder: encoder states in, timed text out. gstnpudecoder.c is the object
 * with its properties and states, gstnpudecoderstream.c what happens to buffers
 * and events.
 */
#ifndef GST_NPU_DECODER_H
#define GST_NPU_DECODER_H

#include <gst/gst.h>

#include "decoder/decoder.h"

G_BEGIN_DECLS

#define GST_TYPE_NPU_DECODER (gst_npu_decoder_get_type ())
G_DECLARE_FINAL_TYPE (GstNpuDecoder, gst_npu_decoder, GST, NPU_DECODER,
    GstElement)

GST_ELEMENT_REGISTER_DECLARE (npudecoder);

typedef struct
{
  gchar *model;
  gchar *language;
  gchar *separator;
  NpuTask task;
  gfloat no_speech_threshold;
  gfloat log_probability_threshold;
} GstNpuDecoderSettings;

typedef struct
{
  guint64 windows;
  guint64 segments;
  guint64 tokens;
  guint64 silent;               /* windows without speech */
  guint64 looped;               /* windows with a repetition cut */
  guint64 cancelled;
  guint64 decode_time;
  guint64 last_decode_time;
} GstNpuDecoderCounters;

struct _GstNpuDecoder
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Guarded by the object lock. */
  GstNpuDecoderSettings settings;
  gchar *separator;             /* the setting without escapes */
  gboolean outdated;            /* what is open is not what "model" names */

  /* READY and higher; changed in state changes only. */
  NpuModel *override;           /* of the property, NULL without */

  GMutex lock;                  /* guards what follows, up to the next blank */
  NpuDecoder *decoder;          /* replaced by the streaming thread only */
  NpuModel *model;              /* likewise; the one that @decoder is of */
  gboolean cancelled;           /* flushing, or on the way to READY */
  GstNpuDecoderCounters counters;
  gchar language[16];           /* in use, empty before the first window */

  /* Streaming thread only. */
  guint width;                  /* of a row of states, 0 before caps */
  GstSegment segment;
  GstClockTime position;        /* up to here text and gaps were sent */
  guint64 next_sample;          /* of the last answer */
  guint64 seen_window;          /* id of the last window that came */
  gboolean sent_caps;
  gboolean refused;             /* caps or a segment, and said so */
};

GstFlowReturn gst_npu_decoder_chain (GstPad * pad, GstObject * parent,
    GstBuffer * states);
GstFlowReturn gst_npu_decoder_sink_event (GstPad * pad,
    GstObject * parent, GstEvent * event);
gboolean gst_npu_decoder_sink_query (GstPad * pad, GstObject * parent,
    GstQuery * query);

/* Streaming thread, or no pad active; @model may be NULL. */
void gst_npu_decoder_use_model (GstNpuDecoder * self, NpuModel * model);

/* Any thread: a decode in progress ends within a token, later ones at once. */
void gst_npu_decoder_set_cancelled (GstNpuDecoder * self, gboolean cancelled);

G_END_DECLS

#endif
